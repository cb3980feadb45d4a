"""The services of examples/deploy/compose.yaml, as Docker Compose itself reads them, and what they run."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from milvus_rag.models.providers.table import PROVIDERS
from milvus_rag.server.settings import ServerSettings
from milvus_rag.setting_fields import PREFIX
from support.deployment import DEPLOY, ROOT, instructions_of, program
from support.lite_server import LiteServer
from support.ports import free_port
from support.waiting import PATIENCE_SECONDS, wait_until

COMPOSE = DEPLOY / "compose.yaml"
EXAMPLE = (DEPLOY / ".env.example").read_text("utf-8")
SECRETS = {"MILVUS_RAG_SERVER_KEY": "correct-horse-battery-staple", "MINIO_PASSWORD": "another-long-secret"}
OURS = {"server", "index"}
DATABASE = {"milvus", "etcd", "minio"}


def compose(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Docker Compose on the file, with these variables and no .env file."""
    command = [program("docker-compose"), "--file", COMPOSE, "--env-file", os.devnull, *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def resolved(*arguments: str, **variables: str) -> dict[str, Any]:
    """The services as Docker Compose understands them."""
    done = compose(*arguments, "config", "--format", "json", **{**SECRETS, **variables})
    assert done.returncode == 0, done.stderr
    # Not a word about keys that it does not know or values that it has to guess.
    assert done.stderr == ""
    services: dict[str, Any] = json.loads(done.stdout)["services"]
    return services


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return resolved("--profile", "*")


@pytest.mark.parametrize("missing", SECRETS)
def test_without_a_secret_nothing_starts(missing: str) -> None:
    for secrets in ({**SECRETS, missing: ""}, {name: value for name, value in SECRETS.items() if name != missing}):
        done = compose("config", **secrets)
        assert done.returncode != 0
        assert f"required variable {missing} is missing a value: set it to a long random text" in done.stderr


def test_only_the_server_is_published_and_only_on_this_machine() -> None:
    services = resolved()
    assert services.keys() == DATABASE | {"server"}
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.keys() == {"server"}
    (port,) = published["server"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8000", ServerSettings().port)


def test_it_is_published_elsewhere_where_that_is_asked_for() -> None:
    (port,) = resolved(MILVUS_RAG_PUBLISH="9000")["server"]["ports"]
    assert port["published"] == "9000"
    assert "host_ip" not in port
    three = resolved("--profile", "*", MILVUS_RAG_PUBLISH="127.0.0.1:8000-8002")["server"]["ports"]
    assert [port["published"] for port in three] == ["8000-8002"]


def test_with_the_proxy_there_are_http_and_https(services: dict[str, Any]) -> None:
    assert {port["target"] for port in services["proxy"]["ports"]} == {80, 443}
    assert (services["proxy"]["profiles"], services["index"]["profiles"]) == (["proxy"], ["index"])


def test_every_image_is_pinned_or_built_here(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in OURS:
            assert service["build"]["context"] == str(ROOT)
            assert (ROOT / service["build"]["dockerfile"]).is_file()
            assert service["build"]["args"].keys() == {"EXTRAS"}
        else:
            assert re.search(r":(v?\d+\.\d+\.\d+|RELEASE\.\S+Z)$", service["image"]), service["image"]


def test_who_is_waited_for_can_become_healthy(services: dict[str, Any]) -> None:
    waited_for = {name: service.get("depends_on", {}) for name, service in services.items()}
    assert waited_for["milvus"].keys() == {"etcd", "minio"}
    assert waited_for["server"].keys() == waited_for["index"].keys() == {"milvus"}
    assert waited_for["proxy"].keys() == {"server"}
    dockerfile = instructions_of((DEPLOY / "Dockerfile").read_text("utf-8"))
    for name in {name for names in waited_for.values() for name in names}:
        own = services[name].get("healthcheck", {})
        assert own.get("test") or (name in OURS and any(step.name == "HEALTHCHECK" for step in dockerfile))
        assert not own.get("disable")
    conditions = {found["condition"] for names in waited_for.values() for found in names.values()}
    assert conditions == {"service_healthy"}


def test_the_database_is_in_a_network_of_its_own(services: dict[str, Any]) -> None:
    networks = json.loads(compose("config", "--format", "json", **SECRETS).stdout)["networks"]
    assert networks["backend"]["internal"] is True
    assert not networks["default"].get("internal")
    assert {name: set(service["networks"]) for name, service in services.items()} == {
        **{name: {"backend"} for name in DATABASE},
        # They also call models.
        **{name: {"backend", "default"} for name in OURS},
        "proxy": {"default"},
    }


def test_nobody_can_gain_privileges(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert not service.get("privileged")
    for name in OURS | {"proxy"}:
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]


def test_what_must_last_is_in_volumes_and_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    for name, service in services.items():
        mounts = {mount["target"]: mount for mount in service["volumes"]}
        assert any(mount["type"] == "volume" for mount in mounts.values()), name
        for mount in mounts.values():
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists()
                assert mount["read_only"] is True
    (volume,) = services["minio"]["volumes"]
    assert services["minio"]["command"][-1] == volume["target"]
    (volume,) = services["etcd"]["volumes"]
    assert f"--data-dir={volume['target']}" in services["etcd"]["command"]


def test_what_serves_comes_back_and_what_indexes_does_not(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service.get("restart") == "unless-stopped"} == (
        services.keys() - {"index"}
    )


def test_a_stopped_server_has_the_time_that_it_takes_for_running_answers(services: dict[str, Any]) -> None:
    assert float(services["server"]["stop_grace_period"].removesuffix("s")) > ServerSettings().shutdown_timeout


def test_milvus_and_its_storage_share_a_secret(services: dict[str, Any]) -> None:
    milvus, minio = services["milvus"]["environment"], services["minio"]["environment"]
    assert milvus["MINIO_ACCESS_KEY_ID"] == minio["MINIO_ROOT_USER"]
    assert milvus["MINIO_SECRET_ACCESS_KEY"] == minio["MINIO_ROOT_PASSWORD"] == SECRETS["MINIO_PASSWORD"]
    assert not [name for name in OURS if SECRETS["MINIO_PASSWORD"] in json.dumps(services[name])]


def test_every_variable_of_ours_means_something(services: dict[str, Any]) -> None:
    known = {f"{PREFIX}{field}".upper() for field in ServerSettings.model_fields}
    known |= {name for row in PROVIDERS.values() for name in (*row.key_variables, *row.url_variables)}
    for name in OURS:
        given = {variable for variable in services[name]["environment"] if not variable.startswith("LANGSMITH_")}
        assert given <= known
        assert "MILVUS_RAG_URI" in given
    # Only the server is told its key.
    assert "MILVUS_RAG_SERVER_KEY" not in services["index"]["environment"]


def test_every_setting_of_the_index_is_also_the_servers(services: dict[str, Any]) -> None:
    assert services["index"]["environment"].items() <= services["server"]["environment"].items()


def test_a_variable_that_is_set_is_passed_on() -> None:
    services = resolved("--profile", "*", MILVUS_RAG_EMBEDDINGS="gemini", GEMINI_API_KEY="key", MILVUS_RAG_LLM="gemini")
    for name in OURS:
        assert services[name]["environment"]["MILVUS_RAG_EMBEDDINGS"] == "gemini"
        assert services[name]["environment"]["GEMINI_API_KEY"] == "key"
    assert services["server"]["environment"]["MILVUS_RAG_LLM"] == "gemini"


def test_the_example_of_env_has_what_is_needed_and_nothing_unknown() -> None:
    variables = dict(re.findall(r"^(#?\w+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert {name for name in variables if not name.startswith("#")} == SECRETS.keys()
    # Secrets are for the reader to make.
    assert {variables[name] for name in SECRETS} == {""}
    text = COMPOSE.read_text("utf-8")
    assert not [name for name in variables if not re.search(rf"\b{name.strip('#')}\b", text)]


class Stack:
    """What the services of ours run, as processes, against Milvus Lite in the place of Milvus."""

    def __init__(self, services: dict[str, Any], milvus: str, docs: Path, folder: Path) -> None:
        self._services = services
        self.docs = docs
        self._folder = folder
        self.port = free_port()
        # What the image sets and Docker would map.
        self._here = {"MILVUS_RAG_URI": milvus, "MILVUS_RAG_PORT": str(self.port), "MILVUS_RAG_HOST": "0.0.0.0"}  # noqa: S104 - as in the container

    def start(self, name: str, *more: str) -> "subprocess.Popen[str]":
        """Start a service, with more arguments to its command; its output is on stdout."""
        command = [*(self._services[name].get("command") or ["serve"]), *more]
        variables = {key: value for key, value in self._services[name]["environment"].items() if value is not None}
        return subprocess.Popen(
            [program("milvus-rag"), *(str(self.docs) if part == "/docs" else part for part in command)],
            env={**os.environ, **variables, **self._here},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            text=True,
        )

    def index(self, *more: str) -> str:
        """Run the service that indexes; what it prints."""
        with self.start("index", *more) as process:
            printed = process.communicate()[0]
        assert process.returncode == 0, printed
        return printed


@pytest.fixture
def stack(services: dict[str, Any], tmp_path: Path) -> Iterator[Stack]:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "keys.md").write_text("# Keys\n\nThe spare key is under the third flower pot.\n")
    with LiteServer(tmp_path / "milvus.db") as milvus:
        yield Stack(services, milvus.uri, docs, tmp_path)


@pytest.mark.slow
def test_up_then_index_then_again_while_it_serves_then_down(stack: Stack) -> None:
    """In the order of the page. The server is never started again, and at its end it is stopped as Docker stops it."""
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{stack.port}",
        headers={"Authorization": f"Bearer {SECRETS['MILVUS_RAG_SERVER_KEY']}"},
        timeout=PATIENCE_SECONDS,
    )

    def answer(question: str) -> str:
        response = client.post("/rag/invoke", json={"input": question})
        assert response.status_code == 200, response.text
        return str(response.json()["output"]["answer"])

    server = stack.start("server")
    try:
        assert server.stdout is not None
        assert any("Listening on" in line for line in server.stdout)
        assert client.get("/readyz").status_code == 503
        assert "1 added" in stack.index()
        wait_until(lambda: client.get("/readyz").status_code == 200, "it does not get ready")
        assert "third flower pot" in answer("Where is the key?")
        (stack.docs / "lamps.md").write_text("# Lamps\n\nThe lamp hangs above the door.\n")
        assert "1 added" in stack.index()
        assert "above the door" in answer("Where is the lamp?")
        (stack.docs / "rugs.md").write_text("# Rugs\n\nThe rug lies in the hall.\n")
        stack.index("--splitter", "marker", "--rebuild")
        assert "in the hall" in answer("Where is the rug?")
        server.terminate()
        assert server.wait(PATIENCE_SECONDS) == 0
    finally:
        server.kill()
        server.communicate()
        client.close()
