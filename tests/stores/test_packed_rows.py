"""Rows written and read in Milvus' wire format are those that its client would have written and read."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pymilvus import MilvusClient
from pymilvus.client.types import HybridExtraList
from pymilvus.exceptions import ParamError

from milvus_rag import MilvusStore, open_store, sync
from milvus_rag.stores.layout import Layout
from milvus_rag.stores.packed_rows import pack, read_packed, write_packed
from support.pages import Lines, Pages
from support.word_embeddings import WordEmbeddings

DIMENSION = 16
METADATA: list[dict[str, Any]] = [
    {},
    {"source": "faq.md", "headings": ["FAQ", "Größe — 数据"], "start_line": 3, "score": 0.1, "checked": True},
    {"nested": {"b": [1, {"c": None}], "a": '" \\ \n \u2028 </script> 😀'}, "large": 2**63 - 1, "small": -1e-300},
    {"z": 1, "a": 2, "m": 3},
]


@pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, lite_uri: str, collection_name: str) -> Iterator[MilvusStore]:
    uri = lite_uri if request.param == "lite" else request.getfixturevalue("server_uri")
    has_full_text = request.param == "lite"
    embedding = WordEmbeddings(DIMENSION)
    with open_store(uri, collection=collection_name, embedding=embedding, full_text=has_full_text) as opened:
        opened.add_texts(["the first row makes the collection"], ids=["first"])
        yield opened
        opened.drop()


def rows_of(store: MilvusStore) -> list[dict[str, Any]]:
    texts = [f"text {number} “数据” 😀\n\x01" for number in range(len(METADATA))]
    vectors = np.random.default_rng(1).random((len(texts), DIMENSION), dtype=np.float32)
    layout = store.collection.existing()
    return store.to_rows(layout, [str(n) for n in range(len(texts))], texts, METADATA, list(vectors))


def read(store: MilvusStore) -> list[dict[str, Any]]:
    rows = store.collection.rows()
    fields = [*rows.layout.document_fields, "vector", *(["terms"] if rows.layout.terms_field else [])]
    found = rows.get([str(number) for number in range(len(METADATA))], fields, "Strong")
    return sorted(found, key=lambda row: str(row["pk"]))


def test_they_are_read_as_if_the_client_had_written_them(store: MilvusStore) -> None:
    layout, rows = store.collection.existing(), rows_of(store)
    insert = store.server.lite
    ids = write_packed(store.client, layout, rows, insert=insert, timeout=30)
    assert ids == [row["pk"] for row in rows]
    packed = read(store)
    store.collection.rows().delete(ids)
    write = store.client.insert if insert else store.client.upsert
    write(layout.name, data=rows)
    assert len(packed) == len(METADATA)
    for ours, theirs in zip(packed, read(store), strict=True):
        assert np.array_equal(ours.pop("vector"), theirs.pop("vector"))
        assert ours == theirs
        # Also in its order, which is seen where metadata is shown.
        assert [*layout.metadata_of(ours)] == [*layout.metadata_of(theirs)]


def test_vectors_may_be_lists_too(store: MilvusStore) -> None:
    rows = [{**row, "vector": row["vector"].tolist()} for row in rows_of(store)]
    assert store.collection.rows().upsert(rows) == [row["pk"] for row in rows]
    assert [np.asarray(row["vector"]).round(6).tolist() for row in read(store)] == [
        np.asarray(row["vector"]).round(6).tolist() for row in rows
    ]


LAYOUT = Layout(
    name="c",
    vector_field="vector",
    dimension=2,
    static_fields=frozenset({"pk", "text", "vector"}),
    properties={"layout": 1},
)
ROW = {"pk": "1", "text": "t", "vector": [1.0, 0.0], "key": 1}


@pytest.mark.parametrize(
    "layout",
    [
        replace(LAYOUT, properties={}),
        replace(LAYOUT, dynamic=False),
        replace(LAYOUT, static_fields=LAYOUT.static_fields | {"theirs"}),
        replace(LAYOUT, static_fields=LAYOUT.static_fields | {"sparse"}, sparse_field="sparse"),
    ],
    ids=["of another program", "without further keys", "with a field more", "with vectors of a sparse model"],
)
def test_other_collections_are_left_to_the_client(layout: Layout) -> None:
    assert pack(LAYOUT, [ROW]) is not None
    assert pack(layout, [ROW]) is None


@pytest.mark.parametrize(
    "row",
    [
        {"pk": "1", "text": "t"},
        {**ROW, "pk": 1},
        {**ROW, "text": None},
        {**ROW, "vector": ["a", "b"]},
        {**ROW, "vector": ["1", "0"]},
        {**ROW, "vector": [None, 1.0]},
        {**ROW, "vector": [10**400, 1]},
        {**ROW, "vector": [1.0]},
        {**ROW, "vector": 1.0},
        {**ROW, "key": float("nan")},
        {**ROW, "key": object()},
        {**ROW, "text": "\ud800"},
        {**ROW, "key": "\ud800"},
        {**ROW, "$meta": {"key": 1}},
    ],
)
def test_what_is_wrong_with_a_row_is_left_to_the_client_to_say(row: dict[str, Any]) -> None:
    assert pack(LAYOUT, [ROW, row]) is None


class _LaterClient:
    """A client of which a later release takes no request that was made elsewhere."""

    def _get_connection(self) -> "_LaterClient":
        return self

    def _generate_call_context(self) -> None:
        return None

    def batch_insert(self, *_: Any, **__: Any) -> None:
        raise ParamError(message="Missing collection meta to validate entities")

    upsert = batch_insert


@pytest.mark.parametrize("insert", [True, False])
@pytest.mark.parametrize("client", [_LaterClient(), object()], ids=["wants rows", "has other methods"])
def test_a_client_that_takes_no_request_writes_itself(client: Any, insert: bool) -> None:
    assert write_packed(client, LAYOUT, [ROW], insert=insert, timeout=1) is None


def test_a_sync_writes_no_other_way(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("insert", "upsert"):
        monkeypatch.setattr(store.client, name, None)
    assert sync(Pages({"a.md": "one\ntwo", "b.md": "three"}), Lines(), store).added == 3
    report = sync(Pages({"a.md": "zero\none\ntwo", "b.md": "three"}), Lines(), store)
    assert (report.added, report.moved) == (1, 2)


def test_an_error_of_the_server_is_raised(store: MilvusStore) -> None:
    layout, rows = store.collection.existing(), rows_of(store)
    short = [{**row, "vector": row["vector"][:3]} for row in rows]
    with pytest.raises(Exception, match=r"(?i)dim|length|size"):
        write_packed(store.client, layout, short, insert=store.server.lite, timeout=30)
    assert isinstance(store.client, MilvusClient)
    assert read(store) == []


class TestReading:
    """`read_packed`: each test asks twice, since the client's rows are read where they are looked at."""

    def answer(self, store: MilvusStore, fields: list[str]) -> Any:
        rows = store.collection.rows()
        rows.upsert(rows_of(store))
        options = {"filter": 'pk != ""', "output_fields": fields, "consistency_level": "Strong"}
        return store.client.query(store.collection_name, **options)

    @pytest.mark.parametrize(
        "fields",
        [
            ["pk", "$meta"],
            ["pk", "text", "$meta"],
            ["pk", "text", "vector", "$meta"],
            ["source"],
            ["source", "m"],
            ["*"],
        ],
        ids=" ".join,
    )
    def test_is_what_the_client_reads(self, store: MilvusStore, fields: list[str]) -> None:
        def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            assert len(rows) == len(METADATA) + 1
            return sorted(rows, key=lambda row: str(row["pk"]))

        ours, theirs = (self.answer(store, fields) for _ in range(2))
        assert in_order(read_packed(ours)) == in_order(list(theirs))

    @pytest.mark.parametrize("fields", [["pk", "$meta"], ["pk", "text", "$meta"]], ids=" ".join)
    def test_does_not_leave_it_to_the_client(
        self, store: MilvusStore, fields: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = self.answer(store, fields)
        monkeypatch.delattr(HybridExtraList, "__getitem__")
        monkeypatch.delattr(HybridExtraList, "__iter__")
        read = {row["pk"]: row for row in read_packed(answer)}
        assert read["1"] == {**METADATA[1], **{name: read["1"][name] for name in fields if name != "$meta"}}

    @pytest.mark.parametrize("rows", [[], [{"pk": "1", "source": "faq.md"}]])
    def test_of_another_client_is_what_it_reads(self, rows: list[dict[str, Any]]) -> None:
        assert read_packed(rows) == rows
        assert read_packed(iter(rows)) == rows
