"""What Milvus Lite loads in a first search is loaded once, however many wait for it."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from milvus_lite.index.sparse_inverted import SparseInvertedIndex

from milvus_rag import milvus_retriever, open_store
from milvus_rag.stores import first_search
from milvus_rag.stores.first_search import FirstSearches
from support.waiting import PATIENCE_SECONDS
from support.word_embeddings import WordEmbeddings

CROWD = 8
PAGES = [Document(f"Tea number {number} is green, and {'cup ' * (number % 40)}is full.") for number in range(400)]


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each index that Milvus Lite makes of a part of a collection, what was in the part."""
    found: list[int] = []
    make = SparseInvertedIndex.build

    def build(index: SparseInvertedIndex, vectors: list[dict[int, float]], *rest: Any, **options: Any) -> None:
        found.append(hash(tuple(map(str, vectors))))
        make(index, vectors, *rest, **options)

    monkeypatch.setattr(SparseInvertedIndex, "build", build)
    return found


@pytest.fixture
def pages(lite_uri: str) -> str:
    with open_store(lite_uri) as store:
        store.add_documents(PAGES)
    return lite_uri


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CROWD) as threads:
        yield threads


def test_threads_wait_for_the_first(pages: str, built: list[int], pool: ThreadPoolExecutor) -> None:
    with open_store(pages) as one, open_store(pages) as other:
        together = threading.Barrier(CROWD)

        def ask(number: int) -> int:
            retriever = milvus_retriever((one, other)[number % 2], "full_text", 3)
            together.wait(PATIENCE_SECONDS)
            return len(retriever.invoke(f"tea {number}"))

        assert list(pool.map(ask, range(CROWD))) == [3] * CROWD
        assert len(built) == 1

        # What is written meanwhile is another part, which is loaded once too.
        one.add_documents([Document(f"Coffee {number} is black.") for number in range(600)])
        built.clear()
        assert list(pool.map(ask, range(CROWD))) == [3] * CROWD
        assert 1 <= len(built) == len(set(built))


def test_tasks_of_an_event_loop_wait_for_the_first(pages: str, built: list[int]) -> None:
    with open_store(pages) as store:

        async def ask() -> list[list[Document]]:
            return await asyncio.gather(*(store.asimilarity_search(f"tea {number}") for number in range(CROWD)))

        assert all(asyncio.run(ask()))
    assert len(built) == 1


def test_a_store_that_is_warm_loads_nothing_more(lite_uri: str, built: list[int]) -> None:
    with open_store(lite_uri, embedding=WordEmbeddings(16)) as store:
        # There is nothing yet.
        store.warm_up()
        store.add_documents(PAGES)
    with open_store(lite_uri, embedding=WordEmbeddings(16)) as store:
        store.warm_up()
        assert len(built) == 1
        assert milvus_retriever(store, "hybrid").invoke("green tea")
        assert len(built) == 1


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(first_search.tempfile, "gettempdir", lambda: str(tmp_path))


@pytest.mark.usefixtures("temporary")
class TestTheRule:
    def test_others_go_on_together_when_the_first_is_through(self, pool: ThreadPoolExecutor) -> None:
        gate, order = FirstSearches("here"), []
        together = threading.Barrier(CROWD)

        def search(number: int) -> None:
            with gate.search("docs", "sparse", PATIENCE_SECONDS):
                order.append("in")
                # It would never be reached by all if they went one after the other.
                together.wait(PATIENCE_SECONDS)

        with gate.search("docs", "sparse", PATIENCE_SECONDS):
            waiting = [pool.submit(search, number) for number in range(CROWD)]
            # Another field is loaded by itself.
            with gate.search("docs", "vector", 0):
                order.append("first")
        for one in waiting:
            one.result(PATIENCE_SECONDS)
        assert order == ["first", *["in"] * CROWD]

    def test_after_an_error_the_next_is_the_first(self) -> None:
        gate, states = FirstSearches("here"), []
        with suppress(KeyError), gate.search("docs", "sparse", 1):
            raise KeyError
        for _ in range(2):
            with gate.search("docs", "sparse", 1):
                states.append(bool(gate._loading))
        assert states == [True, False]
        gate.forget()
        with gate.search("docs", "sparse", 1):
            assert gate._loading

    def test_nobody_waits_longer_than_a_call_may_take(self, tmp_path: Path) -> None:
        one, other = FirstSearches("here", str(tmp_path)), FirstSearches("here", str(tmp_path))
        with (
            one.search("docs", "sparse", 1),
            one.search("docs", "sparse", 0),
            other.search("docs", "sparse", 0),
        ):
            assert one._loading

    @pytest.mark.parametrize("is_path", [True, False])
    def test_processes_wait_for_the_first(self, is_path: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As two of them would; a lock of files does not know who holds it."""
        path = str(tmp_path) if is_path else None
        one, other = FirstSearches(f"{tmp_path}", path), FirstSearches(f"{tmp_path}", path)
        looked, order, sleep = threading.Event(), [], first_search.time.sleep
        monkeypatch.setattr(first_search.time, "sleep", lambda seconds: (looked.set(), sleep(seconds)))

        def search() -> None:
            with other.search("docs", "sparse", PATIENCE_SECONDS):
                order.append("second")

        waiting = threading.Thread(target=search)
        with one.search("docs", "sparse", PATIENCE_SECONDS):
            waiting.start()
            assert looked.wait(PATIENCE_SECONDS)
            order.append("first")
        waiting.join(PATIENCE_SECONDS)
        assert order == ["first", "second"]

    def test_without_a_place_for_a_lock_it_goes_on(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(first_search.tempfile, "gettempdir", lambda: str(tmp_path / "missing"))
        with FirstSearches("here").search("docs", "sparse", 1):
            pass
        monkeypatch.setattr(first_search, "fcntl", None)
        with FirstSearches("here").search("docs", "sparse", 1):
            pass
