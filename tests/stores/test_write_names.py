"""The name by which a collection is written to leads to it alone, and is gone with it."""

from collections.abc import Iterator
from typing import Any

import pytest
from pymilvus import MilvusException

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import EmbeddingMismatchError
from milvus_rag.stores import collection as collection_module
from milvus_rag.stores.collection_names import LONGEST_NAME
from milvus_rag.stores.layout import write_properties
from milvus_rag.stores.write_names import WRITE_NAME, WriteNames, new_write_name
from support.pages import CountingEmbeddings, open_pages


@pytest.fixture(
    params=["lite_uri", *(pytest.param(uri, marks=pytest.mark.server) for uri in ("server_uri", "core_uri"))],
    ids=["Lite", "server", "core"],
)
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def store(uri: str, collection_name: str) -> Iterator[MilvusStore]:
    with open_pages(uri, CountingEmbeddings(), collection_name) as opened:
        yield opened
        opened.drop()


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """As in the version before: collections have no such name, and are written to by their own."""

    def without_name(properties: dict[str, Any]) -> dict[str, str]:
        return write_properties({name: value for name, value in properties.items() if name != WRITE_NAME})

    with monkeypatch.context() as patch:
        patch.setattr(collection_module, "write_properties", without_name)
        patch.setattr(WriteNames, "of", lambda _, layout: layout.name)
        yield patch


def aliases(store: MilvusStore, collection: str | None = None) -> list[str]:
    return list(store.client.list_aliases(collection or store.collection_name)["aliases"])


def texts(store: MilvusStore) -> list[str]:
    return sorted(document.page_content for document in store.get_by_ids(store.get_pks("")))


def rebuilt(store: MilvusStore, embedding: CountingEmbeddings, held: list[str]) -> str:
    """Make the name an alias of another collection, which is made here, and drop the old one."""
    new = f"{store.collection_name}_new"
    with open_pages(store.server.uri, embedding, new) as other:
        other.add_texts(held, ids=held)
        index = other.collection.sibling(store.collection_name)
        old = index.switch_to(new)
        assert old is not None
        index.sibling(old).drop()
    return new


@pytest.mark.parametrize("length", [1, 200, LONGEST_NAME])
def test_is_a_name_that_milvus_takes(length: int) -> None:
    names = {new_write_name("x" * length) for _ in range(100)}
    assert len(names) == 100
    assert {name[0] for name in names} == {"x"}
    assert max(map(len, names)) <= LONGEST_NAME


def test_is_given_once_and_goes_with_the_collection(store: MilvusStore) -> None:
    for text in ("one", "two"):
        store.add_texts([text])
    with open_pages(store.server.uri, store.embedding, store.collection_name) as other:
        other.add_texts(["three"])
        other.delete(expr='text == "two"')
    assert store.collection.refresh() is not None
    assert aliases(store) == [store.collection.existing().properties[WRITE_NAME]]
    assert texts(store) == ["one", "three"]
    name = aliases(store)[0]
    store.drop()
    assert not store.client.has_collection(name)
    assert name not in store.client.list_aliases("")["aliases"]


def test_is_taken_before_a_drop(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Milvus 2.5.5 and newer want it."""
    drop = store.client.drop_collection

    def refuse(name: str, **options: Any) -> None:
        if aliases(store, name):
            raise MilvusException(message="unable to drop the collection because it has associated aliases")
        drop(name, **options)

    monkeypatch.setattr(store.client, "drop_collection", refuse)
    store.add_texts(["one"])
    store.drop()
    assert not store.exists


def test_is_made_for_a_collection_of_the_version_before(store: MilvusStore, before: pytest.MonkeyPatch) -> None:
    store.add_texts(["one"])
    assert aliases(store) == []
    before.undo()
    with open_pages(store.server.uri, store.embedding, store.collection_name) as other:
        assert texts(other) == ["one"]
        assert aliases(store) == []
        other.add_texts(["two"])
        other.add_texts(["three"])
        assert texts(other) == ["one", "three", "two"]
        assert aliases(store) == [other.collection.existing().properties[WRITE_NAME]]


def test_is_not_made_where_it_may_not_be(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(*names: str, **_: Any) -> None:
        asked.append(names)
        raise MilvusException(message="permission deny")

    monkeypatch.setattr(store.client, "create_alias", refuse)
    for text in ("one", "two", "three"):
        store.add_texts([text])
    store.delete(expr='text == "two"')
    assert texts(store) == ["one", "three"]
    assert len(asked) == 2
    assert aliases(store) == []


def test_is_not_believed_when_it_leads_elsewhere(store: MilvusStore) -> None:
    """Whatever a collection remembers."""
    store.add_texts(["one"])
    wrong = store.collection.existing().properties[WRITE_NAME]
    with open_pages(store.server.uri, CountingEmbeddings(model="newer"), f"{store.collection_name}_2") as other:
        other.add_texts(["two"])
        store.client.alter_alias(other.collection_name, wrong)
        store.collection.look_again()
        store.add_texts(["three"])
        assert texts(store) == ["one", "three"]
        assert texts(other) == ["two"]
        assert store.collection.existing().properties[WRITE_NAME] != wrong
        other.drop()


def test_may_be_removed_by_hand(store: MilvusStore) -> None:
    store.add_texts(["one"])
    store.client.drop_alias(aliases(store)[0])
    store.add_texts(["two"])
    assert texts(store) == ["one", "two"]
    assert len(aliases(store)) == 1


class TestARebuildMeanwhile:
    def test_gets_what_was_added_with_its_embedding(self, store: MilvusStore) -> None:
        store.add_texts(["one"], ids=["one"])
        assert store.layout is not None
        new = rebuilt(store, CountingEmbeddings(), ["one", "three"])
        store.add_texts(["two"], ids=["two"])
        assert store.collection.existing().name == new
        assert texts(store) == ["one", "three", "two"]

    def test_gets_what_was_deleted(self, store: MilvusStore) -> None:
        store.add_texts(["one"], ids=["one"])
        assert store.layout is not None
        rebuilt(store, CountingEmbeddings(), ["one", "three"])
        store.delete(["one"])
        assert texts(store) == ["three"]

    def test_gets_nothing_of_another_embedding(self, store: MilvusStore) -> None:
        store.add_texts(["one"], ids=["one"])
        assert store.layout is not None
        newer = CountingEmbeddings(model="newer")
        rebuilt(store, newer, ["one"])
        with pytest.raises(EmbeddingMismatchError):
            store.add_texts(["two"], ids=["two"])
        with open_pages(store.server.uri, newer, store.collection_name) as other:
            assert texts(other) == ["one"]


@pytest.mark.server
def test_a_session_reads_what_it_wrote(server_uri: str, collection_name: str) -> None:
    with open_store(
        server_uri,
        embedding=CountingEmbeddings(),
        collection=collection_name,
        full_text=False,
        consistency_level="Session",
    ) as store:
        for count in range(1, 6):
            store.add_texts([f"text {count}"])
            assert len(store.similarity_search("text", k=10)) == count
        store.drop()
