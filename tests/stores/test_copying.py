"""A collection copied into another database: everything, nothing embedded, however often it is interrupted."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymilvus import MilvusClient

from milvus_rag import (
    MarkdownLoader,
    MarkdownSplitter,
    MilvusStore,
    copy_collection,
    milvus_retriever,
    open_store,
    sync,
)
from milvus_rag.errors import (
    CollectionNotFoundError,
    CollectionSchemaError,
    FullTextUnavailableError,
    InputError,
    StoreError,
)
from milvus_rag.stores.collection_rows import CollectionRows
from milvus_rag.stores.copying import _Digest
from milvus_rag.stores.size_advice import size_advice
from support.pages import CountingEmbeddings, snapshot

FILES = {
    "tea.md": "# Tea\n\nGreen tea takes seventy degrees.\n\n## Black\n\nBlack tea takes a hundred.\n",
    "coffee.md": "# Coffee\n\nEspresso takes ninety degrees, 한국어 and 𝄞.\n",
}
EXTRA = {"price": 0.1, "tags": [0.5, 1, "a", None], "nested": {"π": True}, "text": "a key of ours", "$root": "x"}


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name, text in FILES.items():
        (folder / name).write_text(text, "utf-8")
    return folder


Open = Callable[..., MilvusStore]


@pytest.fixture
def opened(collection_name: str) -> Iterator[Open]:
    """Opens stores, which are closed at the end, and those on a server dropped."""
    stores: list[MilvusStore] = []

    def open_here(uri: str, embedding: Any = None, name: str = "", *, full_text: bool = False) -> MilvusStore:
        store = open_store(uri, embedding=embedding, collection=collection_name + name, full_text=full_text)
        stores.append(store)
        return store

    yield open_here
    for store in stores:
        if "://" in store.server.uri:
            store.drop()
        store.close()


def uris(request: pytest.FixtureRequest, tmp_path: Path, names: str) -> list[str]:
    return [
        request.getfixturevalue("server_uri") if name == "server" else str(tmp_path / f"{name}-{number}.db")
        for number, name in enumerate(names.split(" to "))
    ]


def fill(store: MilvusStore, docs: Path) -> None:
    sync(MarkdownLoader(docs), MarkdownSplitter(), store)
    store.add_texts(["One that no file has."], [EXTRA], ids=["own"])


@pytest.mark.parametrize(
    "way",
    [
        "lite to lite",
        pytest.param("lite to server", marks=pytest.mark.server),
        pytest.param("server to lite", marks=pytest.mark.server),
        pytest.param("server to server", marks=pytest.mark.server),
    ],
)
def test_the_copy_is_the_collection(
    request: pytest.FixtureRequest, tmp_path: Path, docs: Path, opened: Open, way: str
) -> None:
    here, there = uris(request, tmp_path, way)
    embedding = CountingEmbeddings()
    source = opened(here, embedding)
    fill(source, docs)
    done: list[tuple[int, int]] = []

    report = copy_collection(source, opened(there, name="_copy"), on_progress=lambda *counts: done.append(counts))

    assert (report.rows, report.written, report.removed) == (4, 4, 0)
    assert done[-1] == (4, 4)
    copied = opened(there, embedding, "_copy")
    before = snapshot(source)
    assert snapshot(copied) == before
    (own,) = copied.get_by_ids(["own"])
    assert {key: own.metadata[key] for key in EXTRA} == EXTRA
    assert [d.id for d in copied.similarity_search("tea")] == [d.id for d in source.similarity_search("tea")]
    embedding.texts.clear()
    again = sync(MarkdownLoader(docs), MarkdownSplitter(), copied)
    assert (again.added, again.moved, again.unchanged, again.removed) == (0, 0, 3, 0)
    assert not embedding.texts
    # Who is another embedding is still known.
    with pytest.raises(StoreError, match="was built with the embedding"):
        opened(there, CountingEmbeddings(model="other"), "_copy").similarity_search("tea")


def test_full_text_search_comes_along(tmp_path: Path, docs: Path, opened: Open) -> None:
    source = opened(str(tmp_path / "a.db"), full_text=True)
    fill(source, docs)
    target = opened(str(tmp_path / "b.db"))
    assert copy_collection(source, target).full_text
    copied = opened(str(tmp_path / "b.db"), full_text=True)
    for question in ("How hot is green tea?", "한국어"):
        hits = [milvus_retriever(store, k=2).invoke(question) for store in (source, copied)]
        assert [document.page_content for document in hits[0]] == [document.page_content for document in hits[1]]
    assert copied.language == source.language


@pytest.mark.server
def test_where_there_is_no_full_text_search_the_vectors_are_copied(
    server_uri: str, tmp_path: Path, docs: Path, opened: Open
) -> None:
    embedding = CountingEmbeddings()
    source = opened(str(tmp_path / "a.db"), embedding, full_text=True)
    fill(source, docs)
    report = copy_collection(source, opened(server_uri))
    assert (report.rows, report.full_text) == (4, False)
    assert opened(server_uri, embedding).similarity_search("tea")
    words = opened(str(tmp_path / "words.db"), full_text=True)
    fill(words, docs)
    with pytest.raises(FullTextUnavailableError, match="full-text search only"):
        copy_collection(words, opened(server_uri, name="_words"))
    assert opened(server_uri, name="_words").layout is None


class TestInterrupted:
    """Rows a request are two here."""

    @pytest.fixture(autouse=True)
    def small_requests(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("milvus_rag.stores.copying.ROWS_PER_REQUEST", 2)

    @pytest.mark.parametrize("writes", [0, 1, 2])
    def test_it_goes_on(
        self, tmp_path: Path, docs: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, writes: int
    ) -> None:
        source, target = opened(str(tmp_path / "a.db"), CountingEmbeddings()), opened(str(tmp_path / "b.db"))
        fill(source, docs)
        source.add_texts(["Five."], ids=["five"])
        with monkeypatch.context() as patched:
            _dies_after(patched, writes)
            with pytest.raises(KeyboardInterrupt):
                copy_collection(source, target)
        report = copy_collection(source, opened(str(tmp_path / "b.db")))
        assert (report.rows, report.written, report.removed) == (5, 5 - 2 * writes, 0)
        assert snapshot(target) == snapshot(source)

    def test_what_changed_meanwhile_is_made_up_for(
        self, tmp_path: Path, docs: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, target = opened(str(tmp_path / "a.db"), CountingEmbeddings()), opened(str(tmp_path / "b.db"))
        fill(source, docs)
        with monkeypatch.context() as patched:
            _dies_after(patched, 1)
            with pytest.raises(KeyboardInterrupt):
                copy_collection(source, target)
        had = sorted(snapshot(target))
        source.delete(had[:1])
        source.add_texts(["Changed."], ids=had[1:])
        report = copy_collection(source, target)
        assert (report.rows, report.written, report.removed) == (3, 3, 1)
        assert snapshot(target) == snapshot(source)

    def test_a_whole_one_is_not_written_to_again(self, tmp_path: Path, docs: Path, opened: Open) -> None:
        source, target = opened(str(tmp_path / "a.db"), CountingEmbeddings()), opened(str(tmp_path / "b.db"))
        fill(source, docs)
        copy_collection(source, target)
        with pytest.raises(InputError, match="already"):
            copy_collection(source, target)

    def test_that_of_another_collection_is_not_gone_on_with(
        self, tmp_path: Path, docs: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, target = opened(str(tmp_path / "a.db"), CountingEmbeddings()), opened(str(tmp_path / "b.db"))
        other = opened(str(tmp_path / "c.db"), CountingEmbeddings())
        for store in (source, other):
            fill(store, docs)
        with monkeypatch.context() as patched:
            _dies_after(patched, 1)
            with pytest.raises(KeyboardInterrupt):
                copy_collection(source, target)
        with pytest.raises(InputError, match="already"):
            copy_collection(other, target)


def _dies_after(monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    upsert, done = CollectionRows.upsert, []

    def dying(self: CollectionRows, rows: Any) -> list[str]:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(1)
        return upsert(self, rows)

    monkeypatch.setattr(CollectionRows, "upsert", dying)


class TestRefused:
    def test_there_is_nothing(self, tmp_path: Path, opened: Open) -> None:
        with pytest.raises(CollectionNotFoundError):
            copy_collection(opened(str(tmp_path / "a.db")), opened(str(tmp_path / "b.db")))

    def test_it_is_itself(self, tmp_path: Path, docs: Path, opened: Open) -> None:
        source = opened(str(tmp_path / "a.db"), CountingEmbeddings())
        fill(source, docs)
        with pytest.raises(InputError, match="the same collection"):
            copy_collection(source, opened(str(tmp_path / "a.db")))
        assert source.count() == 4

    def test_another_program_made_it(self, tmp_path: Path, opened: Open, collection_name: str) -> None:
        client = MilvusClient(str(tmp_path / "a.db"))
        client.create_collection(collection_name, dimension=4)
        client.close()
        with pytest.raises(CollectionSchemaError, match="another program"):
            copy_collection(opened(str(tmp_path / "a.db")), opened(str(tmp_path / "b.db")))

    def test_what_came_back_is_something_else(
        self, tmp_path: Path, docs: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, target = opened(str(tmp_path / "a.db"), CountingEmbeddings()), opened(str(tmp_path / "b.db"))
        fill(source, docs)
        upsert = CollectionRows.upsert

        def losing(self: CollectionRows, rows: Any) -> list[str]:
            return upsert(self, [{**row, "text": row["text"].replace("seventy", "seven")} for row in rows])

        monkeypatch.setattr(CollectionRows, "upsert", losing)
        with pytest.raises(StoreError, match="4 rows with the digest"):
            copy_collection(source, target)
        monkeypatch.undo()
        # What is wrong is known, and mended.
        assert copy_collection(source, target).written == 1


# All of a layout that a digest looks at.
LAYOUT: Any = SimpleNamespace(primary_field="pk", vector_field="vector", terms_field=None, sparse_field=None)
ROW = st.fixed_dictionaries({
    "pk": st.text(min_size=1, max_size=3),
    "text": st.text(max_size=5),
    "vector": st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
    "n": st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.lists(st.integers()),
})  # fmt: skip


@given(st.lists(ROW, max_size=5, unique_by=lambda row: row["pk"]), st.randoms(), st.data())
def test_the_digest_is_of_the_rows_and_not_of_their_order(
    rows: list[dict[str, Any]], chance: Any, data: st.DataObject
) -> None:
    def digest(rows: list[dict[str, Any]]) -> tuple[int, str]:
        found = _Digest()
        for row in rows:
            found.add(row, LAYOUT)
        return found.rows, str(found)

    shuffled = [{**row, "vector": np.array(row["vector"], np.float32)} for row in rows]
    chance.shuffle(shuffled)
    assert digest(shuffled) == digest(rows)
    if rows:
        at = data.draw(st.integers(0, len(rows) - 1))
        assert digest([*rows[:at], *rows[at + 1 :]]) != digest(rows)
        other = {**rows[at], "text": rows[at]["text"] + "x"}
        assert digest([*rows[:at], other, *rows[at + 1 :]]) != digest(rows)


@pytest.mark.parametrize(("most", "is_said"), [(4, False), (3, True)])
def test_a_database_says_that_it_is_too_large(
    tmp_path: Path, docs: Path, opened: Open, monkeypatch: pytest.MonkeyPatch, most: int, is_said: bool
) -> None:
    monkeypatch.setattr("milvus_rag.stores.size_advice.MOST_ON_LITE", most)
    store = opened(str(tmp_path / "a.db"), CountingEmbeddings())
    assert size_advice(store) is None
    fill(store, docs)
    advice = size_advice(store) or ""
    assert bool(advice) is is_said
    assert ("4 chunks are more" in advice and "milvus-rag copy --uri" in advice) is is_said
