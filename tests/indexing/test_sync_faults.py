"""What goes wrong during a sync costs itself and nothing else, and the next run mends it."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, embedding_model, open_store, sync
from milvus_rag.errors import (
    AuthenticationError,
    EmbeddingMismatchError,
    InputTooLargeError,
    ModelError,
    ModelResponseError,
    UnreadableFileError,
)
from milvus_rag.indexing.sync import Failure
from milvus_rag.stores.collection_rows import CollectionRows
from milvus_rag.stores.layout import write_properties
from milvus_rag.stores.new_collection import NewCollection, new_schema
from support import faults
from support.openai_server import OpenAIServer
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places

OLD = {"a.md": "one\ntwo", "b.md": "three", "c.md": "four\nfive"}
NEW = {"a.md": "one\nbad\nmore", "b.md": "three changed", "c.md": "four\nfive"}


@pytest.fixture
def embedding() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture
def store(lite_uri: str, embedding: CountingEmbeddings) -> Iterator[MilvusStore]:
    with open_store(lite_uri, embedding=embedding, full_text=False) as opened:
        yield opened


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def refuse_bad(texts: list[str]) -> None:
    if "bad" in texts:
        raise ModelError("this text is refused")


class TestATextThatCannotBeEmbedded:
    def test_is_reported_and_its_source_keeps_its_old_rows(
        self, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        sync(Pages(OLD), Lines(), store)
        embedding.wrong = refuse_bad
        report = sync(Pages(NEW), Lines(), store)
        assert report.failed == [Failure("a.md", "this text is refused", chunk=1)]
        everything = chunks_of(NEW) - {("a.md", 1, "bad")} | {("a.md", 1, "two")}
        assert places(store) == everything
        assert sorted(embedding.texts[5:]) == ["more", "three changed"]

    def test_is_embedded_by_the_next_run(self, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        sync(Pages(OLD), Lines(), store)
        embedding.wrong = refuse_bad
        sync(Pages(NEW), Lines(), store)
        embedding.wrong, embedding.texts = lambda _: None, []
        report = sync(Pages(NEW), Lines(), store)
        assert (report.failed, report.added, report.removed) == ([], 1, 1)
        assert embedding.texts == ["bad"]
        assert places(store) == chunks_of(NEW)

    def test_is_reported_wherever_it_stands(self, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        embedding.wrong = refuse_bad
        report = sync(Pages({"a.md": "bad\ngood\nbad", "b.md": "bad"}), Lines(), store)
        assert sorted((failure.source, failure.chunk) for failure in report.failed) == [
            ("a.md", 0),
            ("a.md", 2),
            ("b.md", 0),
        ]
        assert places(store) == {("a.md", 1, "good")}


class TestAChunkThatCannotBeStored:
    @pytest.mark.parametrize(
        ("page", "reason"),
        [("x" * 70_000, "70,000 bytes"), ("한" * 30_000, "90,000 bytes"), ("half \ud800", "surrogate")],
        ids=["long", "long in UTF-8", "no text"],
    )
    def test_is_not_even_embedded(
        self, store: MilvusStore, embedding: CountingEmbeddings, page: str, reason: str
    ) -> None:
        report = sync(Pages({"a.md": f"good\n{page}", "b.md": "fine"}), Lines(), store)
        (failure,) = report.failed
        assert (failure.source, failure.chunk) == ("a.md", 1)
        assert reason in failure.reason
        assert sorted(embedding.texts) == ["fine", "good"]
        assert places(store) == {("a.md", 0, "good"), ("b.md", 0, "fine")}

    def test_for_its_metadata_is_not_even_embedded(self, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        report = sync(Pages({"a.md": "one"}, metadata={"when": object()}), Lines(), store)
        assert "'when'" in report.failed[0].reason
        assert embedding.texts == []

    @pytest.mark.parametrize(
        "metadata",
        [{"tags": [object()]}, {"tags": {5: 1}}, {"tags": _nested(300)}, {5: 1}, {None: 1}, {"": 1}],
        ids=["object", "number as a nested key", "deep", "number as a key", "none as a key", "empty key"],
    )
    def test_where_it_could_be_before_keeps_its_row(self, store: MilvusStore, metadata: dict[Any, Any]) -> None:
        before: dict[str, Any] = {"tags": [1, 2]}
        sync(Pages({"a.md": "one\ntwo"}, metadata=before), Lines(), store)
        report = sync(Pages({"a.md": "one\ntwo"}, metadata=metadata), Lines(), store)
        assert [(failure.source, failure.chunk) for failure in report.failed] == [("a.md", 0), ("a.md", 1)]
        assert "Metadata" in report.failed[0].reason
        assert (report.moved, report.removed) == (0, 0)
        assert sync(Pages({"a.md": "one\ntwo"}, metadata=before), Lines(), store).unchanged == 2

    def test_is_unchanged_where_it_is_kept_otherwise(self, store: MilvusStore) -> None:
        """A tuple as a list, and keys of a row's own under other names."""
        pages = Pages({"a.md": "one"}, metadata={"tags": ("x", "y"), "text": 1, "sync_root": 2, "metadata_a": 3})
        assert sync(pages, Lines(), store).added == 1
        assert sync(pages, Lines(), store).unchanged == 1


