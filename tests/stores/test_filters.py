"""Filters as dicts: the expressions they become, and the rows that Milvus finds by them, on Lite and on a server."""

import enum
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from pymilvus.exceptions import MilvusException

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import FilterError, InputError, StoreError
from milvus_rag.stores.conditions import Condition, to_condition
from milvus_rag.stores.connection import translated_errors
from milvus_rag.stores.filter_expressions import Bounds, to_bounds
from milvus_rag.stores.filters import Column, quote, read_filter

OPERATORS = (
    "$and",
    "$contains",
    "$eq",
    "$exists",
    "$gt",
    "$gte",
    "$in",
    "$like",
    "$lt",
    "$lte",
    "$ne",
    "$nin",
    "$not",
    "$or",
)


class _Level(enum.IntEnum):
    HIGH = 3


class _Topic(enum.StrEnum):
    INDEX = "index"


def _lite(filter: Any) -> Bounds:
    return to_bounds(read_filter(filter), Column, lite=True)


def _server(filter: Any) -> Bounds:
    return to_bounds(read_filter(filter), Column, lite=False)


class TestExpressions:
    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ({"a": "x"}, '$meta["a"] == "x"'),
            ({"a": {"$eq": "x"}}, '$meta["a"] == "x"'),
            ({"a": {"$gt": 1}}, '$meta["a"] > 1'),
            ({"a": {"$gte": 2}}, '$meta["a"] >= 2'),
            ({"a": {"$lt": -1.5}}, '$meta["a"] < -1.5'),
            ({"a": {"$lte": -1}}, '$meta["a"] <= -1'),
            ({"a": {"$like": "faq/%"}}, '$meta["a"] like "faq/%"'),
            ({"a": {"$like": "faq"}}, '$meta["a"] == "faq"'),
            ({"a": {"$ne": 2}}, '(not (exists $meta["a"])) or (not ($meta["a"] == 2))'),
            ({"a": {"$gte": 2, "$lt": "x"}}, '($meta["a"] >= 2) and ($meta["a"] < "x")'),
            ({"a": 3, "b": "y"}, '($meta["a"] == 3) and ($meta["b"] == "y")'),
            ({"$or": [{"a": 3}, {"b": 2}]}, '($meta["a"] == 3) or ($meta["b"] == 2)'),
            ({"$and": [{"a": 3}, {"b": 2}]}, '($meta["a"] == 3) and ($meta["b"] == 2)'),
            ({"$and": [{"a": 3}, "b > 1"]}, '($meta["a"] == 3) and (b > 1)'),
            ({"$not": {"$not": {"a": 3}}}, '$meta["a"] == 3'),
        ],
        ids=str,
    )
    def test_an_operator_becomes_one_of_milvus(self, filter: Mapping[str, Any], expected: str) -> None:
        assert _lite(filter) == _server(filter) == Bounds.exactly(expected)

    @pytest.mark.parametrize(
        ("filter", "certain", "possible"),
        [
            ({"a": True}, None, '$meta["a"] == true'),
            ({"a": 1}, None, '$meta["a"] == 1'),
            ({"a": {"$lt": 2}}, '($meta["a"] < 2) and ($meta["a"] != 0) and ($meta["a"] != 1)', '$meta["a"] < 2'),
            ({"a": {"$ne": False}}, '(not (exists $meta["a"])) or (not ($meta["a"] == false))', None),
            ({"a": {"$in": ["x", 1]}}, '$meta["a"] == "x"', '($meta["a"] == "x") or ($meta["a"] == 1)'),
        ],
        ids=str,
    )
    def test_lite_cannot_tell_true_from_one(
        self, filter: Mapping[str, Any], certain: str | None, possible: str | None
    ) -> None:
        assert _lite(filter) == Bounds(certain, possible)
        assert _server(filter).exact

    def test_a_server_may_find_none_to_exist(self) -> None:
        assert _lite({"a": {"$exists": True}}) == Bounds.exactly('exists $meta["a"]')
        assert _server({"a": {"$exists": True}}).possible == 'exists $meta["a"]'
        assert _server({"a": None}).certain == 'not (exists $meta["a"])'
        assert not _server({"a": None}).exact

    def test_many_values_are_one_list(self) -> None:
        names = [f"n{i}" for i in range(5000)]
        for chosen in ({"a": {"$in": names}}, {"a": {"$nin": names}}):
            for bounds in (_lite(chosen), _server(chosen)):
                assert bounds.exact
                assert str(bounds.possible).count(" in [") == 1
                assert "==" not in str(bounds.possible)

    def test_a_list_has_values_of_one_type(self) -> None:
        assert _server({"a": {"$in": [1, 2.5, "x", "y", True]}}).possible == (
            '($meta["a"] in ["x", "y"]) or ($meta["a"] in [1.0, 2.5]) or ($meta["a"] == true)'
        )

    def test_a_field_of_the_schema_is_named_and_is_always_there(self) -> None:
        def column(key: str) -> Column:
            return Column(key, static=True, nullable=key == "n")

        for chosen, expected in [
            ({"a": 1}, "a == 1"),
            ({"a": {"$ne": 1}}, "not (a == 1)"),
            ({"a": {"$in": ["x", "y"]}}, 'a in ["x", "y"]'),
            ({"$not": {"a": True}}, "not (a == true)"),
            ({"a": {"$exists": True}}, "a == a"),
            ({"n": {"$exists": True}}, "n is not null"),
            ({"n": {"$ne": 1}}, "(n is null) or (not (n == 1))"),
        ]:
            for lite in (True, False):
                assert to_bounds(read_filter(chosen), column, lite=lite) == Bounds.exactly(expected)

    @pytest.mark.parametrize("filter", [None, "", {}], ids=repr)
    def test_no_filter_is_no_expression(self, filter: Any) -> None:
        assert to_condition(filter, Column, lite=True) == Condition()

    def test_a_text_is_an_expression_as_it_is(self) -> None:
        expression = 'a > 1 or b like "x%"'
        assert to_condition(expression, Column, lite=True) == Condition(expression)

    def test_many_conditions_are_not_nested_deeply(self) -> None:
        """Milvus refuses, or is slow with, expressions nested as deeply as they are long."""
        expression = str(_server({"$or": [{"a": i} for i in range(1000)]}).possible)
        depth = deepest = 0
        for character in expression:
            depth += (character == "(") - (character == ")")
            deepest = max(deepest, depth)
        assert expression.count("==") == 1000
        assert deepest < 20

    def test_more_than_a_message_holds_is_refused(self) -> None:
        with pytest.raises(FilterError, match="bytes"):
            to_condition({"a": {"$in": [f"{i}{'x' * 60_000}" for i in range(600)]}}, Column, lite=False)


