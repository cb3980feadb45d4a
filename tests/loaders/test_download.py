"""MarkdownLoader on URLs, over real HTTP on loopback."""

import copy
import gc
import io
import re
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from milvus_rag.errors import ArchiveError, InputError, LoaderError, SourceNotFoundError, SourceTooLargeError
from milvus_rag.loaders.markdown import MarkdownLoader
from milvus_rag.pipeline import build_index
from milvus_rag.settings import Settings
from support.file_server import Answer, answer, file_server


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go, without a proxy between."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def packed(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name.replace('__', '/')}.md", content)
    return buffer.getvalue()


def test_a_zip_is_downloaded_read_in_place_and_deleted(temporary_files: Path) -> None:
    with file_server({"/docs.zip": packed(en__b="# B", en__a="# A", c="# C")}) as (url, requests):
        loader = MarkdownLoader(f"{url}/docs.zip", "en/*.md")
        documents = loader.lazy_load()
        assert requests == []
        first = next(documents)
        assert len(list(temporary_files.iterdir())) == 1
        assert [first, *documents][1].metadata == {"source": "en/b.md", "title": "B"}
        assert list(temporary_files.iterdir()) == []
        assert requests == ["GET /docs.zip"]
        assert list(loader.sources()) == ["en/a.md", "en/b.md"]
        assert loader.covers("en/x.md")
        assert not loader.covers("c.md")


def test_a_download_is_deleted_when_the_reader_stops_early(temporary_files: Path) -> None:
    with file_server({"/docs.zip": packed(a="x", b="y")}) as (url, _):
        documents = MarkdownLoader(f"{url}/docs.zip").lazy_load()
        next(documents)
        documents.close()  # type: ignore[attr-defined]  # it is a generator
    assert list(temporary_files.iterdir()) == []


def test_a_file_has_the_name_at_the_end_of_the_url() -> None:
    with file_server({"/raw/The%20%C3%A9.md?token=secret": b"# T"}) as (url, _):
        loader = MarkdownLoader(f"{url}/raw/The%20%C3%A9.md?token=secret")
        (document,) = loader.load()
        assert (document.page_content, document.metadata) == ("# T", {"source": "The é.md", "title": "T"})
        assert loader.covers("The é.md")
        assert not loader.covers("other.md")


def test_a_zip_whose_url_does_not_say_so_is_known_by_its_content() -> None:
    with file_server({"/archive/main": packed(a="x"), "/text/main": b"# T", "/": b"index"}) as (url, _):
        loader = MarkdownLoader(f"{url}/archive/main")
        assert [document.metadata["source"] for document in loader.lazy_load()] == ["a.md"]
        assert loader.covers("b.md")
        assert [document.metadata["source"] for document in MarkdownLoader(f"{url}/text/main").lazy_load()] == ["main"]
        assert MarkdownLoader(f"{url}/text/main").covers("main")
        (host,) = MarkdownLoader(url).sources()
        assert host == url.removeprefix("http://")


def test_redirects_are_followed_and_the_name_is_the_first_urls() -> None:
    with file_server({"/new/x.md": b"text"}) as (url, _):
        moved = {"/old.md": answer(302, Location=f"{url}/new/x.md"), "/loop": answer(301, Location="/loop")}
        with file_server(moved) as (old, _):
            (document,) = MarkdownLoader(f"{old}/old.md").load()
            assert (document.page_content, document.metadata["source"]) == ("text", "old.md")
            with pytest.raises(LoaderError, match=r"/loop cannot be downloaded: .*redirects"):
                MarkdownLoader(f"{old}/loop").load()


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (404, SourceNotFoundError, "nothing at .*/a.md .HTTP 404."),
        (410, SourceNotFoundError, "HTTP 410"),
        (401, LoaderError, "credentials .HTTP 401."),
        (403, LoaderError, "credentials .HTTP 403."),
        (500, LoaderError, "HTTP 500"),
        (304, LoaderError, "HTTP 304"),
    ],
)
def test_a_refusal_is_told(status: int, error: type[LoaderError], message: str, temporary_files: Path) -> None:
    with file_server({"/a.md": answer(status)}) as (url, _), pytest.raises(error, match=message):
        MarkdownLoader(f"{url}/a.md").load()
    assert list(temporary_files.iterdir()) == []


def test_a_web_page_is_no_markdown() -> None:
    page = answer(body=b"<html>", Content_Type="text/html; charset=utf-8")
    with file_server({"/blob/a.md": page, "/docs.zip": page}) as (url, _):
        for path in ("blob/a.md", "docs.zip"):
            with pytest.raises(LoaderError, match=r"is a web page .*the raw file"):
                MarkdownLoader(f"{url}/{path}").load()


def test_what_is_no_zip_is_told() -> None:
    with (
        file_server({"/docs.zip": b"no zip"}) as (url, _),
        pytest.raises(ArchiveError, match=rf"{re.escape(url)}/docs\.zip is no zip"),
    ):
        MarkdownLoader(f"{url}/docs.zip").load()


