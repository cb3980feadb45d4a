"""A filter finds the rows that it says, by a plain reading of it that shares no code with the package's."""

import random
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import FilterError
from support.core_server import CORE_LACKS

TEXTS = [
    "",
    "a",
    "ab",
    "A",
    "b",
    "it's",
    'q"q',
    "back\\slash",
    "50%_x",
    "유니코드",
    "two\nlines",
    "1",
    "true",
    '{"x": 1}',
]
NUMBERS = [
    0,
    1,
    -1,
    2,
    3,
    1.0,
    0.0,
    0.5,
    2.5,
    -3,
    2**53,
    2**53 + 1,
    2**53 + 2,
    float(2**53),
    2**63 - 1,
    -(2**62),
    1e300,
]
VALUES: list[Any] = [*TEXTS, *NUMBERS, True, False]
PATTERNS = ["a%", "%", "%b", "_", "a_%", "50\\%%", "back\\\\%", 'q"%', "유%", "a", "%\\%%", "%\n%", "_wo%"]
KEYS = ["k", "other", "a key", "like", "nest.x", "nest.x.y", "nest.0"]
FILTERS = 150


def _value(rng: random.Random) -> Any:
    chance = rng.random()
    if chance < 0.1:
        return None
    if chance < 0.2:
        return rng.sample([*VALUES, None], rng.randint(0, 3))
    return {"x": rng.choice(VALUES)} if chance < 0.25 else rng.choice(VALUES)


def _row(rng: random.Random) -> dict[str, Any]:
    row = {key: _value(rng) for key in ("k", "other", "a key", "like") if rng.random() < 0.75}
    nest: Any = rng.choice([None, {"x": _value(rng)}, {"x": {"y": _value(rng)}, "0": _value(rng)}, _value(rng)])
    return {**row, "nest": nest} if rng.random() < 0.7 else row


def _alike(rng: random.Random) -> dict[str, Any]:
    """A row whose keys have one type in all rows, as people mostly have them."""
    return {
        "k": rng.choice([0, 1, 2, 5]),
        "other": rng.random() < 0.5,
        "a key": rng.choice(TEXTS),
        "like": rng.choice([0.5, 1.0, 2.0]),
        "nest": {"x": rng.choice(["a", "ab"])},
    }


