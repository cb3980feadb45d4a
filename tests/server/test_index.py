"""The index is opened when needed, and looked after when it fails."""

import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import open_store
from milvus_rag.errors import (
    CollectionNotFoundError,
    EmbeddingMismatchError,
    InputError,
    StoreError,
    StoreUnavailableError,
)
from milvus_rag.server import index as index_module
from milvus_rag.server.index import Index
from milvus_rag.server.metrics import Metrics
from milvus_rag.server.served_runnables import ServedRetriever
from milvus_rag.server.settings import ServerSettings
from milvus_rag.stores.lite import LITE_DATABASES, database_path
from support.asgi import application


class FakeStore:
    """A store whose search fails or not, as it is told."""

    def __init__(self) -> None:
        self.collection = self
        self.server = self
        self.uri = "fake"
        self.layout: Any = object()
        self.look_error: Exception | None = None
        self.loads = 0
        self.closed = False

    def refresh(self) -> None:
        if self.look_error is not None:
            raise self.look_error

    def load(self) -> None:
        self.loads += 1

    def warm_up(self) -> None:
        """Nothing has to be loaded."""

    def close(self) -> None:
        self.closed = True


class Opener:
    """Stands for `build_store` and `build_retriever`."""

    def __init__(self) -> None:
        self.stores: list[FakeStore] = []
        self.error: Exception | None = None
        self.tries = 0

    def store(self, _: Any, *, must_exist: bool) -> FakeStore:
        assert must_exist
        self.tries += 1
        if self.error is not None:
            raise self.error
        self.stores.append(FakeStore())
        return self.stores[-1]

    def retriever(self, _: Any, store: FakeStore) -> Any:
        return ("retriever of", store)


@pytest.fixture
def opener(monkeypatch: pytest.MonkeyPatch) -> Opener:
    made = Opener()
    monkeypatch.setattr(index_module, "build_store", made.store)
    monkeypatch.setattr(index_module, "build_retriever", made.retriever)
    return made


@pytest.fixture
def index() -> Index:
    return Index(ServerSettings())


def test_nothing_is_opened_before_it_is_needed(opener: Opener, index: Index) -> None:
    assert index.current is None
    index.close()
    assert opener.tries == 0


def test_it_is_opened_once(opener: Opener, index: Index) -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(index.retriever())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opener.tries == 1
    assert found == [index.current] * 8
    index.close()
    assert opener.stores[0].closed


def test_in_an_outage_one_request_tries_and_the_others_are_refused_at_once(
    opener: Opener, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(index_module.time, "monotonic", lambda: now)
    opener.error = StoreUnavailableError("down")
    for _ in range(5):
        with pytest.raises(StoreUnavailableError, match="down"):
            index.retriever()
    assert opener.tries == 1
    now += 2.0
    for _ in range(5):
        with pytest.raises(StoreUnavailableError):
            index.retriever()
    assert opener.tries == 2
    opener.error, now = None, now + 2.0
    assert index.retriever() is index.current


def test_a_search_that_fails_sends_the_next_one_to_look_first(opener: Opener, index: Index) -> None:
    first = index.retriever()
    store = opener.stores[0]
    index.failed(StoreError("the collection is not loaded"))
    assert index.current is None
    assert index.retriever() is first
    assert store.loads == 1
    store.look_error = CollectionNotFoundError("gone")
    with pytest.raises(CollectionNotFoundError):
        index.check()
    with pytest.raises(CollectionNotFoundError):
        index.retriever()
    store.look_error = None
    index.check()
    assert index.current is first


def test_a_collection_that_was_rebuilt_with_another_embedding_is_opened_anew(opener: Opener, index: Index) -> None:
    """Opened anew, the store takes the embedding that the collection remembers."""
    index.retriever()
    old = opener.stores[0]
    index.failed(EmbeddingMismatchError("rebuilt"))
    old.look_error = EmbeddingMismatchError("rebuilt")
    assert index.retriever() == ("retriever of", opener.stores[1])
    assert old.closed


def test_a_missing_collection_is_no_empty_answer(tmp_path: Any) -> None:
    with open_store(str(tmp_path / "empty.db")):
        pass
    index = Index(ServerSettings(uri=str(tmp_path / "empty.db")))
    retriever = ServedRetriever(index, Metrics())
    with pytest.raises(CollectionNotFoundError):
        retriever.invoke("Where is data stored?")
    assert index.warm_up() != []
    # Meanwhile it can be made.
    with open_store(str(tmp_path / "empty.db")) as store:
        store.add_texts(["Data is stored in segments."])
    assert retriever.invoke("Where is data stored?")[0].page_content == "Data is stored in segments."
    index.close()


def test_a_missing_database_is_not_made(tmp_path: Any) -> None:
    index = Index(ServerSettings(uri=str(tmp_path / "typo.db")))
    assert "There is no database" in index.warm_up()[0]
    assert not (tmp_path / "typo.db").exists()
    index.close()


async def test_the_served_retriever_works_without_an_event_loop_too(tmp_path: Any) -> None:
    uri = str(tmp_path / "docs.db")
    with open_store(uri) as store:
        store.add_documents([Document("Bananas are yellow.", metadata={"source": "a.md"})])
    index = Index(ServerSettings(uri=uri))
    retriever = ServedRetriever(index, Metrics())
    assert index.warm_up() == []
    assert retriever.invoke("bananas") == await retriever.ainvoke("bananas")
    assert retriever.config_specs == []
    index.close()


@pytest.mark.parametrize("options", [{}, {"llm": "openai:other", "allowed_llms": ("local",)}])
async def test_the_model_that_quotes_reads_the_language_of_the_index(tmp_path: Path, options: dict[str, Any]) -> None:
    uri = str(tmp_path / "docs.db")
    async with application(uri, **options) as client:
        # Made while the server runs, in a language that the server was not told.
        with open_store(uri, language="german") as store:
            store.add_documents([Document("Zwei graue Katzen leben in unseren Häusern.")])
        request = {"input": "Welche Katze wohnt im Haus?", "config": {"configurable": {"llm": "local"}}}
        for route in ("/answer/invoke", "/answer/stream"):
            answer = await client.post(route, json=request)
            assert "Katzen" in answer.text


@pytest.mark.parametrize("uri", ["notes", "", "."])
def test_a_folder_that_is_no_database_is_left_as_it_is(tmp_path: Path, uri: str) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "a.md").write_text("a page")
    with pytest.raises(InputError, match="URI of Milvus"):
        Index(ServerSettings(uri=uri)).check()
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["notes", "a.md"]


@pytest.mark.parametrize("apart", [True, False])
def test_milvus_lite_is_in_a_process_of_its_own_or_here(index_uri: str, apart: bool) -> None:
    index = Index(ServerSettings(uri=index_uri, lite_process=apart))
    try:
        assert index.retriever().invoke("Where is data stored?")
        process = LITE_DATABASES._open[database_path(index_uri)].process
        assert (process is not None and process.is_running) == apart
    finally:
        index.close()


def test_the_language_is_as_it_was_last_known_while_milvus_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked before each search, which finds out what is wrong."""

    class Store:
        known: str | None = "german"

        @property
        def language(self) -> str:
            if self.known is None:
                raise StoreUnavailableError("away")
            return self.known

    index, store = Index(ServerSettings(uri="a.db")), Store()
    assert index.language == "english"
    monkeypatch.setattr(index, "_store", store)
    assert index.language == "german"
    store.known = None
    assert index.language == "german"