class TestQuoting:
    @pytest.mark.parametrize(
        ("value", "literal"),
        [
            ('say "hi"', r'"say \"hi\""'),
            ("it's", '"it\'s"'),
            ("back\\slash", r'"back\\slash"'),
            ('\\"', r'"\\\""'),
            ("two\nlines\r\tx", r'"two\nlines\r\tx"'),
            ("유니코드 𝄞 \u2028", '"유니코드 𝄞 \u2028"'),
            ("\x01\b\x7f", '"\x01\b\x7f"'),
            ("", '""'),
            (True, "true"),
            (False, "false"),
            (-3, "-3"),
            (2**63 - 1, "9223372036854775807"),
            (0.1, "0.1"),
            (1e300, "1e+300"),
            (np.float64(1.5), "1.5"),
            (_Level.HIGH, "3"),
            (_Topic.INDEX, '"index"'),
        ],
        ids=repr,
    )
    def test_a_value_is_a_literal_that_milvus_reads_back(self, value: Any, literal: str) -> None:
        assert quote(value) == literal

    def test_a_key_is_quoted_as_a_value_is(self) -> None:
        assert _server({'a"] == 1 or $meta["b': 1}).possible == r'$meta["a\"] == 1 or $meta[\"b"] == 1'

    @pytest.mark.parametrize(
        "value",
        [float("nan"), float("inf"), 2**63, -(2**63), "a\x00b", "\ud800", b"bytes", object(), {1, 2}, 1j, None],
        # An address in a name would be another one in each process.
        ids=lambda value: "object" if type(value) is object else repr(value),
    )
    def test_a_value_that_milvus_has_no_literal_for_is_refused(self, value: Any) -> None:
        with pytest.raises(FilterError):
            quote(value)