def _test(rng: random.Random) -> dict[str, Any]:
    key, number_or_text = rng.choice(KEYS), rng.choice([*TEXTS, *NUMBERS])
    made: list[Any] = [
        rng.choice([*VALUES, None]),
        {rng.choice(["$eq", "$ne", "$contains"]): rng.choice(VALUES)},
        {rng.choice(["$gt", "$gte", "$lt", "$lte"]): number_or_text},
        {rng.choice(["$in", "$nin"]): rng.sample(VALUES, rng.choice([0, 1, 2, 6, 20, len(VALUES)]))},
        {rng.choice(["$in", "$nin"]): [rng.choice(TEXTS) + str(i // 2 or "") for i in range(300)]},
        {"$like": rng.choice(PATTERNS)},
        {"$exists": rng.random() < 0.5},
        {"$gte": rng.choice(NUMBERS), "$lt": rng.choice(NUMBERS)},
    ]
    return {key: rng.choice(made)}


def _filter(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    chance = rng.random()
    if depth > 2 or chance < 0.5:
        return _test(rng)
    if chance < 0.65:
        return {"$not": _filter(rng, depth + 1)}
    if chance < 0.95:
        return {rng.choice(["$and", "$or"]): [_filter(rng, depth + 1) for _ in range(rng.randint(1, 3))]}
    return {**_test(rng), **_test(rng)}


# --- what a filter says, in plain Python


def _kind(value: Any) -> type:
    return {bool: bool, int: float, float: float, str: str}.get(type(value), object)


def _equal(value: Any, wanted: Any) -> bool:
    return _kind(value) is _kind(wanted) is not object and bool(value == wanted)


def _like(text: str, pattern: str) -> bool:
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(_like(text[i:], pattern[1:]) for i in range(len(text) + 1))
    escaped = re.match(r"\\[%_\\]", pattern) is not None
    rest = pattern[2:] if escaped else pattern[1:]
    first = pattern[1] if escaped else pattern[0]
    return bool(text) and (text[0] == first or (first == "_" and not escaped)) and _like(text[1:], rest)


def _one(value: Any, operator: str, wanted: Any) -> bool:
    if operator in ("$ne", "$nin"):
        return not _one(value, {"$ne": "$eq", "$nin": "$in"}[operator], wanted)
    if operator == "$exists":
        return (value is not None) is wanted
    if operator == "$in":
        return any(_equal(value, item) for item in wanted)
    if operator == "$like":
        return isinstance(value, str) and _like(value, wanted)
    if operator == "$contains":
        return isinstance(value, list) and any(_equal(item, wanted) for item in value)
    if operator == "$eq":
        return value is None if wanted is None else _equal(value, wanted)
    if _kind(value) is not _kind(wanted):
        return False
    return bool(
        {"$gt": value > wanted, "$gte": value >= wanted, "$lt": value < wanted, "$lte": value <= wanted}[operator]
    )


def says(filter: dict[str, Any], row: dict[str, Any]) -> bool:
    for key, wanted in filter.items():
        if key in ("$and", "$or"):
            holds = (all if key == "$and" else any)(says(part, row) for part in wanted)
        elif key == "$not":
            holds = not says(wanted, row)
        else:
            value: Any = row
            for part in key.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            operations = wanted if isinstance(wanted, dict) else {"$eq": wanted}
            holds = all(_one(value, operator, given) for operator, given in operations.items())
        if not holds:
            return False
    return True


@pytest.fixture(
    scope="module", params=["lite", *(pytest.param(kind, marks=pytest.mark.server) for kind in ("server", "core"))]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def uri(request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    if kind == "lite":
        return str(tmp_path_factory.mktemp("agreement") / "test.db")
    return str(request.getfixturevalue(f"{kind}_uri"))


def _lacks(kind: str, store: MilvusStore, filter: dict[str, Any]) -> bool:
    """Whether this Milvus cannot be asked for it."""
    return kind == "core" and any(part in store.to_expression(filter) for part in CORE_LACKS)


def _open(uri: str) -> MilvusStore:
    return open_store(
        uri,
        collection=f"test_{uuid.uuid4().hex}",
        embedding=DeterministicFakeEmbedding(size=4),
        full_text=False,
        # Reads that wait for no time stamp are 200 times as fast on a server; `count` below waits once for all.
        consistency_level="Eventually",
    )


@pytest.fixture(scope="module", params=["of all kinds", "alike"])
def filled(request: pytest.FixtureRequest, uri: str) -> Iterator[tuple[MilvusStore, dict[str, dict[str, Any]]]]:
    """A store, and its rows."""
    rng = random.Random(request.param)  # noqa: S311 - the same in each run
    rows = {f"r{i}": (_row if request.param == "of all kinds" else _alike)(rng) for i in range(80)}
    with _open(uri) as store:
        store.add_texts(list(rows), list(rows.values()), ids=list(rows))
        assert store.count() == len(rows)
        yield store, rows
        store.drop()


@pytest.mark.huge
def test_every_milvus_finds_what_a_filter_says(
    kind: str, filled: tuple[MilvusStore, dict[str, dict[str, Any]]]
) -> None:
    store, rows = filled
    rng = random.Random("filters")  # noqa: S311 - the same in each run
    asked = [chosen for chosen in (_filter(rng) for _ in range(FILTERS)) if not _lacks(kind, store, chosen)]
    assert len(asked) > (FILTERS // 3 if kind == "core" else FILTERS - 1)
    for at, chosen in enumerate(asked):
        expected = sorted(name for name, row in rows.items() if says(chosen, row))
        found = store.search_by_metadata(chosen, limit=len(rows))
        assert sorted(str(document.id) for document in found) == expected, chosen
        hits = store.similarity_search_by_vector([1.0, 0.0, 0.0, 0.0], k=5, filter=chosen)
        assert len(hits) == min(5, len(expected)), chosen
        assert {str(document.id) for document in hits} <= set(expected), chosen
        # These wait for the server's clock.
        if at % 10 == 0:
            assert store.count(chosen) == len(expected), chosen
            assert sorted(store.get_pks(chosen)) == expected, chosen


@pytest.mark.parametrize("kind", [pytest.param("core", marks=pytest.mark.server)], indirect=True)
@pytest.mark.parametrize("filter", [{"k": {"$exists": True}}, {"k": {"$ne": 1}}, {"$not": {"k": "a"}}], ids=str)
def test_the_core_says_what_it_cannot_find(uri: str, filter: dict[str, Any]) -> None:
    with _open(uri) as store:
        store.add_texts(["x"], [{"k": "a"}])
        with pytest.raises(FilterError, match="cannot use the filter"):
            store.search_by_metadata(filter)
        store.drop()


def test_what_a_filter_says_is_deleted_and_nothing_else(kind: str, uri: str) -> None:
    rng = random.Random("deleting")  # noqa: S311 - the same in each run
    rows = {f"r{i}": _row(rng) for i in range(40)}
    with _open(uri) as store:
        for chosen in ({"k": True}, {"k": {"$lt": 2}}, {"k": None}, {"$not": {"other": {"$gt": 0}}}):
            if _lacks(kind, store, chosen):
                continue
            store.add_texts(list(rows), list(rows.values()), ids=list(rows))
            assert store.count() == len(rows)
            store.delete(filter=chosen)
            left = sorted(name for name, row in rows.items() if not says(chosen, row))
            assert store.count() == len(left)
            assert sorted(store.get_pks(None)) == left
        store.drop()
