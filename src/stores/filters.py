"""Metadata filters as plain dicts, translated to Milvus expressions.

A dict names metadata keys and what they must be; all of it must hold::

    {"source": "faq/a.md"}                                  equal
    {"year": {"$gte": 2024, "$lt": 2026}}                   compared
    {"lang": {"$in": ["en", "ko"]}}                         one of
    {"$or": [{"draft": {"$exists": False}}, {"title": {"$like": "FAQ%"}}]}
    {"front_matter.topic": "index"}                         inside a nested dict
    {"year": None}                                          no such key

Milvus has no safe parameters for values (its filter templates work neither on Milvus Lite nor on old servers), so
values are quoted here. Expression syntax: https://milvus.io/docs/boolean.md
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import FilterError

_COMPARISONS = {"$eq": "==", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_COMBINATIONS = {"$and": "and", "$or": "or"}
_OPERATORS = sorted({*_COMPARISONS, *_COMBINATIONS, "$ne", "$in", "$nin", "$not", "$like", "$exists"})
# Milvus reads the number without its sign, so the least of 64 bits is none.
_LARGEST_INT = 2**63 - 1
# So many conditions in one row are not deep.
_FLAT = 16
# All escapes that both Milvus and Milvus Lite know and need; every other character stands for itself.
_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class Column(NamedTuple):
    """Where a collection keeps a metadata key."""

    name: str
    # A field of the schema, which every row has; otherwise a key of the dynamic field, which a row may lack.
    static: bool = False


def to_expression(filter: Mapping[str, Any] | str | None, column_of: Callable[[str], Column]) -> str:
    """Translate a filter to a Milvus expression.

    Args:
        filter: A dict as above; a string, which is taken for a Milvus expression as it is; or None.
        column_of: Where a metadata key is kept, e.g. under an escaped name where it collides with a field.

    Returns:
        A boolean expression; empty for no filter.

    Raises:
        FilterError: An operator or a value that cannot be understood.
    """
    if filter is None:
        return ""
    if isinstance(filter, str):
        return filter
    if not isinstance(filter, Mapping):
        raise FilterError(f"A filter is a dict or an expression, not {type(filter).__name__}: {filter!r}")
    return _all_of(filter, column_of)


def quote(value: Any) -> str:
    """Write a value as a literal of Milvus' expression language.

    Raises:
        FilterError: The value is neither a string, a number, a boolean nor a list of them.
    """
    if isinstance(value, str) and value.isalnum() and value.isascii():
        # Most are ids, thousands at once.
        return f'"{value}"'
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
    if _is_list(value):
        return "[" + ", ".join(quote(item) for item in value) + "]"
    raise FilterError(
        f"A filter cannot compare with {value!r} ({type(value).__name__}): use a string, a number, true or false."
    )


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8: half a surrogate pair cannot."""
    # Most texts are ASCII, which is known at once.
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _all_of(conditions: Mapping[str, Any], column_of: Callable[[str], Column], *, certain: bool = False) -> str:
    """All conditions at once.

    Args:
        conditions: A filter.
        column_of: Where a metadata key is kept.
        certain: Whether the expression must be true or false of a row that lacks a key. By itself it is neither on
            Milvus Lite, and so is its negation.
    """
    parts = [_condition(key, value, column_of, certain) for key, value in conditions.items()]
    return parts[0] if len(parts) == 1 else _joined("and", parts)


def _condition(key: str, value: Any, column_of: Callable[[str], Column], certain: bool) -> str:
    if not isinstance(key, str) or not key:
        raise FilterError(f"A filter's keys are metadata keys or operators, not {key!r}.")
    if key in _COMBINATIONS:
        if not _is_list(value) or not value:
            raise FilterError(f"{key} takes a list of filters, not {value!r}.")
        parts = [_all_of(_mapping(item, key), column_of, certain=certain) for item in value]
        return _joined(_COMBINATIONS[key], parts)
    if key == "$not":
        return f"not ({_all_of(_mapping(value, key), column_of, certain=True)})"
    if key.startswith("$"):
        raise FilterError(_unknown_operator(key))
    operand = _operand(key, column_of)
    if value is None:
        return f"not ({operand.exists})"
    if not isinstance(value, Mapping):
        # A list would be compared as a whole, which is hardly ever meant.
        if _is_list(value):
            raise FilterError(f"To match one of several values write {{{key!r}: {{'$in': {list(value)!r}}}}}.")
        value = {"$eq": value}
    if not value:
        raise FilterError(f"The filter for {key!r} is empty.")
    parts = [_operation(key, operand, operator, given, certain) for operator, given in value.items()]
    return parts[0] if len(parts) == 1 else _joined("and", parts)