class TestRefused:
    @pytest.mark.parametrize("filter", [{"a": {"$regex": "x"}}, {"$nor": [{"a": 1}]}, {"a": {"gt": 1}}], ids=str)
    def test_an_unknown_operator_is_named_with_those_that_are_known(self, filter: Mapping[str, Any]) -> None:
        with pytest.raises(FilterError) as caught:
            read_filter(filter)
        message = str(caught.value)
        assert any(repr(name) in message for name in ("$regex", "$nor", "gt"))
        assert all(operator in message for operator in OPERATORS)

    @pytest.mark.parametrize(
        ("filter", "hint"),
        [
            ({"a": ["x", "y"]}, "$in"),
            ({"a": {}}, "empty"),
            ({"": 1}, "metadata keys"),
            ({1: 1}, "metadata keys"),
            ({"a": {"$in": "xy"}}, "list"),
            ({"a": {"$in": [["x"]]}}, "list"),
            ({"a": {"$nin": 1}}, "list"),
            ({"a": {"$in": [None]}}, "None"),
            ({"a": {"$eq": ["x"]}}, "not with a list"),
            ({"a": {"$gt": None}}, "None"),
            ({"a": {"$like": 1}}, "pattern"),
            ({"a": {"$exists": "no"}}, "true or false"),
            ({"a": {"$in": [], "$bad": 1}}, "$bad"),
            ({"$or": []}, "list of filters"),
            ({"$or": {"a": 1}}, "list of filters"),
            ({"a": {"$gt": True}}, "no order"),
            ({"a": {"$contains": ["x"]}}, "not with a list"),
            ({"a": {"$contains": None}}, "None"),
            ({"$or": [{"a": 1}, "b > 1"]}, "goes into a '$and'"),
            ({"$not": {"$and": ["b > 1", {"a": 1}]}}, "goes into a '$and'"),
            ({"$and": [1]}, "filters as dicts"),
            ({"$and": [{}]}, "filters as dicts"),
            ({"$not": [{"a": 1}]}, "filters as dicts"),
            ({"a": {"b": 1}}, "'b'"),
            (["a"], "dict or an expression"),
            (7, "dict or an expression"),
        ],
        ids=str,
    )
    def test_a_filter_that_means_nothing_says_what_is_wrong(self, filter: Any, hint: str) -> None:
        with pytest.raises(FilterError) as caught:
            read_filter(filter)
        assert hint in str(caught.value)

    def test_it_is_an_input_error_and_a_value_error(self) -> None:
        with pytest.raises(InputError):
            read_filter({"a": {"$x": 1}})
        with pytest.raises(ValueError, match="not known"):
            read_filter({"a": {"$x": 1}})


