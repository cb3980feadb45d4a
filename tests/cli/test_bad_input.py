"""What goes wrong is one line on stderr with a remedy, exit code 1 or 2, and never a traceback."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.cli import run_process
from support.waiting import PATIENCE_SECONDS

from .conftest import Run


def refused(run: Run, *arguments: str | Path, code: int = 1) -> str:
    """The message of a command that is refused and prints no result."""
    ran = run(*arguments)
    assert ran.exit_code == code, ran
    assert ran.stdout == ""
    return ran.error


class TestFiles:
    def test_a_path_that_is_not_there(self, run: Run) -> None:
        assert "no file or folder nowhere" in refused(run, "index", "nowhere")
        assert "no file or folder nowhere" in refused(run, "ask", "Where?", "--docs", "nowhere")
        assert not list(Path().glob("*.db")), "a database was made for nothing"

    def test_a_folder_without_markdown(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        assert "is of a known kind (Markdown, text," in refused(run, "index", tmp_path / "empty")
        assert "matches '*.md'" in refused(run, "index", tmp_path / "empty", "--glob", "*.md")

    def test_a_binary_file(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
        ran = run("index", tmp_path / "picture.md")
        assert ran.exit_code == 1
        assert "picture.md" in ran.stderr
        assert "UTF-8" in ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.huge
    def test_a_line_of_50_mb(self, run: Run, docs: Path) -> None:
        (docs / "long.md").write_text("# Long\n\n" + "x" * 50_000_000)
        # One word: as many chunks as it takes, and the terms of none is over Milvus' limit.
        ran = run("index", docs, "--chunk-size", "20000", "--dry-run", "--json")
        assert ran.exit_code == 0
        assert ran.json["added"] == 2504

    def test_a_zip_whose_names_lead_out_of_it(self, run: Run, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "pages.zip", "w") as archive:
            archive.writestr("../../out.md", "# Out\n\nMilvus.\n")
            archive.writestr("in.md", "# In\n\nMilvus.\n")
        ran = run("index", tmp_path / "pages.zip", "--json")
        assert ran.exit_code == 1
        assert "../../out.md" in ran.stderr
        assert not (tmp_path.parent / "out.md").exists()
        assert not (tmp_path.parent.parent / "out.md").exists()

    def test_a_zip_that_is_none(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and nothing more")
        assert "no zip archive" in refused(run, "index", tmp_path / "broken.zip")


class TestTheDatabase:
    def test_one_that_another_process_has_open(self, indexed: Path) -> None:
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from milvus_rag import open_store\nstore = open_store()\nprint('open', flush=True)\ninput()",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == b"open\n"
            ran = run_process("ask", "Where is data stored?")
        finally:
            holder.communicate(b"\n", timeout=PATIENCE_SECONDS)
        assert ran.exit_code == 1
        assert ran.stdout == ""
        assert "another process has it open" in ran.error
        assert "milvus-lite server" in ran.error

    def test_a_file_of_milvus_lite_2(self, run: Run, docs: Path, tmp_path: Path) -> None:
        (tmp_path / "old.db").write_bytes(b"SQLite format 3\0")
        assert "Milvus Lite 2" in refused(run, "index", docs, "--uri", "old.db")

    def test_a_folder_that_is_not_there(self, run: Run, docs: Path) -> None:
        assert "does not exist" in refused(run, "index", docs, "--uri", "nowhere/milvus.db")

    def test_a_name_that_is_no_database(self, run: Run, docs: Path) -> None:
        assert "ends with .db" in refused(run, "index", docs, "--uri", "database.sqlite", code=2)

    @pytest.mark.parametrize("command", [["index"], ["ask", "Where?", "--docs"]])
    def test_a_folder_that_is_no_database_stays_as_it_is(self, run: Run, docs: Path, command: list[str]) -> None:
        before = sorted(docs.rglob("*"))
        assert "ends with .db" in refused(run, *command, docs, "--uri", docs, code=2)
        assert sorted(docs.rglob("*")) == before

    def test_a_server_that_is_down(self, run: Run, docs: Path) -> None:
        message = refused(run, "index", docs, "--uri", "http://user:secret@127.0.0.1:1")
        assert "No Milvus answers at http://127.0.0.1:1" in message
        assert "secret" not in message

    def test_a_wrong_token(self, run: Run, docs: Path, refusing_milvus: str) -> None:
        message = refused(run, "index", docs, "--uri", refusing_milvus, "--token", "root:my-secret")
        assert "refuses the token" in message
        assert "my-secret" not in message

    def test_a_collection_that_is_not_there(self, run: Run, indexed: Path) -> None:
        for command in (["ask", "Where?"], ["search", "Where?"], ["info"]):
            assert "no collection 'other'" in refused(run, *command, "--collection", "other")

    @pytest.mark.parametrize("command", [["ask", "Where?"], ["search", "Where?"], ["info"]])
    def test_a_database_that_is_not_there(self, run: Run, tmp_path: Path, command: list[str]) -> None:
        """Looking for it does not make it."""
        message = refused(run, *command, "--uri", "typo.db")
        assert message.startswith(
            "There is no database at typo.db. Index something into it first (milvus-rag index PATH)"
        )
        assert not (tmp_path / "typo.db").exists()


class TestQuestions:
    @pytest.mark.parametrize("command", ["ask", "search"])
    @pytest.mark.parametrize("question", ["", "  \n"])
    def test_an_empty_one(self, run: Run, indexed: Path, command: str, question: str) -> None:
        assert refused(run, command, question, code=2) == "The question is empty."

    @pytest.mark.parametrize("command", ["ask", "search"])
    def test_one_that_is_no_utf_8(self, run: Run, indexed: Path, command: str) -> None:
        assert "no UTF-8 text" in refused(run, command, "\udcff tea", "--json", code=2)

    @pytest.mark.parametrize(
        ("filter", "message"),
        [
            ("source ==", "cannot use the filter"),
            ('{"source": ', "is no JSON"),
            ('{"source": {"$near": 1}}', "'$near' is not known"),
        ],
    )
    @pytest.mark.parametrize("command", ["ask", "search"])
    def test_a_bad_filter(self, run: Run, indexed: Path, command: str, filter: str, message: str) -> None:
        assert message in refused(run, command, "Where is data stored?", "--filter", filter, code=2)

    def test_a_search_that_the_collection_cannot_do(self, run: Run, indexed: Path) -> None:
        assert "needs an embedding" in refused(run, "search", "Where?", "--mode", "hybrid", code=2)


class TestModels:
    def test_a_provider_that_is_not_known(self, run: Run, indexed: Path) -> None:
        assert "Known providers: gemini" in refused(run, "ask", "Where is data?", "--llm", "gemmini", code=2)

    def test_a_key_that_is_missing(self, run: Run, indexed: Path) -> None:
        assert "GEMINI_API_KEY" in refused(run, "ask", "Where is data?", "--llm", "gemini")

    def test_a_folder_without_a_model(self, run: Run, docs: Path, tmp_path: Path) -> None:
        assert str(tmp_path / "model") in refused(run, "index", docs, "--embeddings", f"local:{tmp_path / 'model'}")


class TestOptionsAndSettings:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["ask", "Where?", "--mode", "sparse"],
            ["ask", "Where?", "-k", "0"],
            ["search", "Where?", "--min-score", "3"],
            ["search", "Where?", "--expand", "-1"],
            ["index", "docs", "--splitter", "lines"],
            ["index", "docs", "--chunk-size", "5"],
            ["index", "docs", "--collection", ""],
        ],
    )
    def test_a_value_that_an_option_does_not_take(self, run: Run, docs: Path, arguments: list[str]) -> None:
        message = refused(run, *arguments, code=2)
        option = {"-k": "--k"}.get(arguments[-2], arguments[-2])
        assert message.startswith(f"{option} cannot be used: ")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["index", "docs", "--shard", "5/4"], "'5/4'"),
            (["index", "docs", "--glob", ""], "names no file"),
            (["index", "docs", "--language", "klingon"], "klingon"),
            (["index", "docs", "--collection", "a-b"], "'a-b'"),
            (["index", "docs", "--embeddings", "nope"], "nope"),
            (["index", "docs", "--rebuild", "--no-prune"], "--no-prune"),
            (["search", "Where?", "--filter", "{bad"], "is no JSON"),
            (["search", "Where?", "--rerank", "nope"], "nope"),
        ],
    )
    def test_a_value_that_only_the_parts_understand(
        self, run: Run, indexed: Path, arguments: list[str], message: str
    ) -> None:
        assert message in refused(run, *arguments, code=2)

    @pytest.mark.parametrize(
        "arguments", [["ask"], ["fly"], ["index", "docs", "--batch-size", "0"], ["ask", "a", "-x"]]
    )
    def test_a_command_line_that_is_none(self, run: Run, arguments: list[str]) -> None:
        ran = run(*arguments)
        assert ran.exit_code == 2
        assert "Usage: milvus-rag" in ran.stderr
        assert "Error: " in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_a_variable_that_cannot_be_used(self, run: Run, indexed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MILVUS_RAG_K", "three")
        assert refused(run, "ask", "Where?", code=2).startswith("MILVUS_RAG_K cannot be used: ")

    def test_a_variable_that_is_misspelt_is_told(
        self, run: Run, indexed: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        # As Kubernetes sets it for a service of this name.
        monkeypatch.setenv("MILVUS_RAG_SERVICE_HOST", "10.0.0.1")
        monkeypatch.setenv("MILVUS_RAG_CHUNKSIZE", "500")
        assert run("search", "Where?").exit_code == 0
        (warning,) = [record.getMessage() for record in caplog.records if "is no setting" in record.getMessage()]
        assert warning == "MILVUS_RAG_CHUNKSIZE is no setting, and has no effect. Is MILVUS_RAG_CHUNK_SIZE meant?"

    def test_a_line_of_env_that_is_misspelt_is_told(
        self, run: Run, indexed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / ".env").write_text("MILVUS_RAG_EMBEDDING=none\n")
        assert run("search", "Where?").exit_code == 0
        assert "MILVUS_RAG_EMBEDDING is no setting, and has no effect. Is MILVUS_RAG_EMBEDDINGS meant?" in caplog.text

    def test_a_line_of_env_that_cannot_be_used(self, run: Run, indexed: Path, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("MILVUS_RAG_TIMEOUT=soon\n")
        assert refused(run, "ask", "Where?", code=2).startswith("MILVUS_RAG_TIMEOUT cannot be used: ")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
    def test_an_env_file_that_is_no_utf_8(self, run: Run, tmp_path: Path, encoding: str) -> None:
        (tmp_path / ".env").write_text("MILVUS_RAG_K=3\n", encoding)
        assert refused(run, "info", code=2).startswith(".env is not UTF-8")

    def test_a_home_folder_that_is_none(self, run: Run, docs: Path) -> None:
        message = refused(run, "index", docs, "--uri", "~nosuchuser/x.db", code=2)
        assert message.startswith("--uri cannot be used: ")
        assert "'~nosuchuser'" in message
        assert "no file or folder ~nosuchuser/docs" in refused(run, "index", "~nosuchuser/docs")

    def test_no_command_shows_the_help(self, run: Run) -> None:
        ran = run()
        assert ran.exit_code in (0, 2)  # typer changed its mind about it
        assert "Usage: milvus-rag" in ran.stdout + ran.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", "from milvus_rag.cli import main; main()", "providers"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: There is no room left on the disk")
    assert "Traceback" not in ran.stderr


class TestWhatNobodyForesaw:
    @pytest.fixture(autouse=True)
    def _break(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("no such\nluck")

        monkeypatch.setattr("milvus_rag.pipeline.describe_collection", fail)

    def test_it_is_one_line_too(self, run: Run) -> None:
        assert refused(run, "info").startswith("no such luck (RuntimeError). ")

    def test_verbose_shows_where(self, run: Run, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            run("--verbose", "info")
        assert "Traceback" in caplog.text
        assert 'RuntimeError("no such\\nluck")' in caplog.text


class _Refusing(grpc.GenericRpcHandler):
    """Answers every call as a Milvus with another password does."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct")
            return b""

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.fixture
def refusing_milvus() -> Iterator[str]:
    """URI of a Milvus that refuses every token."""
    server = grpc.server(ThreadPoolExecutor(2), handlers=[_Refusing()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop(0).wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("index", "https://u:secret@docs.example.org/a.zip", "--watch"), "docs.example.org/a.zip cannot be watched"),
        (("index", ".", "--watch", "--dry-run"), "leave out --dry-run"),
        (("index", ".", "--watch", "--json"), "leave out --json"),
        (("serve", "--watch"), "say which files (--docs)"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_anything_is_done(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    ran = run(*arguments)
    assert ran.exit_code == 2
    assert message in ran.error
    assert "secret" not in ran.stderr
