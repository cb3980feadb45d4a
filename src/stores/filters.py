r"""Metadata filters as plain dicts: what they say, and how they are read.

A dict names metadata keys and what they must be; all of it must hold::

    {"source": "faq/a.md"}                                  equal
    {"year": {"$gte": 2024, "$lt": 2026}}                   compared
    {"lang": {"$in": ["en", "ko"]}}                         one of
    {"tags": {"$contains": "index"}}                        a list that has the value
    {"$or": [{"draft": {"$exists": False}}, {"title": {"$like": "FAQ%"}}]}
    {"front_matter.topic": "index"}                         inside a nested dict
    {"year": None}                                          no such key
    {"$and": [{"year": 2024}, 'lang in ["en"]']}            and an expression of Milvus

A filter means the same on Milvus Lite and on every server:

- Text, numbers and booleans are three kinds, and none equals a value of another: ``True`` is not 1, ``"1"`` is not 1.
  Whole numbers and others are one kind: 1 is 1.0. They are compared by value, exactly, whatever their size.
- A key whose value is None is no key: ``{"key": None}``, ``{"key": {"$exists": False}}`` and ``{"key": {"$eq": None}}``
  find rows without the key and rows with None under it, ``$exists: True`` and ``{"$ne": None}`` all others.
- ``$eq``, ``$in``, ``$gt``, ``$gte``, ``$lt``, ``$lte``, ``$like`` and ``$contains`` hold of no row without the key,
  nor of one whose value is of another kind. ``$ne``, ``$nin`` and ``$not`` say exactly that the same does not hold:
  they hold of rows without the key.
- Texts are in order of their characters' numbers. Booleans, lists and dicts are in none, so ``$gt: True`` is refused.
- ``$like``: ``%`` stands for any characters, ``_`` for one, ``\%``, ``\_`` and ``\\`` for themselves; case counts.
- ``$contains`` holds of a list with an element that equals the value. A list equals nothing.
- A dot leads into a nested dict, never into a list, nor into text that is JSON.

Where Milvus' own expressions say something else, `conditions` asks for more rows and looks at them itself. In a field
of the schema, which only collections of other programs have beside ours, values have the field's type, and Milvus
refuses to compare it with another.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ..errors import FilterError

ORDERS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_COMBINATIONS = ("$and", "$or")
_OPERATORS = sorted({*ORDERS, *_COMBINATIONS, "$eq", "$ne", "$in", "$nin", "$not", "$like", "$contains", "$exists"})
# Milvus reads the number without its sign, so the least of 64 bits is none.
_LARGEST_INT = 2**63 - 1
# Deeper than anybody writes, and far from Python's own limit.
_DEEPEST = 100
# A text, with the mark that ends it if it ends, or a bracket.
_TOKEN = re.compile(r"""(["'])(?:(?!\1)[^\\]|\\.)*+(\1)?|([()\[\]{}])""", re.DOTALL)
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
# AllOf escapes that both Milvus and Milvus Lite know and need; every other character stands for itself.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Column(NamedTuple):
    """Where a collection keeps a metadata key."""

    name: str
    # A field of the schema, which every row has; otherwise a key of the dynamic field, which a row may lack.
    static: bool = False
    # A field that may have no value.
    nullable: bool = False


class KeyTest(NamedTuple):
    """What the value of one key is to be.

    Attributes:
        key: A metadata key; dots lead into nested dicts.
        operator: ``"$eq"``, ``"$in"``, one of `ORDERS`, ``"$like"``, ``"$contains"`` or ``"$exists"``.
        value: What it is compared with; a tuple for ``"$in"``, None for ``"$exists"``.
    """

    key: str
    operator: str
    value: Any = None


class Not(NamedTuple):
    """What must not hold."""

    node: "Node"


class AllOf(NamedTuple):
    """What must hold together."""

    nodes: "tuple[Node, ...]"


class AnyOf(NamedTuple):
    """Of what one must hold."""

    nodes: "tuple[Node, ...]"


class Raw(NamedTuple):
    """An expression of Milvus, which only Milvus can look at."""

    expression: str


Node: TypeAlias = KeyTest | Not | AllOf | AnyOf | Raw


def read_filter(filter: Mapping[str, Any] | str) -> Node:
    """Read a filter.

    Raises:
        FilterError: An operator or a value that cannot be understood.
    """
    if isinstance(filter, str):
        return _raw(filter)
    if not isinstance(filter, Mapping):
        raise FilterError(f"A filter is a dict or an expression, not {type(filter).__name__}: {filter!r}")
    return _read_all(filter, may_be_raw=True)


def both(filter: Mapping[str, Any] | str | None, other: Mapping[str, Any] | str | None) -> Any:
    """The filter that two make together; None for none."""
    given = [part for part in (filter, other) if part is not None and part not in ("", {})]
    return {"$and": given} if len(given) > 1 else next(iter(given), None)


def quote(value: Any) -> str:
    """Write a value as a literal of Milvus' expression language.

    Milvus has no safe parameters for values (its filter templates work neither on Milvus Lite nor on old servers).

    Raises:
        FilterError: The value is neither a string, a number, a boolean nor a list of them.
    """
    if isinstance(value, str) and value.isalnum() and value.isascii():
        # Most are ids, thousands at once.
        return f'"{value}"'
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        if abs(value) > _LARGEST_INT:
            raise FilterError(f"Milvus compares whole numbers of 64 bits, {value} has more.")
        return str(int(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(float(value))
    if isinstance(value, str):
        if "\x00" in value:
            raise FilterError("A filter value cannot hold the NUL character.")
        if not is_text(value):
            raise FilterError(f"A filter value cannot hold half a surrogate pair, which is no text: {value!r}")
        return f'"{value.translate(_ESCAPES)}"'
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return "[" + ", ".join(quote(item) for item in value) + "]"
    raise FilterError(
        f"A filter cannot compare with {value!r} ({type(value).__name__}): use a string, a number, true or false."
    )


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8: half a surrogate pair cannot."""
    # Most texts are ASCII, which is known at once.
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def pattern_parts(pattern: str) -> Iterator[tuple[str, bool]]:
    """The characters of a ``$like`` pattern, and whether each is a wildcard."""
    for found in re.finditer(r"\\([%_\\])|(.)", pattern, re.DOTALL):
        yield (found[1], False) if found[1] is not None else (found[2], found[2] in "%_")


# --- reading


def _raw(expression: str) -> Raw:
    """An expression that can stand in brackets beside other conditions, and cannot close them."""
    awaited: list[str] = []
    for mark, end, bracket in _TOKEN.findall(expression):
        if mark and not end:
            raise FilterError(f"The expression {expression!r} has a {mark} that ends nowhere.")
        if bracket in _CLOSED_BY:
            awaited.append(_CLOSED_BY[bracket])
        elif bracket and not (awaited and awaited.pop() == bracket):
            raise FilterError(f"The expression {expression!r} has a {bracket} that closes nothing.")
    if awaited:
        raise FilterError(f"The expression {expression!r} lacks a {awaited[-1]}.")
    return Raw(expression)


def _read_all(conditions: Mapping[str, Any], depth: int = 0, *, may_be_raw: bool = False) -> Node:
    if depth > _DEEPEST:
        raise FilterError(f"The filter is nested deeper than {_DEEPEST}.")
    nodes = [node for key, value in conditions.items() for node in _read(key, value, depth, may_be_raw)]
    return nodes[0] if len(nodes) == 1 else AllOf(tuple(nodes))


def _read(key: str, value: Any, depth: int, may_be_raw: bool) -> Iterator[Node]:
    if not isinstance(key, str) or not key:
        raise FilterError(f"A filter's keys are metadata keys or operators, not {key!r}.")
    if key in _COMBINATIONS:
        if not _is_list(value) or not value:
            raise FilterError(f"{key} takes a list of filters, not {value!r}.")
        # What only Milvus can look at must hold as a whole, or not be there.
        raw = may_be_raw and key == "$and"
        nodes = tuple(_read_one(item, key, depth, may_be_raw=raw) for item in value)
        yield AllOf(nodes) if key == "$and" else AnyOf(nodes)
    elif key == "$not":
        yield Not(_read_one(value, key, depth))
    elif key.startswith("$"):
        raise FilterError(_unknown_operator(key))
    elif isinstance(value, Mapping):
        if not value:
            raise FilterError(f"The filter for {key!r} is empty.")
        for operator, given in value.items():
            yield _read_operation(key, operator, given)
    elif _is_list(value):
        # A list would be compared as a whole, which is hardly ever meant.
        raise FilterError(f"To match one of several values write {{{key!r}: {{'$in': {list(value)!r}}}}}.")
    else:
        yield _read_operation(key, "$eq", value)


def _read_one(item: Any, operator: str, depth: int, *, may_be_raw: bool = False) -> Node:
    if isinstance(item, str) and item and may_be_raw:
        return _raw(item)
    if not isinstance(item, Mapping) or not item:
        inside = " (an expression goes into a '$and' that is not inside of another operator)" * isinstance(item, str)
        raise FilterError(f"{operator} takes filters as dicts, not {item!r}{inside}.")
    return _read_all(item, depth + 1, may_be_raw=may_be_raw)


def _read_operation(key: str, operator: str, value: Any) -> Node:
    if operator in ("$in", "$nin"):
        if not _is_list(value) or any(_is_list(item) for item in value):
            raise FilterError(f"{operator} takes a list of values for {key!r}, not {value!r}.")
        chosen = KeyTest(key, "$in", tuple(dict.fromkeys((type(plain), plain) for plain in map(_plain, value))))
        chosen = chosen._replace(value=tuple(plain for _, plain in chosen.value))
        return Not(chosen) if operator == "$nin" else chosen
    if operator == "$exists":
        if not isinstance(value, bool):
            raise FilterError(f"$exists takes true or false for {key!r}, not {value!r}.")
        return KeyTest(key, "$exists") if value else Not(KeyTest(key, "$exists"))
    if operator in ("$eq", "$ne") and value is None:
        return Not(KeyTest(key, "$exists")) if operator == "$eq" else KeyTest(key, "$exists")
    if operator not in (*ORDERS, "$eq", "$ne", "$like", "$contains"):
        raise FilterError(_unknown_operator(operator))
    if operator == "$like":
        if not isinstance(value, str):
            raise FilterError(f"$like takes a pattern such as 'faq/%' for {key!r}, not {value!r}.")
    elif _is_list(value):
        raise FilterError(f"{operator} compares {key!r} with one value, not with a list: {value!r}.")
    plain = _plain(value)
    if operator in ORDERS and isinstance(plain, bool):
        raise FilterError(f"{operator} cannot compare {key!r} with {plain}: true and false have no order. Use $eq.")
    return Not(KeyTest(key, "$eq", plain)) if operator == "$ne" else KeyTest(key, operator, plain)


def _plain(value: Any) -> Any:
    """A value that can be compared, as Python's own text, number or boolean."""
    if isinstance(value, Enum) and not isinstance(value, str | int | float):
        value = value.value
    quote(value)
    if isinstance(value, np.generic):
        value = value.item()
    return next(kind(value) for kind in (bool, int, float, str) if isinstance(value, kind))


def _unknown_operator(operator: Any) -> str:
    return f"The filter operator {operator!r} is not known. Use one of: {', '.join(_OPERATORS)}."


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray | set | frozenset) and not isinstance(value, str | bytes | bytearray)


# --- looking at rows


def matcher(node: Node, column_of: Callable[[str], Column]) -> Callable[[Mapping[str, Any]], bool]:
    """What a filter says, as a function of a row with all its metadata.

    Args:
        node: The filter.
        column_of: Where a metadata key is kept.

    Returns:
        Whether a row matches. What only Milvus can look at is taken to hold.
    """
    if isinstance(node, Raw):
        return lambda _: True
    if isinstance(node, Not):
        inner = matcher(node.node, column_of)
        return lambda row: not inner(row)
    if isinstance(node, AllOf | AnyOf):
        parts = [matcher(part, column_of) for part in node.nodes]
        decide = all if isinstance(node, AllOf) else any
        return lambda row: decide(part(row) for part in parts)
    head, *path = node.key.split(".")
    name = column_of(head).name
    holds = _holds(node)

    def check(row: Mapping[str, Any]) -> bool:
        value = row.get(name)
        for part in path:
            value = value.get(part) if isinstance(value, dict) else None
        return value is not None and holds(value)

    return check


def _holds(test: KeyTest) -> Callable[[Any], bool]:
    wanted = test.value
    if test.operator == "$exists":
        return lambda _: True
    if test.operator == "$in":
        members = frozenset(map(_kind_and_value, wanted))
        return lambda value: _kind_and_value(value) in members
    if test.operator == "$like":
        regex = "".join(
            {"%": ".*", "_": "."}[character] if wild else re.escape(character)
            for character, wild in pattern_parts(wanted)
        )
        pattern = re.compile(regex, re.DOTALL)
        return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None
    equal = _kind_and_value(wanted)
    if test.operator == "$eq":
        return lambda value: _kind_and_value(value) == equal
    if test.operator == "$contains":
        return lambda value: isinstance(value, list) and any(_kind_and_value(item) == equal for item in value)
    return lambda value: (
        _kind_and_value(value)[0] == equal[0]
        and {
            "$gt": lambda: value > wanted,
            "$gte": lambda: value >= wanted,
            "$lt": lambda: value < wanted,
            "$lte": lambda: value <= wanted,
        }[test.operator]()
    )


def _kind_and_value(value: Any) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "boolean", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", value
    # Equal to nothing that is searched for.
    return "other", None