# One row a letter.
ROWS: dict[str, dict[str, Any]] = {
    "a": {"n": 1, "f": 1.5, "s": "plain", "b": True, "lang": "en", "nest": {"x": {"y": 1}}, "in": 1, "AND": 5},
    "b": {"n": 2, "f": 2.5, "s": 'it\'s "quoted"', "b": False, "lang": "ko", "nest": {"x": {"y": 2}}},
    "c": {"n": 3, "s": "back\\slash", "lang": "en", "tags": ["x", "y"], "한국어 키": "값", "a b": 1, 'q"k': {"z": 1}},
    "d": {"n": "3", "s": "line\nbreak\ttab", "tags": "x", "nest": {"x": "flat"}},
    "e": {"n": 2**53 + 1, "s": "유니코드 ☃ 𝄞", "tags": [1]},
    "f": {"n": -4, "s": "50%_off", "like": "x", "exists": 1, "null": 2, "true": 3},
    "g": {"s": "\u2028\x01\x7f\b\f\r/", "metadata_x": 2, "$odd": 1},
    "h": {"pk": "p", "id": "i", "text": "t", "vector": "v", "terms": "w", "sparse": "z", "source": "faq/a.md"},
}
EVERY = "".join(ROWS)
FOUND: list[tuple[dict[str, Any], str]] = [
    ({}, EVERY),
    # values of every type, and none is taken for another
    ({"n": 1}, "a"),
    ({"n": 1.0}, "a"),
    ({"n": "3"}, "d"),
    ({"n": 2**53 + 1}, "e"),
    ({"n": 2**53}, ""),
    ({"f": 1.5}, "a"),
    ({"b": True}, "a"),
    ({"b": False}, "b"),
    *(({"s": row["s"]}, name) for name, row in ROWS.items() if "s" in row),
    # comparisons
    ({"n": {"$eq": 2}}, "b"),
    ({"n": {"$gt": 1}}, "bce"),
    ({"n": {"$gte": 2, "$lt": 3}}, "b"),
    ({"n": {"$lte": -4}}, "f"),
    ({"f": {"$lt": 2}}, "a"),
    ({"lang": {"$gt": "en"}}, "b"),
    # a row without the key differs from every value, and is not in any list
    ({"n": {"$ne": 1}}, "bcdefgh"),
    ({"lang": {"$ne": "en"}}, "bdefgh"),
    ({"lang": {"$nin": ["en", "fr"]}}, "bdefgh"),
    ({"lang": {"$nin": []}}, EVERY),
    ({"missing": {"$ne": 1}}, EVERY),
    ({"missing": {"$gt": 1}}, ""),
    # lists of values, also of several types, and rows that have lists
    ({"lang": {"$in": ["en", "ko"]}}, "abc"),
    ({"lang": {"$in": ("en",)}}, "ac"),
    ({"lang": {"$in": []}}, ""),
    ({"n": {"$in": [1, "3", 2.0]}}, "abd"),
    ({"tags": {"$in": ["x"]}}, "d"),
    ({"tags": "x"}, "d"),
    ({"tags": {"$nin": ["x"]}}, "abcefgh"),
    ({"n": {"$in": list(range(300))}}, "abc"),
    # prefixes
    ({"s": {"$like": "back%"}}, "c"),
    ({"s": {"$like": "it's \"%"}}, "b"),
    ({"s": {"$like": "유니%"}}, "e"),
    ({"nest.x": {"$like": "fl%"}}, "d"),
    # whether there is such a key
    ({"lang": {"$exists": True}}, "abc"),
    ({"lang": {"$exists": False}}, "defgh"),
    ({"lang": None}, "defgh"),
    ({"nest": {"$exists": True}}, "abd"),
    # inside nested dicts
    ({"nest.x.y": 1}, "a"),
    ({"nest.x.y": {"$gt": 1}}, "b"),
    ({"nest.x.y": {"$in": [1, 2]}}, "ab"),
    ({"nest.x.y": {"$in": []}}, ""),
    ({"nest.x.y": {"$ne": 1}}, "bcdefgh"),
    ({"nest.x.y": {"$nin": [1]}}, "bcdefgh"),
    ({"nest.x.y": {"$exists": True}}, "ab"),
    ({"nest.x": "flat"}, "d"),
    # keys that are words of the expression language, no names at all, or names of fields
    ({"in": 1}, "a"),
    ({"AND": 5}, "a"),
    ({"like": "x", "exists": 1, "null": 2, "true": 3}, "f"),
    ({"한국어 키": "값"}, "c"),
    ({"a b": {"$in": [1, 2]}}, "c"),
    ({'q"k.z': 1}, "c"),
    ({"metadata_x": 2}, "g"),
    ({"pk": "p", "id": "i", "text": "t", "vector": "v", "terms": "w", "sparse": "z"}, "h"),
    ({"source": "faq/a.md"}, "h"),
    # combinations
    ({"lang": "en", "n": 3}, "c"),
    ({"$and": [{"lang": "en"}, {"n": {"$gt": 1}}]}, "c"),
    ({"$or": [{"lang": "ko"}, {"n": 3}]}, "bc"),
    ({"$or": [{"lang": "ko"}, {"$and": [{"lang": "en"}, {"$not": {"n": 1}}]}]}, "bc"),
    ({"$or": [{"n": 1}, {"n": 2}], "lang": "ko"}, "b"),
    ({"$not": {"lang": "en"}}, "bdefgh"),
    ({"$not": {"lang": {"$in": ["en", "ko"]}}}, "defgh"),
    ({"$not": {"lang": {"$ne": "en"}}}, "ac"),
    ({"$not": {"s": {"$like": "back%"}}}, "abdefgh"),
    ({"$not": {"nest.x.y": {"$gt": 1}}}, "acdefgh"),
    ({"$not": {"$not": {"lang": "en"}}}, "ac"),
    ({"$not": {"$or": [{"lang": "en"}, {"lang": "ko"}]}}, "defgh"),
    ({"$not": {"lang": None}}, "abc"),
]


