"""Collections that version 0.1 made are taken over: nothing is lost, nothing is doubled.

Nothing is embedded again but a page that has another title now: without a heading, its file's name stands for one.

`made_by_0.1.tar.gz` holds a database that version 0.1.0 made of the folder beside it, as ``/srv/handbook/docs``.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, open_store, sync
from milvus_rag.chunk_keys import ROOT_KEY
from milvus_rag.indexing.known_roots import key_of, known_roots
from support.pages import CountingEmbeddings, places, snapshot

_MADE = Path(__file__).parents[1] / "data" / "made_by_0.1.tar.gz"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """The folder with the database and the documents."""
    with tarfile.open(_MADE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.fixture
def embedding() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture
def store(made: Path, embedding: CountingEmbeddings) -> Iterator[MilvusStore]:
    with open_store(made / "made_by_0.1.db", embedding=embedding, collection="notes") as opened:
        yield opened


def in_its_place(store: MilvusStore, docs: Path) -> None:
    """As if version 0.1 had been told of the folder where it is now."""
    root = MarkdownLoader(docs).root
    store.collection.rows().rewrite(lambda row: {**row, ROOT_KEY: [root]})
    store.collection.set_properties({"place.6aa70442797c0c8a": None, f"place.{key_of(root)}": str(docs)})


def test_they_are_searched_as_they_are(store: MilvusStore) -> None:
    assert store.count() == 4
    assert store.similarity_search("Milk is white.", k=1)[0].metadata["source"] == "milk.md"
    assert [hit.metadata["source"] for hit, _ in store.search_full_text("steeped", 1)] == ["tea.md"]


@pytest.mark.parametrize("same_place", [True, False])
def test_a_sync_embeds_nothing_again(
    store: MilvusStore, made: Path, embedding: CountingEmbeddings, same_place: bool
) -> None:
    if same_place:
        in_its_place(store, made / "docs")
    before, vectors = places(store), {row_id: row["vector"] for row_id, row in snapshot(store).items()}
    report = sync(MarkdownLoader(made / "docs"), MarkdownSplitter(), store)
    assert (report.added, report.removed, report.failed) == (1, 1, [])
    assert embedding.texts == ["milk\n\nMilk is white."]
    assert places(store) - before == {("milk.md", 0, "milk\n\nMilk is white.")}
    now = {row_id: row["vector"] for row_id, row in snapshot(store).items()}
    assert len(now.keys() & vectors.keys()) == 3
    assert all(now[row_id] == vectors[row_id] for row_id in now.keys() & vectors.keys())
    again = sync(MarkdownLoader(made / "docs"), MarkdownSplitter(), store)
    assert (again.unchanged, again.changed, again.notes) == (4, False, [])
    assert [known.place for known in known_roots(store.layout)] == [str(made / "docs")]


def test_a_part_of_the_folder_is_known_as_a_part(store: MilvusStore, made: Path, embedding: CountingEmbeddings) -> None:
    in_its_place(store, made / "docs")
    sync(MarkdownLoader(made / "docs/sub"), MarkdownSplitter(), store)
    sync(MarkdownLoader(made / "docs/tea.md"), MarkdownSplitter(), store)
    assert (store.count(), embedding.texts) == (4, [])
    (made / "docs/sub/coffee.md").write_text("# Coffee\n\nCold brew.\n")
    report = sync(MarkdownLoader(made / "docs/sub"), MarkdownSplitter(), store)
    assert (report.added, report.removed) == (1, 1)
    assert ("sub/coffee.md", 0, "Coffee\n\nCold brew.") in places(store)


def test_a_shard_prunes_in_its_part_only(store: MilvusStore, made: Path) -> None:
    """Although the rows do not say which part they are of."""
    in_its_place(store, made / "docs")
    (made / "docs/tea.md").unlink()
    pruned = [
        name
        for number in (1, 2)
        for name in sync(MarkdownLoader(made / "docs", shard=(number, 2)), MarkdownSplitter(), store).pruned
    ]
    assert pruned == ["tea.md"]
    assert {source for source, _, _ in places(store)} == {"milk.md", "sub/coffee.md"}
