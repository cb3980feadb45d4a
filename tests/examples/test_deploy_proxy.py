"""The reverse proxies of examples/deploy and docs/deploy.md: a real Caddy in front of a real server."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from langchain_core.documents import Document

from milvus_rag import open_store
from milvus_rag.server.settings import ServerSettings
from support.deployment import DEPLOY, ROOT, program
from support.documentation import blocks_of
from support.lite_server import wait_for_port
from support.ports import free_port
from support.served import Served, asking, serving
from support.slow_model import SlowModel
from support.waiting import PATIENCE_SECONDS

KEY = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {KEY}"}
ONE = {"input": "Where is the key?"}
CADDYFILE = DEPLOY / "Caddyfile"
PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


def caddy_environment(folder: Path, **variables: str) -> dict[str, str]:
    """Nothing of the proxy outside of a folder."""
    own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    return {**os.environ, **own, **variables}


@contextlib.contextmanager
def caddy(folder: Path, upstream: str, prefix: str) -> Iterator[str]:
    """The Caddyfile at work, without TLS; its URL."""
    port = free_port()
    environment = caddy_environment(
        folder, SITE_ADDRESS=f"http://127.0.0.1:{port}", UPSTREAM=upstream, MILVUS_RAG_ROOT_PATH=prefix
    )
    process = subprocess.Popen(
        [program("caddy"), "run", "--config", CADDYFILE],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=40, pause=0.1) as server:
        yield server


@pytest.fixture(scope="module", params=["", "/chat"], ids=["at the root", "below a path"])
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(prefix: str, model: SlowModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("index") / "docs.db"
    with open_store(str(path)) as store:
        store.add_documents([Document("The spare key is under the third flower pot.", metadata={"source": "keys.md"})])
    variables = {**model.environment, "MILVUS_RAG_SERVER_KEY": KEY, "MILVUS_RAG_ROOT_PATH": prefix}
    with serving(str(path), "--llm", "local", "--allow-llm", "openai:slow", environment=variables) as served:
        yield served


@pytest.fixture(scope="module")
def proxy(prefix: str, server: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the proxy."""
    upstream = re.sub(r"^http://([^/]+).*", r"\1", server.url)
    with (
        caddy(tmp_path_factory.mktemp("caddy"), upstream, prefix) as url,
        httpx.Client(base_url=url + prefix, timeout=PATIENCE_SECONDS) as client,
    ):
        yield client


class TestBehindCaddy:
    def test_the_page_and_all_that_it_loads_come_through(self, proxy: httpx.Client) -> None:
        page = proxy.get("/")
        assert page.status_code == 200
        linked = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert linked
        # The playground leads to where one signs in.
        browser = {"headers": {"Accept": "text/html"}, "follow_redirects": True, "timeout": PATIENCE_SECONDS}
        for link in linked:
            assert httpx.get(str(page.url.join(link)), **browser).status_code == 200, link

    def test_questions_are_answered(self, proxy: httpx.Client) -> None:
        assert proxy.post("/rag/invoke", json=ONE).status_code == 401
        answer = proxy.post("/rag/invoke", json=ONE, headers=BEARER)
        assert "third flower pot" in answer.json()["output"]["answer"]
        assert proxy.get("/readyz", headers=BEARER).json() == {"status": "ready"}

    @pytest.mark.parametrize("route", ["/rag/stream", "/answer/stream"])
    def test_a_stream_comes_as_it_is_made_and_ends_with_its_client(
        self, proxy: httpx.Client, model: SlowModel, route: str
    ) -> None:
        abandoned, finished = model.abandoned, model.finished
        body = {**ONE, "config": {"configurable": {"llm": "openai:slow"}}}
        with model.holding(3):
            with proxy.stream("POST", route, json=body, headers=BEARER) as response:
                assert any("word2" in line for line in response.iter_lines())
            assert model.wait_for("abandoned", abandoned + 1)
        assert model.finished == finished

    def test_a_client_that_does_not_wait_stops_the_model(self, proxy: httpx.Client, model: SlowModel) -> None:
        started, abandoned = model.started, model.abandoned
        body = {**ONE, "config": {"configurable": {"llm": "openai:slow"}}}
        model.pause, before = 20, model.pause
        try:
            # Below a path the base ends with a slash, and else it does not.
            base = str(proxy.base_url).rstrip("/")
            with asking(f"{base}/rag/invoke", body, BEARER):
                assert model.wait_for("started", started + 1)
            assert model.wait_for("abandoned", abandoned + 1)
        finally:
            model.pause = before
        assert model.started == started + 1

    def test_the_server_itself_says_what_is_too_large(self, proxy: httpx.Client) -> None:
        limit = ServerSettings().max_body_bytes
        answer = proxy.post("/rag/invoke", content=b" " * (limit + 1), headers=BEARER)
        assert answer.status_code == 413
        assert f"{limit:,} bytes" in answer.json()["error"]["message"]
        assert proxy.post("/rag/invoke", content=b" " * 1_100_000, headers=BEARER).status_code == 413

    def test_metrics_stay_inside(self, proxy: httpx.Client, server: Served) -> None:
        assert proxy.get("/metrics", headers=BEARER).status_code == 404
        assert httpx.get(f"{server.url}/metrics", headers=BEARER, timeout=PATIENCE_SECONDS).status_code == 200

    def test_the_path_without_its_slash_leads_to_the_page(self, proxy: httpx.Client, prefix: str) -> None:
        outside = proxy.base_url.join("/")
        answer = httpx.get(outside.join(prefix or "/"), timeout=PATIENCE_SECONDS)
        assert answer.status_code == (302 if prefix else 200)
        if prefix:
            assert answer.headers["Location"] == f"{prefix}/"
            # What is not below the path is not ours.
            assert httpx.get(outside.join("/rag/invoke"), timeout=PATIENCE_SECONDS).text == ""


