"""The unit of systemd and the manifests of Kubernetes, as those who will read them read them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from milvus_rag.server.connections import connection_limit
from milvus_rag.server.settings import ServerSettings
from support.deployment import DEPLOY, instructions_of
from support.served import serving
from support.waiting import PATIENCE_SECONDS

UNIT = DEPLOY / "milvus-rag.service"
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
VERSIONS = ("1.30", "1.37")
KEY = "correct-horse-battery-staple"


def manifest(kind: str) -> dict[str, Any]:
    (found,) = (one for one in MANIFESTS if one["kind"] == kind)
    return dict(found)


POD = manifest("Deployment")["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]


def directives() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text("utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


class TestSystemd:
    def test_it_can_be_read(self, tmp_path: Path) -> None:
        program = shutil.which("systemd-analyze")
        if program is None:
            pytest.skip("needs systemd-analyze")
        # What is not installed here is not what is looked at.
        unit = UNIT.read_text("utf-8").replace("/opt/milvus-rag/bin/milvus-rag", sys.executable)
        (tmp_path / UNIT.name).write_text(unit)
        done = subprocess.run([program, "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True)
        assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []

    def test_running_answers_are_finished_and_files_are_left(self) -> None:
        settings = ServerSettings()
        (seconds,) = directives()["TimeoutStopSec"]
        assert float(seconds) > settings.shutdown_timeout
        (files,) = directives()["LimitNOFILE"]
        limit = connection_limit(None, in_progress=settings.max_in_progress, files=int(files))
        assert f"A connection is a file: {limit:,} of them." in UNIT.read_text("utf-8")

    def test_it_sets_what_is_read(self) -> None:
        named = {name for value in directives()["Environment"] for name in re.findall(r"^MILVUS_RAG_(\w+)=", value)}
        assert {name.lower() for name in named} <= ServerSettings.model_fields.keys()


class TestKubernetes:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("one", MANIFESTS, ids=lambda one: one["kind"])
    def test_every_manifest_fits_its_schema(self, one: dict[str, Any], version: str) -> None:
        assert kubernetes_validate.validate(one, version, strict=True).startswith(version)

    def test_a_wrong_one_would_not(self) -> None:
        wrong = {**manifest("Service"), "spec": {"selektor": {}}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)

    def test_they_belong_together(self) -> None:
        labels = POD["metadata"]["labels"]
        for kind, selector in (
            ("Deployment", manifest("Deployment")["spec"]["selector"]["matchLabels"]),
            ("Service", manifest("Service")["spec"]["selector"]),
            ("PodDisruptionBudget", manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]),
        ):
            assert selector == labels, kind
        (port,) = manifest("Service")["spec"]["ports"]
        assert port["targetPort"] in {one["name"] for one in CONTAINER["ports"]}
        (ours,) = CONTAINER["ports"]
        assert ours["containerPort"] == ServerSettings().port
        assert manifest("PodDisruptionBudget")["spec"]["minAvailable"] < manifest("Deployment")["spec"]["replicas"]
        sources = {next(iter(one.values()))["name"] for one in CONTAINER["envFrom"]}
        assert sources == {manifest("Secret")["metadata"]["name"], manifest("ConfigMap")["metadata"]["name"]}

    def test_nothing_secret_is_in_them_and_all_that_is_set_is_read(self) -> None:
        secrets = manifest("Secret")["stringData"]
        assert set(secrets.values()) == {""}
        named = {*secrets, *manifest("ConfigMap")["data"]}
        assert {name.removeprefix("MILVUS_RAG_").lower() for name in named} <= ServerSettings.model_fields.keys()
        assert ServerSettings(
            trusted_proxies=manifest("ConfigMap")["data"]["MILVUS_RAG_TRUSTED_PROXIES"]
        ).trusted_proxies == ("127.0.0.1",)

    def test_running_answers_are_finished(self) -> None:
        pause = float(CONTAINER["lifecycle"]["preStop"]["exec"]["command"][1])
        assert POD["spec"]["terminationGracePeriodSeconds"] > pause + ServerSettings().shutdown_timeout

    def test_the_container_is_the_images(self) -> None:
        image = instructions_of((DEPLOY / "Dockerfile").read_text("utf-8"))
        (user,) = {one.value for one in image if one.name == "USER"}
        assert POD["spec"]["securityContext"]["runAsUser"] == int(user)
        copied = {one.value.split()[-1] for one in image if one.name == "COPY"}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert CONTAINER[probe]["exec"]["command"][1] in copied


@pytest.mark.slow
def test_the_probes_say_what_the_server_says(tmp_path: Path) -> None:
    """It runs, but there is no Milvus; the key is needed for one of the two."""
    variables = {"MILVUS_RAG_SERVER_KEY": KEY, "MILVUS_RAG_TIMEOUT": "1"}

    def probe(port: str, *path: str, **more: str) -> int:
        return subprocess.run(
            [sys.executable, DEPLOY / "healthcheck.py", *path],
            env={**os.environ, "MILVUS_RAG_PORT": port, **more},
            timeout=PATIENCE_SECONDS,
            cwd=tmp_path,
        ).returncode

    with serving("http://127.0.0.1:9", environment=variables) as server:
        port = server.url.rpartition(":")[2]
        assert probe(port) == 0
        assert probe(port, "/readyz", **variables) == 1
        assert probe(port, "/info", **variables) == 0
        assert probe(port, "/info") == 1
