"""What a store says when it cannot be opened, and what one gives whose collection is not there."""

import asyncio
import logging
import os
import shlex
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from langchain_core.embeddings import Embeddings

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import (
    DatabaseLockedError,
    FilterError,
    FullTextUnavailableError,
    IncompatibleDatabaseError,
    InputError,
    MilvusRagError,
    StoreAuthenticationError,
    StoreError,
    StoreUnavailableError,
)
from milvus_rag.stores.connection import connection_arguments
from support.lite_server import wait_for_port
from support.ports import free_port
from support.refusing_milvus import refusing_milvus
from support.word_embeddings import WordEmbeddings

SECRET = "s3cret-token"


def _refused(error: type[MilvusRagError], uri: Any, **arguments: Any) -> str:
    """The message with which a store cannot be opened."""
    with pytest.raises(MilvusRagError) as caught:
        open_store(uri, **{"embedding": WordEmbeddings(), "timeout": 20, **arguments})
    assert type(caught.value) is error
    return str(caught.value)


class TestInput:
    @pytest.mark.parametrize(
        "uri",
        [
            "milvus_demo", "demo.sqlite", "dir/", ":memory:", "NEW.DB", "nul\x00.db", "localhost:19530",
            "http:/localhost:19530", "ftp://localhost/x.db", "sqlite:///x.db", "file:///tmp/x.db", "http://",
            "http://localhost:port", "http://localhost:99999", "http://localhost:0",
        ],
    )  # fmt: skip
    def test_what_is_no_uri_says_what_one_looks_like(self, uri: str) -> None:
        message = _refused(InputError, uri)
        assert repr(uri) in message
        assert "ends with .db" in message
        assert "http://localhost:19530" in message

    @pytest.mark.parametrize("uri", ["", None])
    def test_no_uri(self, uri: str | None) -> None:
        assert "./milvus_demo.db" in _refused(InputError, uri)

    @pytest.mark.parametrize("name", ["", "my-docs", "my docs", "1st", "../x", "é", "x" * 256])
    @pytest.mark.parametrize("uri", ["test.db", "http://127.0.0.1:1"])
    def test_a_name_that_no_server_takes_is_refused_on_lite_too(self, uri: str, name: str) -> None:
        message = _refused(InputError, uri, collection=name)
        assert repr(name) in message
        assert "letters, digits and underscores" in message

    def test_other_arguments(self) -> None:
        assert "klingon" in _refused(InputError, "test.db", language="klingon")
        assert "'Bogus'" in _refused(InputError, "test.db", consistency_level="Bogus")
        assert "seconds" in _refused(InputError, "test.db", timeout=0)
        assert not Path("test.db").exists()

    def test_a_path_object_is_a_path(self, tmp_path: Path) -> None:
        with open_store(tmp_path / "test.db") as store:
            store.add_texts(["text"])
        assert (tmp_path / "test.db").is_dir()


class TestLite:
    def test_a_file_is_a_database_of_milvus_lite_2(self) -> None:
        Path("old.db").write_bytes(b"SQLite format 3\x00")
        message = _refused(IncompatibleDatabaseError, "old.db")
        assert "old.db" in message
        assert "Milvus Lite 2" in message
        assert "old.db.old" in message
        assert Path("old.db").read_bytes() == b"SQLite format 3\x00"

    def test_the_folder_must_be_there(self, tmp_path: Path) -> None:
        message = _refused(StoreError, "no/such/test.db")
        assert str(tmp_path / "no/such") in message
        assert "Create it" in message
        assert not Path("no").exists()


