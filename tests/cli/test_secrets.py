"""No name, password or signature of a URL is printed, whatever the command does with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag.loaders.download import public_path
from support.cli import Ran, run_process
from support.file_server import answer, file_server
from support.lite_server import LiteServer

from .conftest import Run

SECRETS = ("us3r", "s3cret", "t0ken")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def web() -> Iterator[str]:
    """A web server with a page under two names, a loop, and a way to nowhere."""
    page = b"# A\n\nAlpha.\n"
    with file_server(
        {
            "/x/a.md?sig=t0ken": page,
            "/y/a.md?sig=t0ken": page,
            "/loop.md?sig=t0ken": answer(302, Location="/loop.md?sig=t0ken"),
            "/away.md?sig=t0ken": answer(302, Location="ftp://us3r:s3cret@elsewhere/a.md"),
        }
    ) as (url, _):
        yield url


def private(web: str, path: str) -> str:
    return f"{web.replace('http://', 'http://us3r:s3cret@')}/{path}?sig=t0ken#t0ken"


def check(ran: Ran, shown: str) -> None:
    said = ran.stdout + ran.stderr
    assert shown in said
    assert not [secret for secret in SECRETS if secret in said], said


@pytest.mark.parametrize("options", [[], ["--json"], ["--dry-run"]])
def test_a_url_that_is_indexed(run: Run, web: str, options: list[str]) -> None:
    ran = run("index", private(web, "x/a.md"), *options)
    assert ran.exit_code == 0
    check(ran, f"{web}/x/a.md")


def test_a_url_that_is_asked(run: Run, web: str) -> None:
    check(run("ask", "Alpha?", "--docs", private(web, "x/a.md")), f"{web}/x/a.md: 1 file")


def test_two_urls_of_one_name(run: Run, web: str) -> None:
    ran = run("index", private(web, "x/a.md"), private(web, "y/a.md"))
    assert "both have a.md" in ran.error
    check(ran, f"{web}/x/a.md and {web}/y/a.md")


@pytest.mark.parametrize("path", ["none.md", "loop.md", "away.md"])
def test_a_url_that_cannot_be_loaded(run: Run, web: str, path: str) -> None:
    ran = run("index", private(web, path))
    assert ran.exit_code == 1
    check(ran, f"{web}/{path}")


def test_a_password_that_should_have_been_quoted(run: Run) -> None:
    """The '/' in it ends the host, so that what stands before seems to be a port."""
    ran = run("index", "http://us3r:s3cret/more@127.0.0.1/a.md")
    assert "no host that can be understood" in ran.error
    check(ran, "https://host/path")


def test_the_logs_of_the_libraries(web: str) -> None:
    """They name every request's URL, were they let."""
    ran = run_process("--verbose", "index", private(web, "x/a.md"))
    assert ran.exit_code == 0
    check(ran, f"{web}/x/a.md")


def test_a_milvus_with_a_password_in_its_uri(run: Run, docs: Path, tmp_path: Path) -> None:
    with LiteServer(tmp_path / "served.db") as server:
        uri = server.uri.replace("http://", "http://us3r:s3cret@")
        for command in (["index", docs], ["index", docs, "--rebuild"], ["info"]):
            ran = run(*command, "--uri", uri, "--json")
            assert ran.json["uri"] == server.uri
            check(ran, server.uri)
        check(run("doctor", "--uri", uri), server.uri)


def test_a_path_that_is_no_url_is_shown_as_it_is() -> None:
    assert public_path("notes/me@home?.md") == "notes/me@home?.md"
