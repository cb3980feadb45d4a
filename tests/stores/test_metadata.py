"""What goes into a row comes out of it: metadata under any key, texts and ids of any characters."""

import asyncio
import datetime as dt
import enum
import json
import uuid
from collections import namedtuple
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import InputError

# Fields of ours, of others, and of Milvus itself; and names that are none in an expression.
KEYS = [
    "pk", "id", "text", "vector", "terms", "sparse", "source", "page_content",
    "$meta", "$x", "$vector", "metadata_x", "metadata_", "metadata_metadata_pk", "metadata_$x",
    "sync_root", "sync_digest", "metadata_sync_root",
    "_seq", "_partition", "__meta__x", "count(*)", "distance", "score", "entity", "RowID", "Timestamp",
    "in", "like", "NULL", "true", "exists",
    "한국어 키", "a b", " ", "a.b", "a-b", "1", "\n", "'\"\\", "\u2028", "k" * 300,
]  # fmt: skip

VALUES: dict[str, Any] = {
    "none": None,
    "booleans": [True, False],
    "texts": ["", " ", 'it\'s "quoted"', "back\\slash", "유니코드 𝄞", "\u2028\x00\x01\r\n\t"],
    "whole numbers": [0, -1, 2**53 + 1, -(2**63), 2**63 - 1],
    "floats": [0.1, -0.5, 1.0, 1e300, 5e-324],
    "nested": {"a": {"b": {"c": [1, {"d": None, "": 1, "$e": [[]], "pk": {}}]}}},
    "mixed list": [1, "1", None, 1.5, [True, {"x": ()}]],
    "deep": eval("[" * 200 + "]" * 200),  # noqa: S307 - a literal
    "long": "한" * 21_000,
}


class _Level(enum.IntEnum):
    HIGH = 3


class _Text(str):
    __slots__ = ()


_Point = namedtuple("_Point", "x y")