class TestLocked:
    @pytest.fixture(scope="class")
    @classmethod
    def held(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        """A database that another process has open."""
        uri = str(tmp_path_factory.mktemp("held") / "test.db")
        code = "import sys; from milvus_rag import open_store; s = open_store(sys.argv[1]); print(); input(); s.close()"
        with subprocess.Popen(
            [sys.executable, "-c", code, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            yield uri
            process.communicate("\n")

    def test_it_says_why_and_what_to_do(self, held: str) -> None:
        message = _refused(DatabaseLockedError, held)
        assert "another process has it open" in message
        assert f"milvus-lite server --data-dir {held}" in message
        assert "http://127.0.0.1:19530" in message

    def test_what_it_says_to_do_works(self, held: str, tmp_path: Path) -> None:
        """The command of the message, over a database that nobody else has open, and at a port that is free."""
        command = shlex.split(_refused(DatabaseLockedError, held).partition("run '")[2].partition("'")[0])
        with open_store(tmp_path / "mine.db") as store:
            store.add_texts(["shared"], ids=["1"])
        port = str(free_port())
        command[command.index(held)] = str(tmp_path / "mine.db")
        command[command.index("19530")] = port
        program = Path(sys.executable).with_name(command[0])
        process = subprocess.Popen([program, *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(int(port))
            with open_store(f"http://127.0.0.1:{port}") as first, open_store(f"http://127.0.0.1:{port}") as second:
                assert [d.page_content for d in first.get_by_ids(["1"])] == ["shared"]
                assert [d.page_content for d in second.get_by_ids(["1"])] == ["shared"]
        finally:
            process.terminate()
            process.wait()


class TestServer:
    def test_nobody_answers(self) -> None:
        port = free_port()
        message = _refused(StoreUnavailableError, f"http://127.0.0.1:{port}", timeout=2)
        assert f"http://127.0.0.1:{port}" in message
        assert "Check the URI and that the server runs" in message

    def test_one_that_accepts_and_says_nothing(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            _refused(StoreUnavailableError, f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.5)

    def test_one_that_speaks_something_else(self) -> None:
        with refusing_milvus(grpc.StatusCode.UNIMPLEMENTED, "unknown service milvus.proto.milvus") as uri:
            assert uri in _refused(StoreError, uri)

    # Of milvus/internal/proxy/authentication_interceptor.go and privilege_interceptor.go
    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check username and password are correct"),
            (grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct"),
            (grpc.StatusCode.PERMISSION_DENIED, "PrivilegeAll: permission deny to eve in the `default` database"),
        ],
        ids=["password", "API key", "permission"],
    )
    def test_a_token_that_is_refused(
        self, code: grpc.StatusCode, message: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with refusing_milvus(code, message) as uri, pytest.raises(StoreAuthenticationError) as caught:
            open_store(uri, token=f"eve:{SECRET}", timeout=20)
        assert uri in str(caught.value)
        assert "MILVUS_RAG_TOKEN" in str(caught.value)
        assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text

    @pytest.mark.parametrize(
        "uri", ["http://eve:{}@127.0.0.1:1", "ftp://eve:{}@host", "http://eve:{}/x@host", "eve:{}@host:19530"]
    )
    def test_a_password_in_the_uri_is_never_shown(self, uri: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with pytest.raises(MilvusRagError) as caught:
            open_store(uri.format(SECRET), timeout=2)
        assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text

    @pytest.mark.server
    def test_a_password_is_not_shown_by_an_open_store(self, server_uri: str) -> None:
        uri = server_uri.replace("://", f"://eve:{SECRET}@")
        with open_store(uri, embedding=WordEmbeddings(), full_text=False, token=f"eve:{SECRET}") as store:
            assert store.server.uri == server_uri
            assert SECRET not in repr(store) + str(store.server) + str(store)
            with pytest.raises(FilterError) as caught:
                store.to_expression({"a": {"$bad": 1}})
            assert SECRET not in str(caught.value)


@pytest.mark.parametrize("embedding", [WordEmbeddings(), None], ids=["dense", "full text"])
def test_a_collection_that_is_not_there_is_empty(lite_uri: str, embedding: Embeddings | None) -> None:
    """It is made by the first write, and by nothing else."""
    with open_store(lite_uri, embedding=embedding) as store:
        assert not store.exists
        assert store.count() == 0
        assert store.count({"a": 1}) == 0
        assert store.get_by_ids(["a"]) == []
        assert store.similarity_search("question", k=3) == []
        assert store.similarity_search_with_score("question", filter={"a": 1}) == []
        assert store.search_full_text("question", 3) == []
        assert store.search_by_metadata({"a": 1}) == []
        assert store.get_pks({"a": 1}) == []
        assert store.as_retriever().invoke("question") == []
        assert asyncio.run(store.asimilarity_search("question")) == []
        assert store.add_texts([]) == []
        assert store.add_documents([]) == []
        assert store.delete(["a"]) is True
        assert store.delete(expr="a == 1") is True
        if embedding is not None:
            assert store.max_marginal_relevance_search("question") == []
        store.drop()
        assert not store.exists


def test_a_closed_store_says_that_it_is(lite_uri: str) -> None:
    store = open_store(lite_uri)
    store.add_texts(["text"])
    store.close()
    store.close()
    for use in (store.count, lambda: store.similarity_search("text"), lambda: store.add_texts(["text"])):
        with pytest.raises(StoreUnavailableError, match=r"is closed.*open_store"):
            use()


def test_a_store_with_no_way_to_search_can_be_looked_at_only(lite_uri: str) -> None:
    with open_store(lite_uri, full_text=False) as store:
        with pytest.raises(InputError, match="neither vectors nor full-text search"):
            store.add_texts(["text"])
        with pytest.raises(FullTextUnavailableError):
            store.similarity_search("text")
        assert not store.exists
        with open_store(lite_uri) as writer:
            writer.add_texts(["text"])
        with open_store(lite_uri, full_text=False) as reader:
            assert reader.count() == 1


# What is no expression at all, and what names no field or compares what cannot be compared.
EXPRESSIONS = [
    "a ==", "a", "not", "a in", "a = 1", "(a == 1", "a == 1)", "a == 1 and", '"unterminated', "a == 'x", "a[",
    "$meta", "nosuch(a)", "SELECT 1", "a between 1 and 2", "; drop", "\x00", "text like 1", "pk > 1", "vector > 1",
    "text + 1 == 2", "exists pk", 'a in ["x", 1]', "a" * 70_000,
    # Keys that are named like a cause of something else.
    "timeout", "block ==", "locked", "unauthenticated ==", "collection not found", "password incorrect",
]  # fmt: skip


class TestExpressions:
    @pytest.fixture(scope="class", params=["lite", pytest.param("server", marks=pytest.mark.server)])
    @classmethod
    def store(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
        """Two rows, in Milvus Lite and on a real server."""
        uri = str(tmp_path_factory.mktemp("expressions") / "test.db")
        if request.param == "server":
            uri = request.getfixturevalue("server_uri")
        name = f"test_{os.urandom(8).hex()}"
        with open_store(
            uri, collection=name, embedding=WordEmbeddings(4), full_text=False, consistency_level="Eventually"
        ) as store:
            store.add_texts(["one", "two"], [{"a": 1}, {"a": "x"}], ids=["1", "2"])
            assert store.count() == 2
            yield store
            store.drop()

    @pytest.mark.parametrize("expression", EXPRESSIONS, ids=[ascii(e)[:30] for e in EXPRESSIONS])
    def test_one_that_milvus_cannot_use_is_a_filter_error(self, store: MilvusStore, expression: str) -> None:
        uses: list[Callable[[], object]] = [
            lambda: store.search_by_metadata(expression),
            lambda: store.similarity_search("one", expr=expression),
            lambda: store.delete(expr=expression),
        ]
        for use in uses:
            with pytest.raises(FilterError) as caught:
                use()
            assert repr(expression)[1:-1][:100] in str(caught.value)
            assert len(str(caught.value)) < 1200
        assert {d.id for d in store.get_by_ids(["1", "2"])} == {"1", "2"}

    def test_deleting_by_a_filter_that_means_nothing_deletes_nothing(self, store: MilvusStore) -> None:
        with pytest.raises(FilterError):
            store.delete(filter={"a": {"$bad": 1}})
        with pytest.raises(InputError, match="ids or a filter"):
            store.delete()
        with pytest.raises(InputError, match="ids or a filter"):
            store.delete(filter={})
        with pytest.raises(InputError, match="not both"):
            store.delete(["1"], expr="a == 1")
        assert store.delete([]) is True
        assert store.count() == 2


@pytest.mark.parametrize(
    ("uri", "is_pinged"),
    [
        ("./a.db", False),
        ("http://127.0.0.1:19530", False),
        ("http://localhost:19530", False),
        ("http://[::1]:19530", False),
        ("unix:/run/milvus.sock", False),
        ("http://milvus:19530", True),
        ("https://in03-abc.zillizcloud.com", True),
    ],
)
def test_a_server_of_this_machine_is_not_pinged(uri: str, *, is_pinged: bool) -> None:
    """Milvus Lite hangs up on whoever pings it each ten seconds, as pymilvus does."""
    arguments = connection_arguments(uri, None, None, 1.0)
    assert ("grpc_options" not in arguments) is is_pinged
