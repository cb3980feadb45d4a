"""Two servers below two paths of one origin, each with a key of its own, used in one browser."""

import contextlib
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import browser, chromium, watched_page
from support.deployment import program
from support.lite_server import wait_for_port
from support.ports import free_port
from support.served import Served, serving
from support.waiting import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)"),
]

NAMES = ("a", "b")
_NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
_NGINX_CONFIGURATION = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""
_NGINX_LOCATION = """
        location /{name}/ {{
            proxy_pass http://{address};
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
        }}
"""
_CADDY_LOCATION = "\thandle /{name}/* {{\n\t\treverse_proxy {address}\n\t}}\n"


def key(name: str) -> str:
    return f"the-key-of-{name}-and-of-nobody-else"


class Recorder(ThreadingHTTPServer):
    """Stands between the proxy and a server, and notes what it is sent."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.upstream = urlsplit(upstream)
        self.seen: list[str] = []


class _Forward(BaseHTTPRequestHandler):
    server: Recorder

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers["Content-Length"])))

    def _pass_on(self, body: bytes) -> None:
        from http.client import HTTPConnection

        self.server.seen.append(f"{self.command} {self.path} {self.headers} {body.decode()}")
        with contextlib.closing(HTTPConnection(self.server.upstream.netloc, timeout=PATIENCE_SECONDS)) as upstream:
            upstream.request(self.command, self.path, body or None, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture(scope="module")
def servers(index_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Recorder]]:
    with contextlib.ExitStack() as stack:
        recorders = {}
        for name in NAMES:
            database = tmp_path_factory.mktemp(name) / "docs.db"
            shutil.copytree(index_uri, database, ignore=shutil.ignore_patterns("*LOCK*", "*lock*"))
            served: Served = stack.enter_context(
                serving(str(database), "--root-path", f"/{name}", environment={"MILVUS_RAG_SERVER_KEY": key(name)})
            )
            recorder = recorders[name] = stack.enter_context(Recorder(served.url))
            threading.Thread(target=recorder.serve_forever, daemon=True).start()
            stack.callback(recorder.shutdown)
        yield recorders


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def origin(
    request: pytest.FixtureRequest, servers: dict[str, Recorder], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A proxy that shows both, with nginx as Debian has it where it is installed."""
    if request.param == "nginx" and _NGINX is None:
        pytest.skip("needs nginx")
    folder, port = tmp_path_factory.mktemp("proxy"), free_port()
    addresses = {name: "{}:{}".format(*recorder.server_address[:2]) for name, recorder in servers.items()}
    if request.param == "nginx":
        locations = "".join(_NGINX_LOCATION.format(name=name, address=addresses[name]) for name in NAMES)
        text = _NGINX_CONFIGURATION.format(folder=folder, port=port, locations=locations)
        command = [str(_NGINX), "-p", folder, "-e", folder / "error.log", "-c", folder / "configuration"]
    else:
        locations = "".join(_CADDY_LOCATION.format(name=name, address=addresses[name]) for name in NAMES)
        text = f"{{\n\tadmin off\n}}\nhttp://127.0.0.1:{port} {{\n{locations}}}\n"
        command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", folder / "configuration"]
    (folder / "configuration").write_text(text)
    own = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(folder))
    process = subprocess.Popen(command, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


def use(page: Page, name: str, question: str) -> None:
    page.get_by_label("Key", exact=True).fill(key(name))
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    expect(page.locator(".turn").last.locator(".facts")).not_to_be_empty()


def test_no_key_and_no_question_of_one_reaches_the_other(
    chrome: Browser, servers: dict[str, Recorder], origin: str
) -> None:
    for recorder in servers.values():
        recorder.seen.clear()
    with watched_page(chrome, f"{origin}/a/", allow_status=401) as page:
        use(page, "a", "Where does team A store its data?")
        page.goto(f"{origin}/b/")
        expect(page.get_by_role("dialog")).to_be_visible()
        expect(page.locator(".turn")).to_have_count(0)
        use(page, "b", "Are bananas of team B yellow?")
        # Back and forth, in the same tab: each knows its own.
        for name, team in (("a", "team A"), ("b", "team B")):
            page.goto(f"{origin}/{name}/")
            expect(page.get_by_label("Model")).to_be_visible()
            expect(page.locator(".question")).to_have_count(1)
            expect(page.locator(".question")).to_contain_text(team)
        page.get_by_role("button", name="New chat").click()
        page.goto(f"{origin}/a/")
        expect(page.locator(".question")).to_contain_text("team A")
        page.get_by_label("Your question").fill("and where is it kept?")
        page.keyboard.press("Enter")
        expect(page.locator(".turn")).to_have_count(2)
        expect(page.locator(".turn").last.locator(".facts")).not_to_be_empty()
    seen = {name: "\n".join(recorder.seen) for name, recorder in servers.items()}
    for own, other in (NAMES, NAMES[::-1]):
        assert key(own) in seen[own]
        assert f"team {own.upper()}" in seen[own]
        assert key(other) not in seen[own]
        assert f"team {other.upper()}" not in seen[own]
    assert json.dumps("Where does team A store its data?") in seen["a"]