def _operation(key: str, operand: "_Operand", operator: str, value: Any, certain: bool) -> str:
    if operator in ("$in", "$nin"):
        if not _is_list(value) or any(_is_list(item) for item in value):
            raise FilterError(f"{operator} takes a list of values for {key!r}, not {value!r}.")
        if operator == "$nin":
            return operand.none_of(value)
        expression = operand.one_of(value)
    elif operator in _COMPARISONS or operator == "$ne":
        if _is_list(value):
            raise FilterError(f"{operator} compares {key!r} with one value, not with a list: {value!r}.")
        if operator == "$ne":
            return operand.none_of([value])
        expression = f"{operand.path} {_COMPARISONS[operator]} {quote(value)}"
    elif operator == "$like":
        if not isinstance(value, str):
            raise FilterError(f"$like takes a pattern such as 'faq/%' for {key!r}, not {value!r}.")
        expression = f"{operand.path} like {quote(value)}"
    elif operator == "$exists":
        if not isinstance(value, bool):
            raise FilterError(f"$exists takes true or false for {key!r}, not {value!r}.")
        return operand.exists if value else f"not ({operand.exists})"
    else:
        raise FilterError(_unknown_operator(operator))
    return operand.certain(expression) if certain else expression


def _unknown_operator(operator: str) -> str:
    return f"The filter operator {operator!r} is not known. Use one of: {', '.join(_OPERATORS)}."


def _mapping(value: Any, operator: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise FilterError(f"{operator} takes filters as dicts, not {value!r}.")
    return value


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray)


def _joined(word: str, parts: Sequence[str]) -> str:
    """Expressions joined by `and` or `or`, in halves: Milvus is slow with, and limits, what is nested deeply."""
    if len(parts) == 1:
        return f"({parts[0]})"
    if len(parts) <= _FLAT:
        return f" {word} ".join(f"({part})" for part in parts)
    middle = len(parts) // 2
    return f"({_joined(word, parts[:middle])}) {word} ({_joined(word, parts[middle:])})"


class _Operand(NamedTuple):
    path: str
    static: bool

    @property
    def exists(self) -> str:
        # Milvus knows `exists` for dynamic keys only; a field of the schema is always there.
        return f"{self.path} == {self.path}" if self.static else f"exists {self.path}"

    def certain(self, expression: str) -> str:
        """The expression, but false of a row without the key."""
        return expression if self.static else f"({self.exists}) and ({expression})"

    def none_of(self, values: Sequence[Any]) -> str:
        """True of a row without the key too, on which Milvus Lite and servers disagree by themselves."""
        if not self.static:
            return f"(not ({self.exists})) or (not ({self.one_of(values)}))"
        return f"not ({self.one_of(values)})"

    def one_of(self, values: Sequence[Any]) -> str:
        if not values:
            return f"({self.exists}) and (not ({self.exists}))"
        if self.static:
            return f"{self.path} in {quote(values)}" if len(values) > 1 else f"{self.path} == {quote(values[0])}"
        # `in` takes values of one type only, and on Milvus Lite neither a path into a dict nor rows with lists.
        return _joined("or", [f"{self.path} == {quote(value)}" for value in values])


def _operand(key: str, column_of: Callable[[str], Column]) -> _Operand:
    head, *rest = key.split(".")
    column = column_of(head)
    # A bare name may be a word of the expression language, or no name in it.
    root = column.name if column.static else f"$meta[{quote(column.name)}]"
    return _Operand(root + "".join(f"[{quote(part)}]" for part in rest), column.static and not rest)