def _open(uri: str) -> MilvusStore:
    # Reads that wait for no time stamp are 200 times as fast on a server; `count` below waits once for all.
    return open_store(
        uri,
        collection=f"test_{uuid.uuid4().hex}",
        embedding=DeterministicFakeEmbedding(size=4),
        full_text=False,
        consistency_level="Eventually",
    )


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """The rows, in Milvus Lite and on a real server."""
    on_server = request.param == "server"
    uri = request.getfixturevalue("server_uri") if on_server else str(tmp_path_factory.mktemp("filters") / "test.db")
    with _open(uri) as store:
        store.add_documents([Document(id=name, page_content=name, metadata=row) for name, row in ROWS.items()])
        assert store.count() == len(ROWS)
        yield store
        store.drop()


@pytest.mark.parametrize(("filter", "expected"), FOUND, ids=[str(case)[:60] for case, _ in FOUND])
def test_lite_and_server_find_the_same_rows(store: MilvusStore, filter: dict[str, Any], expected: str) -> None:
    found = store.search_by_metadata(filter or None, limit=len(ROWS))
    assert "".join(sorted(str(document.id) for document in found)) == expected


def test_a_filter_holds_in_every_method_that_takes_one(store: MilvusStore) -> None:
    english, vector = {"lang": "en"}, [1.0, 0.0, 0.0, 0.0]

    def ids(documents: list[Document]) -> set[str]:
        return {str(document.id) for document in documents}

    assert ids(store.similarity_search("x", k=8, filter=english)) == {"a", "c"}
    assert ids(store.similarity_search_by_vector(vector, k=8, filter=english)) == {"a", "c"}
    assert ids(store.max_marginal_relevance_search("x", k=8, filter=english)) == {"a", "c"}
    assert ids([d for d, _ in store.similarity_search_with_score("x", k=8, filter=english)]) == {"a", "c"}
    assert ids(store.as_retriever(search_kwargs={"k": 8, "filter": english}).invoke("x")) == {"a", "c"}
    assert set(store.get_pks(english)) == {"a", "c"}
    assert store.count(english) == 2


def test_a_filter_and_an_expression_hold_together(store: MilvusStore) -> None:
    found = store.similarity_search("x", k=8, filter={"lang": "en"}, expr='n == 1 or s == "plain"')
    assert [document.id for document in found] == ["a"]
    assert store.similarity_search("x", k=8, filter={"lang": "ko"}, expr='n == 1 or s == "plain"') == []


def test_a_search_says_which_argument_it_does_not_know(store: MilvusStore) -> None:
    with pytest.raises(InputError, match="filters"):
        store.similarity_search("x", filters={"lang": "en"})


@pytest.mark.parametrize("unit", ["field ", "expected ", "collection ", "password ", "create ", "unsupported "])
@pytest.mark.huge
def test_a_message_that_repeats_a_long_filter_is_read_in_linear_time(unit: str) -> None:
    """500,000 characters each: were anything quadratic, this would take minutes."""
    repeated = unit * (500_000 // len(unit))
    with pytest.raises(StoreError), translated_errors("./a.db", expression="a == 1"):
        raise MilvusException(message=repeated)
    with (
        pytest.raises(FilterError, match="Milvus cannot use the filter"),
        translated_errors("./a.db", expression="a == 1"),
    ):
        raise MilvusException(message=f"{repeated} field a does not exist")