class TestASourceThatCannotBeRead:
    PAGES: ClassVar[dict[str, str | Exception]] = {**NEW, "b.md": UnreadableFileError("b.md is not UTF-8")}

    def test_is_reported_and_keeps_its_rows_and_nothing_is_pruned(self, store: MilvusStore) -> None:
        sync(Pages({**OLD, "gone.md": "gone"}), Lines(), store)
        report = sync(Pages(self.PAGES), Lines(), store)
        assert report.failed == [Failure("pages", "b.md is not UTF-8")]
        assert (report.added, report.removed, report.pruned) == (2, 1, [])
        assert "Nothing was pruned" in report.notes[0]
        readable = {source: text for source, text in NEW.items() if source != "b.md"}
        assert places(store) == chunks_of({**readable, "b.md": "three", "gone.md": "gone"})

    def test_that_hides_no_other_does_not_keep_what_is_gone(self, store: MilvusStore) -> None:
        sync(Pages({**OLD, "gone.md": "gone"}), Lines(), store)
        error = UnreadableFileError("it is not UTF-8")
        error.source, error.hides_sources = "b.md", False
        report = sync(Pages({**NEW, "b.md": error}), Lines(), store)
        assert (report.failed, report.pruned) == ([Failure("b.md", "it is not UTF-8")], ["gone.md"])
        assert {source for source, _, _ in places(store)} == NEW.keys()

    def test_is_named_where_the_error_says_which_it_is(self, store: MilvusStore) -> None:
        error = UnreadableFileError("it is not UTF-8")
        error.source = "b.md"
        assert sync(Pages({"a.md": "one", "b.md": error}), Lines(), store).failed == [
            Failure("b.md", "it is not UTF-8")
        ]

    def test_is_also_told_to_whom_the_loader_tells_it(self, store: MilvusStore) -> None:
        told: list[Exception] = []
        loader = Pages(self.PAGES)
        loader.on_error = told.append
        sync(loader, Lines(), store)
        assert told == [self.PAGES["b.md"]]
        assert loader.on_error == told.append

    def test_ends_the_run_after_what_came_before_is_stored_when_the_loader_cannot_tell(
        self, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        class Raising(Pages):
            def __init__(self, pages: dict[str, Any]) -> None:
                super().__init__(pages)
                del self.on_error

            def lazy_load(self) -> Iterator[Document]:
                for source, text in sorted(self.pages.items()):
                    if isinstance(text, Exception):
                        raise text
                    yield Document(text, metadata={"source": source})

        sync(Pages({**OLD, "gone.md": "gone"}), Lines(), store)
        with pytest.raises(UnreadableFileError, match="not UTF-8"):
            sync(Raising({"a.md": NEW["a.md"], "b.md": "half read", "c.md": self.PAGES["b.md"]}), Lines(), store)
        assert places(store) == chunks_of({**OLD, "a.md": NEW["a.md"], "gone.md": "gone"})

    def test_or_not_be_split_is_reported_too(self, store: MilvusStore) -> None:
        class Picky(Lines):
            def split_text(self, text: str) -> list[str]:
                if "bad" in text:
                    raise RecursionError("too deep")
                return super().split_text(text)

        sync(Pages(OLD), Lines(), store)
        report = sync(Pages(NEW), Picky(), store)
        assert report.failed == [Failure("a.md", "The splitter failed (RecursionError): too deep")]
        assert places(store) == chunks_of({**NEW, "a.md": OLD["a.md"]})


class TestAnErrorThatEndsTheRun:
    def test_leaves_what_was_stored(self, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        asked: list[int] = []

        def wrong(texts: list[str]) -> None:
            asked.append(len(texts))
            if len(asked) > 3:
                raise AuthenticationError("the key expired")

        embedding.wrong = wrong
        pages = {"a.md": "\n".join(f"line {i}" for i in range(100))}
        with pytest.raises(AuthenticationError, match="expired"):
            sync(Pages(pages), Lines(), store, batch_size=10, max_concurrency=1)
        assert len(places(store)) == 30
        embedding.wrong, embedding.texts = lambda _: None, []
        assert sync(Pages(pages), Lines(), store).embedded == 70

    def test_of_milvus_is_the_callers(
        self, store: MilvusStore, monkeypatch: pytest.MonkeyPatch, embedding: CountingEmbeddings
    ) -> None:
        sync(Pages(OLD), Lines(), store)

        def refuse(*_: object) -> None:
            raise OSError("the disk is full")

        monkeypatch.setattr(CollectionRows, "upsert", refuse)
        with pytest.raises(OSError, match="disk is full"):
            sync(Pages({f"{i}.md": f"{i}\n{i} more" for i in range(3000)}), Lines(), store, batch_size=5)
        monkeypatch.undo()
        # Nobody waits for a thread that has gone.
        for thread in threading.enumerate():
            if thread.name.startswith("sync "):
                thread.join(60)
                assert not thread.is_alive()
        assert places(store) == chunks_of(OLD)


class TestWrongVectors:
    """Over real HTTP, from a server that misbehaves: nothing of it is ever stored."""

    @pytest.fixture
    def server(self) -> Iterator[OpenAIServer]:
        with OpenAIServer(dimension=8) as server:
            yield server

    @pytest.fixture
    def http_store(self, server: OpenAIServer, lite_uri: str) -> Iterator[MilvusStore]:
        embedding = embedding_model("openai:test", base_url=server.base_url, api_key=server.key)
        with open_store(lite_uri, embedding=embedding, full_text=False) as store:
            yield store

    @pytest.mark.parametrize(
        "kind", ["fewer vectors", "not a number", "mixed dimensions", "zero vector", "wrong shape"]
    )
    def test_are_asked_for_again(self, server: OpenAIServer, http_store: MilvusStore, kind: Any) -> None:
        server.fail(faults.broken(kind), times=2, on="embeddings")
        report = sync(Pages(OLD), Lines(), http_store, max_concurrency=1)
        assert places(http_store) == chunks_of(OLD)
        assert report.failed == []
        assert report.requests == len(server.requests) > 3

    @pytest.mark.parametrize("kind", ["fewer vectors", "not a number", "zero vector", "garbled"])
    def test_that_stay_wrong_are_reported(self, server: OpenAIServer, http_store: MilvusStore, kind: Any) -> None:
        server.fail_always(faults.broken(kind), on="embeddings")
        report = sync(Pages(OLD), Lines(), http_store)
        assert len(report.failed) == 5
        assert not http_store.exists

    def test_of_the_wrong_dimension_end_the_run(self, server: OpenAIServer, http_store: MilvusStore) -> None:
        sync(Pages(OLD), Lines(), http_store)
        server.dimension = 7
        stale = embedding_model("openai:test", base_url=server.base_url, api_key=server.key)
        http_store.embedding = stale
        with pytest.raises((EmbeddingMismatchError, ModelResponseError), match=r"8 dimensions.*7|7.*8"):
            sync(Pages(NEW), Lines(), http_store)
        assert places(http_store) == chunks_of(OLD)


class TestLimitsOfAProvider:
    @pytest.mark.parametrize(
        "fault",
        [
            faults.rate_limited(0.05),
            faults.rate_limited(),
            faults.failing(500),
            faults.failing(503, retry_after=0.05),
            faults.broken("reset"),
            faults.broken("reset mid-answer"),
        ],
        ids=lambda fault: f"{fault.kind} {fault.status} {fault.headers}",
    )
    def test_what_passes_is_waited_for(self, lite_uri: str, fault: faults.Fault) -> None:
        with OpenAIServer(dimension=8) as server:
            server.fail(fault, times=2, on="embeddings")
            embedding = embedding_model("openai:test", base_url=server.base_url, api_key=server.key)
            with open_store(lite_uri, embedding=embedding, full_text=False) as store:
                report = sync(Pages(OLD), Lines(), store, max_concurrency=1)
                assert places(store) == chunks_of(OLD)
            assert (report.failed, report.requests, report.embedded) == ([], 3, 5)

    def test_a_storm_of_429_ends_with_everything_stored(self, lite_uri: str) -> None:
        """Every second request is refused, and the server never sees more in flight than allowed."""
        pages = {f"{i}.md": "\n".join(f"page {i} line {j}" for j in range(10)) for i in range(12)}
        with OpenAIServer(dimension=8, delay=0.01) as server:
            server.fail_always(EverySecond(), on="embeddings")  # type: ignore[arg-type]  # acts as a fault or none
            embedding = embedding_model("openai:test", base_url=server.base_url, api_key=server.key)
            with open_store(lite_uri, embedding=embedding, full_text=False) as store:
                report = sync(Pages(pages), Lines(), store, batch_size=10, max_concurrency=3)
                assert places(store) == chunks_of(pages)
            assert report.failed == []
            assert report.requests == len(server.requests) > 12
            assert report.embedded == 120
            assert 1 < server.peak <= 3

    def test_requests_that_are_too_large_are_halved(self, lite_uri: str) -> None:
        pages = {"a.md": "\n".join(f"line {i}" for i in range(64))}
        with OpenAIServer(dimension=8, max_inputs=10) as server:
            embedding = embedding_model("openai:test", base_url=server.base_url, api_key=server.key)
            with open_store(lite_uri, embedding=embedding, full_text=False) as store:
                report = sync(Pages(pages), Lines(), store, batch_size=64)
                assert places(store) == chunks_of(pages)
            assert report.failed == []
            # 64, then halves down to 8.
            assert report.requests == 1 + 2 + 4 + 8
            assert not server.violations

    def test_a_single_text_that_is_too_large_is_reported(
        self, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        def wrong(texts: list[str]) -> None:
            if sum(map(len, texts)) > 1000:
                raise InputTooLargeError("over 1,000 characters")

        embedding.wrong = wrong
        pages = {"a.md": f"short\n{'x' * 2000}\n{'y' * 600}\n{'z' * 600}"}
        report = sync(Pages(pages), Lines(), store)
        assert [(failure.chunk, failure.reason) for failure in report.failed] == [(1, "over 1,000 characters")]
        assert len(places(store)) == 3


class EverySecond:
    """Looks like a fault to the server: 429 for every second request, for the others nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._fault = faults.rate_limited(0.02)

    def __getattr__(self, name: str) -> object:
        if name == "kind":
            with self._lock:
                self._count += 1
                return "status" if self._count % 2 else None
        return getattr(self._fault, name)


class TestAKilledCreation:
    """Of the collection, between two of its steps. `test_sync_kill` hits these by chance alone."""

    def test_of_which_there_is_only_a_folder_is_begun_anew(self, store: MilvusStore, lite_uri: str) -> None:
        folder = Path(lite_uri) / "collections" / store.collection_name
        folder.mkdir(parents=True)
        (folder / "schema.json.tmp").write_text("{")
        sync(Pages(OLD), Lines(), store)
        assert places(store) == chunks_of(OLD)

    @pytest.mark.parametrize(
        "uri_fixture", ["lite_uri", pytest.param("server_uri", marks=pytest.mark.server)], ids=["Lite", "server"]
    )
    @pytest.mark.parametrize("open_before", [False, True])
    def test_before_its_indexes_is_completed(
        self,
        request: pytest.FixtureRequest,
        uri_fixture: str,
        collection_name: str,
        embedding: CountingEmbeddings,
        open_before: bool,
    ) -> None:
        """By a store that is opened later, and by one that was open when there was no collection."""
        uri = request.getfixturevalue(uri_fixture)
        options: dict[str, Any] = {
            "embedding": embedding,
            "collection": collection_name,
            "full_text": uri_fixture == "lite_uri",
        }
        with open_store(uri, **options) as store:
            full_text = store.has_full_text
            store.client.create_collection(
                collection_name,
                schema=new_schema(NewCollection(), dimension=8, bm25=full_text, sparse=False, nullable=True),
                properties=write_properties({"layout": 1}),
                consistency_level="Strong",
            )
            if open_before:
                sync(Pages(NEW), Lines(), store)
        with open_store(uri, **options) as store:
            sync(Pages(NEW), Lines(), store)
            assert places(store) == chunks_of(NEW)
            assert len(store.similarity_search("more", k=3)) == 3
            assert len(store.client.list_indexes(collection_name)) == 1 + full_text
            store.drop()


class TestMemory:
    def test_no_more_is_read_than_can_be_stored(
        self, store: MilvusStore, monkeypatch: pytest.MonkeyPatch, embedding: CountingEmbeddings
    ) -> None:
        """While nothing can be stored the loader is not asked for more and more pages."""
        gate, upsert = threading.Event(), CollectionRows.upsert
        monkeypatch.setattr(CollectionRows, "upsert", lambda *arguments: gate.wait(30) and upsert(*arguments))
        pages = Pages({f"{i:04}.md": f"{i}\nmore {i}\nand more {i}\nand last {i}" for i in range(4000)})
        read: list[int] = []

        def watch() -> None:
            before = -1
            while len(pages.read) != before or not before:
                before = len(pages.read)
                threading.Event().wait(0.5)
            read.append(before)
            gate.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        report = sync(pages, Lines(), store, batch_size=50, max_concurrency=4)
        watcher.join()
        assert report.added == 16_000
        assert read[0] < 2000