class _NeverAsked(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise AssertionError(f"asked to embed {texts}")

    def embed_query(self, text: str) -> list[float]:
        raise AssertionError(f"asked to embed {text}")


@pytest.fixture(scope="module")
def lite_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """A store in Milvus Lite."""
    uri = str(tmp_path_factory.mktemp("refused") / "test.db")
    with open_store(uri, embedding=DeterministicFakeEmbedding(size=4)) as store:
        store.add_texts(["there already"], ids=["there"])
        yield store


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """An empty store of which each test uses ids of its own, in Milvus Lite and on a real server."""
    on_server = request.param == "server"
    uri = request.getfixturevalue("server_uri") if on_server else str(tmp_path_factory.mktemp("metadata") / "test.db")
    name = f"test_{uuid.uuid4().hex}"
    with open_store(uri, collection=name, embedding=DeterministicFakeEmbedding(size=4), full_text=False) as store:
        yield store
        store.drop()


def _stored(store: MilvusStore, *documents: Document) -> list[Document]:
    return store.get_by_ids(store.add_documents(list(documents)))


class TestKeys:
    def test_any_key_comes_back(self, store: MilvusStore) -> None:
        documents = [Document(page_content="text", metadata={key: f"value of {key}"}) for key in KEYS]
        assert [d.metadata for d in _stored(store, *documents)] == [d.metadata for d in documents]

    def test_all_at_once_come_back(self, store: MilvusStore) -> None:
        document = Document(page_content="text", metadata={key: {"n": n} for n, key in enumerate(KEYS)})
        [stored] = _stored(store, document)
        assert stored.metadata == document.metadata
        assert stored.page_content == "text"

    def test_they_come_back_from_a_search_too(self, store: MilvusStore) -> None:
        metadata = {key: n for n, key in enumerate(KEYS)}
        [row_id] = store.add_texts(["text"], [{**metadata, "only": "searched"}])
        hits = store.similarity_search("text", k=1, filter={"only": "searched"})
        assert [hit.id for hit in hits] == [row_id]
        assert hits[0].metadata == {**metadata, "only": "searched"}

    def test_rows_are_found_by_any_key(self, store: MilvusStore) -> None:
        """By all keys at once, or by none of the others. A dot leads into a nested dict, `$` begins an operator."""
        keys = [key for key in KEYS if "." not in key and not key.startswith("$")]
        wanted = {key: f"wanted {key}" for key in keys}
        [row_id, _] = store.add_texts(["text", "other"], [wanted, {**wanted, keys[0]: "another"}])
        assert store.get_pks(wanted) == [row_id]
        assert store.get_pks({"$not": {"$or": [{key: {"$ne": value}} for key, value in wanted.items()]}}) == [row_id]


class TestValues:
    def test_any_json_comes_back(self, store: MilvusStore) -> None:
        documents = [Document(page_content=name, metadata={"value": value}) for name, value in VALUES.items()]
        stored = _stored(store, *documents)
        # A tuple is a list in JSON, which tells 1, 1.0 and True apart.
        assert [_json(d.metadata) for d in stored] == [_json(d.metadata) for d in documents]

    def test_a_row_without_metadata_has_none(self, store: MilvusStore) -> None:
        assert _stored(store, Document(page_content="text"))[0].metadata == {}

    def test_rows_do_not_share_keys(self, store: MilvusStore) -> None:
        found = _stored(store, Document(page_content="a", metadata={"a": 1}), Document(page_content="b"))
        assert [document.metadata for document in found] == [{"a": 1}, {}]

    def test_subclasses_of_json_types_are_those_types(self, store: MilvusStore) -> None:
        metadata = {"level": _Level.HIGH, "text": _Text("x"), "point": _Point(1, 2.5)}
        [stored] = _stored(store, Document(page_content="text", metadata=metadata))
        assert stored.metadata == {"level": 3, "text": "x", "point": [1, 2.5]}

    def test_what_is_given_is_not_changed(self, store: MilvusStore) -> None:
        metadata: dict[str, Any] = {"pk": (1, 2), "$x": {"a": [1]}}
        store.add_texts(["text"], [metadata])
        assert metadata == {"pk": (1, 2), "$x": {"a": [1]}}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _self_containing() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


class TestRefused:
    """A clear error, before anything is stored."""

    @pytest.mark.parametrize(
        ("value", "named"),
        [
            (lambda: object(), "object"),
            (lambda: {1, 2}, "set"),
            (lambda: b"bytes", "bytes"),
            (lambda: Decimal("1.50"), "float(value)"),
            (lambda: Path("a/b"), "str(value)"),
            (lambda: [dt.timedelta(1)], "total_seconds"),
            (lambda: bytearray(b"x"), "decode"),
            (lambda: np.datetime64("2026-01-01"), "str(value)"),
            (lambda: np.array([1.0, np.inf]), "inf"),
            (lambda: np.array([object()]), "object"),
            (lambda: [{"deep": {"inside": 1j}}], "complex"),
            (lambda: float("nan"), "nan"),
            (lambda: [float("inf")], "inf"),
            (lambda: 2**63, "64 bits"),
            (lambda: {1: "x"}, "key 1"),
            (lambda: {"x": {None: 1}}, "key None"),
            (lambda: "\ud800", "surrogate"),
            (lambda: {"\ud800": 1}, "key '\\ud800'"),
            (_self_containing, "nested deeper"),
        ],
        ids=lambda case: case if isinstance(case, str) else "",
    )
    def test_a_value_that_is_not_json(self, lite_store: MilvusStore, value: Callable[[], Any], named: str) -> None:
        before = lite_store.count()
        good = Document(page_content="good", metadata={"source": "faq/good.md"})
        bad = Document(page_content="bad", metadata={"source": "faq/bad.md", "culprit": value()})
        with pytest.raises(InputError) as caught:
            lite_store.add_documents([good, bad])
        assert "'culprit'" in str(caught.value)
        assert "'faq/bad.md'" in str(caught.value)
        assert named in str(caught.value)
        assert lite_store.count() == before

    @pytest.mark.parametrize("key", [1, None, "", "\ud800"], ids=ascii)
    def test_a_key_that_is_no_text(self, lite_store: MilvusStore, key: Any) -> None:
        before = lite_store.count()
        with pytest.raises(InputError, match="keys are non-empty texts"):
            lite_store.add_texts(["text"], [{key: 1}])
        assert lite_store.count() == before

    def test_metadata_that_is_too_long(self, lite_store: MilvusStore) -> None:
        with pytest.raises(InputError, match=r"'faq/long.md' has 7\d,\d{3} bytes"):
            lite_store.add_texts(["text"], [{"source": "faq/long.md", "a": "x" * 70_000}])

    def test_a_text_that_is_too_long(self, lite_store: MilvusStore) -> None:
        """The limit is in bytes, and a text at the limit is stored."""
        before = lite_store.count()
        with pytest.raises(InputError) as caught:
            lite_store.add_texts(["good", "가" * 21_846], [{}, {"source": "faq/long.md"}])
        assert "'faq/long.md' has 65,538 bytes" in str(caught.value)
        assert "65,535" in str(caught.value)
        assert "MarkdownSplitter" in str(caught.value)
        assert lite_store.count() == before
        longest = "가" * 21_845
        assert _stored(lite_store, Document(page_content=longest))[0].page_content == longest

    def test_a_text_that_is_no_text(self, lite_store: MilvusStore) -> None:
        with pytest.raises(InputError, match="half a surrogate pair"):
            lite_store.add_texts(["\ud800"])

    def test_it_is_found_before_anything_is_embedded(self, lite_uri: str) -> None:
        """An embedding may cost money; and no collection is made for nothing."""
        with open_store(lite_uri, embedding=_NeverAsked()) as store:
            wrong: list[dict[str, Any]] = [{"metadatas": [{"a": {1}}]}, {"metadatas": []}, {"ids": ["\ud800"]}]
            for bad in [*wrong, {"ids": ["a", "b"]}]:
                with pytest.raises(InputError):
                    store.add_texts(["text"], **bad)
                with pytest.raises(InputError):
                    asyncio.run(store.aadd_texts(["text"], **bad))
            assert not store.exists


class TestTexts:
    def test_every_character_comes_back(self, store: MilvusStore) -> None:
        texts = ["", " ", "\n \r\n\t", "\x00\x01\x7f", "\ufeff\u2028\u200d", "𝄞 한국어 \uff21", "'\"\\%_$meta"]
        assert [d.page_content for d in _stored(store, *map(Document, texts))] == texts


class TestIds:
    IDS = (
        "it's", 'say "hi"', "back\\slash", "'] or pk != ['", '"] or pk != "', "한국어 𝄞", "a b", " ", "\n", "1", "%",
        "x" * 65_535,
    )  # fmt: skip

    def test_any_text_is_an_id(self, store: MilvusStore) -> None:
        assert store.add_texts(list(self.IDS), ids=list(self.IDS)) == list(self.IDS)
        assert [(d.id, d.page_content) for d in store.get_by_ids(self.IDS)] == [(i, i) for i in self.IDS]

    def test_each_is_deleted_alone(self, store: MilvusStore) -> None:
        store.add_texts(list(self.IDS), ids=list(self.IDS))
        before = store.count()
        for number, row_id in enumerate(self.IDS[:5], start=1):
            store.delete([row_id])
            assert [document.id for document in store.get_by_ids(self.IDS)] == list(self.IDS[number:])
        store.delete(list(self.IDS))
        assert store.count() == before - len(self.IDS)

    def test_an_id_cannot_become_an_expression(self, store: MilvusStore) -> None:
        store.add_texts(["kept"], ids=["kept"])
        before = store.count()
        for row_id in ("x', 'kept", 'x", "kept', "x'] or pk != ['x", 'x"] or pk != "x'):
            assert store.get_by_ids([row_id]) == []
            store.delete([row_id])
        assert store.count() == before

    @pytest.mark.parametrize("row_id", ["\ud800", "a\x00b", "x" * 65_536], ids=["surrogate", "NUL", "too long"])
    def test_what_is_no_id_is_refused(self, lite_store: MilvusStore, row_id: str) -> None:
        before = lite_store.count()
        with pytest.raises(InputError, match=r"[Ii]d"):
            lite_store.add_texts(["good", "bad"], ids=["good", row_id])
        with pytest.raises(InputError, match=r"[Ii]d"):
            lite_store.get_by_ids([row_id])
        with pytest.raises(InputError, match=r"[Ii]d"):
            lite_store.delete([row_id])
        assert lite_store.count() == before

    def test_an_id_that_is_not_text_is_refused(self, lite_store: MilvusStore) -> None:
        with pytest.raises(InputError, match="7 is int"):
            lite_store.add_texts(["text"], ids=[7])  # type: ignore[list-item]  # what the test is about


def test_a_search_by_metadata_gives_the_fields_that_are_asked_for(store: MilvusStore) -> None:
    store.add_documents([Document("text", id="fields", metadata={"fields": 1, "pk": "mine", "other": 2})])
    for fields, metadata in (
        (["pk", "unknown"], {"pk": "mine"}),
        ([], {}),
        (None, {"fields": 1, "pk": "mine", "other": 2}),
    ):
        (found,) = store.search_by_metadata({"fields": 1}, fields)
        assert (found.page_content, found.metadata) == ("text", metadata)
