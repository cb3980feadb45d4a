"""A sync that was held up, however long, while the index was rebuilt with another embedding: nothing of it is there.

Milvus Lite on a path has one process, so here it is a server.
"""

from pathlib import Path

import pytest

from milvus_rag.errors import CollectionReplacedError, EmbeddingMismatchError, StoreUnavailableError
from milvus_rag.stores import collection as collection_module
from milvus_rag.stores.layout import write_properties
from milvus_rag.stores.write_names import WRITE_NAME, WriteNames
from support.held_up import (
    DELETE,
    LOOK,
    NAME,
    NAMED,
    PROPERTIES,
    SECOND_DELETE,
    SECOND_WRITE,
    WRITE,
    Point,
    held_up,
)
from support.pages import CountingEmbeddings
from support.rebuilding import Index

OLD = {"a.md": "one\ntwo", "b.md": "three", "d.md": "five"}
NEW = {"a.md": "one\nchanged", "c.md": "four"}
# Milvus Lite drops a connection that was idle for ten seconds.
_TOLD = {EmbeddingMismatchError.__name__, StoreUnavailableError.__name__}

pytestmark = pytest.mark.usefixtures("no_grace")


def as_the_version_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Collections had no name to write to them by, and were written to by their own."""

    def without_name(properties: dict[str, object]) -> dict[str, str]:
        return write_properties({name: value for name, value in properties.items() if name != WRITE_NAME})

    monkeypatch.setattr(collection_module, "write_properties", without_name)
    monkeypatch.setattr(WriteNames, "of", lambda _, layout: layout.name)


def rebuilt_meanwhile(index: Index, point: Point, folder: Path, *, dies: bool = False) -> str:
    """How a sync ends that is held up while the index is rebuilt; then that nothing of it is in the index."""
    with held_up(index.uri, index.name, NEW, point, folder, dies=dies) as let_on:
        index.embedding = CountingEmbeddings(model="newer")
        index.rebuild(OLD)
        outcome = let_on()
    index.check(OLD)
    index.sync(NEW)
    index.check(NEW)
    assert len(index.collections) == 1
    return outcome


@pytest.mark.parametrize(
    "point", [LOOK, WRITE, SECOND_WRITE, PROPERTIES, DELETE, SECOND_DELETE], ids=lambda point: point.name
)
def test_at_the_first_rebuild(index: Index, point: Point, tmp_path: Path) -> None:
    index.sync(OLD)
    assert rebuilt_meanwhile(index, point, tmp_path) in _TOLD


@pytest.mark.parametrize("point", [WRITE, DELETE], ids=lambda point: point.name)
def test_and_died_right_after(index: Index, point: Point, tmp_path: Path) -> None:
    index.sync(OLD)
    assert rebuilt_meanwhile(index, point, tmp_path, dies=True) == "killed"


@pytest.mark.parametrize("point", [WRITE, PROPERTIES, DELETE], ids=lambda point: point.name)
def test_at_a_later_rebuild(index: Index, point: Point, tmp_path: Path) -> None:
    index.sync(OLD)
    index.rebuild(OLD)
    assert rebuilt_meanwhile(index, point, tmp_path) in _TOLD


@pytest.mark.parametrize("point", [NAME, NAMED, WRITE, DELETE], ids=lambda point: point.name)
def test_in_a_collection_of_the_version_before(
    index: Index, point: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        as_the_version_before(before)
        index.sync(OLD)
    assert rebuilt_meanwhile(index, point, tmp_path) in _TOLD


def test_while_the_index_was_dropped_and_made_anew(index: Index, tmp_path: Path) -> None:
    index.sync(OLD)
    with held_up(index.uri, index.name, NEW, WRITE, tmp_path) as let_on:
        with index.open() as store:
            store.drop()
        index.embedding = CountingEmbeddings(model="newer")
        index.sync(OLD)
        assert let_on() in _TOLD
    index.check(OLD)


def test_and_rebuilt_with_the_same_embedding(index: Index, tmp_path: Path) -> None:
    """It is told to run again, since the new index may lack what it read."""
    index.sync(OLD)
    with held_up(index.uri, index.name, NEW, WRITE, tmp_path) as let_on:
        index.rebuild(OLD)
        assert let_on() in {CollectionReplacedError.__name__, StoreUnavailableError.__name__}
    index.check(OLD)