def test_a_download_over_the_limit_is_refused_announced_or_not(temporary_files: Path) -> None:
    sent: list[int] = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                sent.append(handler.wfile.write(b"x" * 10_000))
        except OSError:
            return

    with file_server({"/big.zip": b"x" * 100_001, "/endless.zip": endless}) as (url, _):
        for name in ("big", "endless"):
            with pytest.raises(
                SourceTooLargeError, match=rf"/{name}\.zip has more than 100,000 bytes.*max_total_bytes"
            ):
                MarkdownLoader(f"{url}/{name}.zip", max_total_bytes=100_000).load()
    assert sum(sent) < 50_000_000
    assert list(temporary_files.iterdir()) == []


def test_a_zip_bomb_from_the_web_is_refused() -> None:
    with (
        file_server({"/docs.zip": packed(a="0" * 1_000_000)}) as (url, _),
        pytest.raises(SourceTooLargeError, match=r"/docs\.zip unpacks to 1,000,000 bytes"),
    ):
        MarkdownLoader(f"{url}/docs.zip", max_total_bytes=100_000).load()


def test_a_server_that_hangs_or_breaks_off_is_told() -> None:
    released = threading.Event()

    def hang(handler: BaseHTTPRequestHandler) -> None:
        released.wait(30)

    def break_off(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"too little")

    with file_server({"/hang.md": hang, "/short.md": break_off}) as (url, _):
        try:
            with pytest.raises(LoaderError, match=r"/hang\.md did not answer within 0\.2 s"):
                MarkdownLoader(f"{url}/hang.md", timeout=0.2).load()
        finally:
            released.set()
        with pytest.raises(LoaderError, match=r"/short\.md cannot be downloaded: "):
            MarkdownLoader(f"{url}/short.md").load()
    with pytest.raises(LoaderError, match=r"/short\.md cannot be downloaded: .*Check the address and the network"):
        MarkdownLoader(f"{url}/short.md").load()


def test_no_secret_of_a_url_is_shown() -> None:
    with file_server({"/docs.zip?sig=hidden": packed(a="\xff")}) as (url, _):
        secret = url.replace("http://", "http://user:password@")
        for path in ("docs.zip?sig=hidden", "none.zip?sig=hidden#hidden"):
            loader = MarkdownLoader(f"{secret}/{path}", "none/*.md")
            with pytest.raises(LoaderError) as caught:
                loader.load()
            assert url in str(caught.value)
            assert not re.search("user|password|hidden", str(caught.value))
        assert loader.root == MarkdownLoader(f"{url}/none.zip").root


@pytest.mark.parametrize("url", ["ftp://host/a.md", "file:///etc/passwd", "http://", "https:///a.md", "http://[::1"])
def test_a_url_that_is_not_understood_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"http\(s\)|https://host"):
        MarkdownLoader(url)


class TestOneDownloadARun:
    def test_a_load_reads_what_sources_downloaded_and_the_next_one_is_fresh(self, temporary_files: Path) -> None:
        answers = {"/docs.zip": packed(a="old")}
        with file_server(answers) as (url, requests):
            loader = MarkdownLoader(f"{url}/docs.zip")
            assert list(loader.sources()) == list(loader.sources()) == ["a.md"]
            watched = copy.copy(loader)
            assert [document.page_content for document in watched.lazy_load()] == ["old"]
            assert requests == ["GET /docs.zip"]
            assert list(temporary_files.iterdir()) == []
            answers["/docs.zip"] = packed(b="new")
            assert [document.page_content for document in loader.lazy_load()] == ["new"]
            assert list(loader.sources()) == ["b.md"]

    def test_what_is_kept_goes_with_the_loader(self, temporary_files: Path) -> None:
        with file_server({"/docs.zip": packed(a="x")}) as (url, _):
            loader = MarkdownLoader(f"{url}/docs.zip")
            list(loader.sources())
            assert len(list(temporary_files.iterdir())) == 1
            copy.deepcopy(loader).close()
            assert len(list(temporary_files.iterdir())) == 1
            loader.close()
            assert list(temporary_files.iterdir()) == []
            list(loader.sources())
            assert len(list(temporary_files.iterdir())) == 1
            del loader
            gc.collect()
            assert list(temporary_files.iterdir()) == []

    def test_what_cannot_be_read_is_not_kept(self, temporary_files: Path) -> None:
        with file_server({"/docs.zip": b"no zip"}) as (url, _):
            loader = MarkdownLoader(f"{url}/docs.zip")
            with pytest.raises(ArchiveError):
                list(loader.sources())
            assert list(temporary_files.iterdir()) == []

    @pytest.mark.parametrize("rebuild", [False, True])
    @pytest.mark.parametrize("names", [["x"], ["x", "y"]])
    def test_an_index_run_downloads_each_url_once(
        self, names: list[str], rebuild: bool, tmp_path: Path, temporary_files: Path
    ) -> None:
        """Though it looks for files of one name, and a progress bar wants to know how many there are."""
        answers: dict[str, Answer] = {f"/{name}.zip": packed(**{name: f"# {name}"}) for name in names}
        totals: list[int | None] = []
        with file_server(answers) as (url, requests):
            paths = [f"{url}/{name}.zip" for name in names]
            settings = Settings(uri=str(tmp_path / "index.db"))
            reports = build_index(
                settings, paths, on_progress=lambda now: totals.append(now.sources_total), rebuild=rebuild
            )
        assert [report.added for report in reports] == [1] * len(names)
        assert sorted(requests) == [f"GET /{name}.zip" for name in names]
        assert set(totals) == {1}
        assert list(temporary_files.iterdir()) == []