def test_the_caddyfile_is_in_order(tmp_path: Path) -> None:
    for command in (["validate", "--config", CADDYFILE], ["fmt", "--diff", CADDYFILE]):
        done = subprocess.run(
            [program("caddy"), *command], env=caddy_environment(tmp_path), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr + done.stdout
        assert '"level":"warn"' not in done.stderr
        # The formatter marks the lines that it would change.
        assert not re.search(r"^[+-]", done.stdout, re.MULTILINE)


class TestOnThePage:
    def test_every_caddyfile_can_be_read(self, tmp_path: Path) -> None:
        blocks = [block for block in blocks_of(PAGE) if block.language == "caddyfile"]
        assert blocks
        for block in blocks:
            (tmp_path / "Caddyfile").write_text(block.code)
            done = subprocess.run(
                [program("caddy"), "adapt", "--config", tmp_path / "Caddyfile"],
                env=caddy_environment(tmp_path),
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"docs/deploy.md:{block.line}\n{done.stderr}"

    def test_nginx_waits_longer_and_takes_more_than_the_server(self) -> None:
        (block,) = (block for block in blocks_of(PAGE) if block.language == "nginx")
        directives = dict(re.findall(r"^\s*(\w+) ([^;{\n]+);", block.code, re.MULTILINE))
        settings = ServerSettings()
        assert float(directives["proxy_read_timeout"].removesuffix("s")) > settings.request_timeout
        assert float(directives["client_max_body_size"].removesuffix("m")) * 1024**2 > settings.max_body_bytes
        assert directives["proxy_pass"] == f"http://127.0.0.1:{settings.port}"
        assert block.code.count("{") == block.code.count("}")

    def test_prometheus_is_told_where_the_metrics_are(self) -> None:
        (block,) = (block for block in blocks_of(PAGE) if block.language == "yaml")
        (job,) = yaml.safe_load(block.code)["scrape_configs"]
        (targets,) = job["static_configs"]
        assert targets["targets"] == [f"127.0.0.1:{ServerSettings().port}"]
        assert job["authorization"].keys() == {"credentials_file"}
        assert "metrics_path" not in job

    def test_every_metric_is_there(self, server: Served) -> None:
        # One that is answered, and one that is not.
        for headers, status in ((BEARER, 200), ({}, 401)):
            assert (
                httpx.post(
                    f"{server.url}/answer/stream", json=ONE, headers=headers, timeout=PATIENCE_SECONDS
                ).status_code
                == status
            )
        text = httpx.get(f"{server.url}/metrics", headers=BEARER, timeout=PATIENCE_SECONDS).text
        named = set(re.findall(r"`(milvus_rag_\w+)`", PAGE))
        assert named
        assert {name for name in named if not re.search(rf"^{name}(_total|_bucket)?[ {{]", text, re.MULTILINE)} == set()

    def test_every_variable_is_a_setting(self) -> None:
        named = set(re.findall(r"\bMILVUS_RAG_(\w+)", PAGE))
        in_compose = set(re.findall(r"\bMILVUS_RAG_(\w+)", (DEPLOY / "compose.yaml").read_text("utf-8")))
        of_copying = {"TO_TOKEN"}
        assert named - in_compose - of_copying <= {field.upper() for field in ServerSettings.model_fields}
