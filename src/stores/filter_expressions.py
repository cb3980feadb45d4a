"""Filters as expressions of Milvus: one that surely holds, and one that possibly does.

Milvus Lite and servers differ in what an expression means, and neither can say all that a filter says (see `filters`):

- Milvus Lite takes true for 1 and false for 0, and reads text that is JSON. A comparison of values of two kinds, or of
  none, is neither true nor false there, and so is what negates it.
- Servers before 2.5 find an ``exists`` of None, compare whole numbers of more than 53 bits as floats, and know no
  pattern but a prefix.

So each filter becomes two expressions: all rows of the first match, and all rows that match are in the second. Where
they are the same, Milvus' answer is the filter's. A negation is moved inwards first, so that nothing that is neither
true nor false is ever negated. Expression syntax: https://milvus.io/docs/boolean.md
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..chunk_keys import DYNAMIC_KEY
from .filters import ORDERS, AllOf, AnyOf, Column, KeyTest, Node, Not, Raw, pattern_parts, quote

_OPPOSITE = {"$gt": "<=", "$gte": "<", "$lt": ">=", "$lte": ">"}
# So many conditions in one row are not deep.
_FLAT = 16
# On Milvus Lite, `in` fails at a row with a list under the key; for fewer values it is hardly faster.
_LEAST_FOR_IN = 16
_MOST_COMPARED = 200
_LITE_NAME = re.compile(r"(?!_seq$|_partition$)[A-Za-z_][A-Za-z0-9_]*")
_LITE_WORDS = frozenset(["and", "or", "not", "in", "like", "is", "null", "exists", "true", "false", "iso", "interval"])
# From here on not every whole number is a float; beyond 64 bits there are no others.
_WIDE, _WIDEST = 2.0**53, 2.0**64


class Bounds(NamedTuple):
    """Expressions that a filter lies between.

    Attributes:
        certain: What only matching rows satisfy; None for no row.
        possible: What all matching rows satisfy; None for all rows.
    """

    certain: str | None
    possible: str | None

    @classmethod
    def exactly(cls, expression: str) -> "Bounds":
        """Of a filter that an expression says."""
        return cls(expression, expression)

    @property
    def exact(self) -> bool:
        """Whether Milvus finds what the filter says."""
        return self.certain is not None and self.certain == self.possible


def to_bounds(node: Node, column_of: Callable[[str], Column], *, lite: bool, use_in: bool = True) -> Bounds:
    """Translate a filter.

    Args:
        node: The filter.
        column_of: Where a metadata key is kept.
        lite: Whether it is for Milvus Lite.
        use_in: Whether Milvus Lite may be asked for many values by `in`, which fails at a row with a list there.

    Raises:
        FilterError: The collection has no such key.
    """
    return _bounds(node, column_of, _Dialect(lite, use_in), negated=False)


class _Dialect(NamedTuple):
    lite: bool
    use_in: bool


def _bounds(node: Node, column_of: Callable[[str], Column], dialect: _Dialect, *, negated: bool) -> Bounds:
    if isinstance(node, Raw):
        return Bounds.exactly(node.expression)
    if isinstance(node, Not):
        return _bounds(node.node, column_of, dialect, negated=not negated)
    if isinstance(node, AllOf | AnyOf):
        parts = [_bounds(part, column_of, dialect, negated=negated) for part in node.nodes]
        return _all(parts) if isinstance(node, AllOf) != negated else _any(parts)
    operand = _operand(node.key, column_of, dialect)
    positive, negative = _test(node, operand)
    bounds = operand.absent_or(negative) if negated else operand.present_and(positive)
    # A server takes a number in a path for a place in a list too.
    return Bounds(None, bounds.possible if not negated else None) if operand.has_place else bounds


def _all(parts: Sequence[Bounds]) -> Bounds:
    return Bounds(
        _joined("and", [part.certain for part in parts], needs_all=True),
        _joined("and", [part.possible for part in parts], needs_all=False),
    )


def _any(parts: Sequence[Bounds]) -> Bounds:
    return Bounds(
        _joined("or", [part.certain for part in parts], needs_all=False),
        _joined("or", [part.possible for part in parts], needs_all=True),
    )


def _joined(word: str, parts: Sequence[str | None], *, needs_all: bool = True) -> str | None:
    """Expressions joined by `and` or `or`; None where there is none, or one is missing of which all are needed."""
    given = list(dict.fromkeys(part for part in parts if part is not None))
    if not given or (needs_all and None in parts):
        return None
    return _in_halves(word, given)


def _in_halves(word: str, parts: Sequence[str]) -> str:
    # Milvus is slow with, and limits, what is nested deeply.
    if len(parts) == 1:
        return parts[0]
    if len(parts) <= _FLAT:
        return f" {word} ".join(f"({part})" for part in parts)
    middle = len(parts) // 2
    return f"({_in_halves(word, parts[:middle])}) {word} ({_in_halves(word, parts[middle:])})"


class _Operand(NamedTuple):
    """A value in an expression.

    Attributes:
        path: How it is written.
        kept: Whether it is a field of the schema, which has one type.
        nullable: Whether such a field may have no value.
        name: How Milvus Lite's functions and its `in` want it written; None where they do not take it.
        whole: The dynamic key that it is inside of, which Milvus Lite reads where it is text; None for no such thing.
        has_place: Whether a server may take a part of it for a place in a list.
        dialect: Who reads it.
    """

    path: str
    kept: bool
    nullable: bool
    name: str | None
    whole: str | None
    has_place: bool
    dialect: _Dialect

    @property
    def exists(self) -> str:
        # Milvus knows `exists` for dynamic keys only.
        if self.kept:
            return f"{self.path} is not null" if self.nullable else f"{self.path} == {self.path}"
        return f"exists {self.path}"

    @property
    def is_text(self) -> str:
        return f'{self.path} like "%"'

    @property
    def takes_in(self) -> bool:
        """Whether Milvus Lite takes it before `in`: neither a path into a dict nor rows with lists."""
        return self.dialect.use_in and self.name is not None and self.whole is None

    @property
    def loose(self) -> bool:
        """Whether Milvus Lite compares it with values of other kinds."""
        return self.dialect.lite and not self.kept

    def present_and(self, bounds: Bounds) -> Bounds:
        if self.whole is None:
            return bounds
        return _all([bounds, Bounds.exactly(f'not ({self.whole} like "%")')])

    def absent_or(self, bounds: Bounds) -> Bounds:
        if self.kept and not self.nullable:
            return bounds
        parts = [Bounds.exactly(f"{self.path} is null" if self.kept else f"not ({self.exists})"), bounds]
        if self.whole is not None:
            parts.insert(1, Bounds.exactly(f'{self.whole} like "%"'))
        return _any(parts)


def _operand(key: str, column_of: Callable[[str], Column], dialect: _Dialect) -> _Operand:
    head, *rest = key.split(".")
    column = column_of(head)
    # A bare name may be a word of the expression language, or no name in it.
    root = column.name if column.static else f"{DYNAMIC_KEY}[{quote(column.name)}]"
    path = "".join(f"[{quote(part)}]" for part in rest)
    is_name = _LITE_NAME.fullmatch(column.name) and column.name.lower() not in _LITE_WORDS
    return _Operand(
        root + path,
        kept=column.static and not rest,
        nullable=column.nullable,
        name=f"{column.name}{path}" if is_name else None,
        whole=root if rest and dialect.lite and not column.static else None,
        has_place=not dialect.lite and any(part.isdecimal() for part in rest),
        dialect=dialect,
    )


def _test(test: KeyTest, operand: _Operand) -> tuple[Bounds, Bounds]:
    """What says that a test holds of a value, and what says that it does not."""
    value = test.value
    if test.operator == "$exists":
        return _existing(operand)
    if test.operator == "$in":
        return _one_of(operand, value)
    if test.operator == "$eq":
        return _one_of(operand, [value])
    if test.operator == "$like":
        return _like(operand, value)
    if test.operator == "$contains":
        return _containing(operand, value)
    return _ordered(operand, test.operator, value)


def _existing(operand: _Operand) -> tuple[Bounds, Bounds]:
    path = operand.path
    if operand.kept or operand.dialect.lite:
        never = Bounds.exactly(f"not ({operand.exists})")
        return Bounds.exactly(operand.exists), never
    # None is there for an old server. It is none of these, as lists and dicts are.
    something = f'({path} >= "") or ({path} > -1.7976931348623157e+308) or ({path} in [true, false])'
    return Bounds(something, operand.exists), Bounds(f"not ({operand.exists})", f"not ({something})")


def _one_of(operand: _Operand, values: Sequence[Any]) -> tuple[Bounds, Bounds]:
    if not values:
        return Bounds.exactly(f"({operand.exists}) and (not ({operand.exists}))"), Bounds.exactly(
            f"({operand.exists}) or (not ({operand.exists}))"
        )
    texts = [value for value in values if isinstance(value, str)]
    truths = [value for value in values if isinstance(value, bool)]
    numbers = [value for value in values if not isinstance(value, str | bool)]
    plain = [number for number in numbers if operand.kept or not _is_wide(number)]
    # Compared as floats they may match others too, but are never missed.
    wide = [number for number in numbers if not operand.kept and _is_wide(number)]
    if operand.loose:
        # There 1 is true.
        alike, plain = [number for number in plain if number in (0, 1)], [n for n in plain if n not in (0, 1)]
        unsure_groups = [truths, alike, *_by_type(wide)]
        sure_groups = [texts, plain]
    else:
        unsure_groups = _by_type(wide)
        sure_groups = [texts, plain, truths]
    if operand.loose and any(len(group) > _MOST_COMPARED and not operand.takes_in for group in sure_groups):
        # One comparison a value and row would take minutes; that a row has the key is known at once.
        return Bounds(None, operand.exists), Bounds(None, None)
    sure = [part for group in sure_groups for part in _among(operand, group)]
    unsure = [part for group in unsure_groups for part in _among(operand, group)]
    found = Bounds(_joined("or", sure), _joined("or", [*sure, *unsure]))
    return found, Bounds(f"not ({found.possible})", f"not ({found.certain})" if sure else None)


def _is_wide(number: float) -> bool:
    return _WIDE <= abs(number) <= _WIDEST


def _by_type(numbers: Sequence[float]) -> list[list[float]]:
    return [[number for number in numbers if isinstance(number, kind)] for kind in (int, float)]


def _among(operand: _Operand, values: Sequence[Any]) -> list[str]:
    """Expressions for values of one kind."""
    if not operand.kept and any(isinstance(value, float) for value in values):
        # A list has one type.
        values = [float(value) for value in values]
    if len(values) > 1 and (operand.kept or not operand.dialect.lite):
        return [f"{operand.path} in {quote(values)}"]
    if len(values) >= _LEAST_FOR_IN and operand.takes_in:
        return [f"{operand.name} in {quote(values)}"]
    return [f"{operand.path} == {quote(value)}" for value in values]


def _neighbours(number: float) -> tuple[float, float]:
    """Numbers so far below and above that floats tell them from it."""
    near = float(number)
    return math.nextafter(math.nextafter(near, -math.inf), -math.inf), math.nextafter(
        math.nextafter(near, math.inf), math.inf
    )


def _ordered(operand: _Operand, operator: str, value: Any) -> tuple[Bounds, Bounds]:
    path, sign, opposite = operand.path, ORDERS[operator], _OPPOSITE[operator]
    plain = f"{path} {sign} {quote(value)}"
    if isinstance(value, str):
        no_text = f"(not ({operand.is_text})) or ({path} {opposite} {quote(value)})"
        return Bounds.exactly(plain), Bounds.exactly(no_text if operand.loose else f"not ({plain})")
    sure, possible, surely_not = plain, plain, f"{path} {opposite} {quote(value)}"
    if _is_wide(value) and not operand.kept:
        low, high = _neighbours(value)
        near, far = (low, high) if sign.startswith(">") else (high, low)
        possible, sure = f"{path} {sign[0]}= {quote(near)}", f"{path} {sign[0]} {quote(far)}"
        surely_not = f"{path} {opposite[0]} {quote(near)}"
    if not operand.loose:
        return Bounds(sure, possible), Bounds(f"not ({possible})", f"not ({sure})")
    if any(_holds(truth, operator, value) for truth in (0, 1)):
        sure = f"({sure}) and ({path} != 0) and ({path} != 1)"
    # Of lists and dicts, neither is true.
    return Bounds(sure, possible), Bounds(f"({operand.is_text}) or ({surely_not})", None)


def _holds(number: int, operator: str, value: float) -> bool:
    return {"$gt": number > value, "$gte": number >= value, "$lt": number < value, "$lte": number <= value}[operator]


def _like(operand: _Operand, pattern: str) -> tuple[Bounds, Bounds]:
    parts = list(pattern_parts(pattern))
    if not any(wild for _, wild in parts):
        return _one_of(operand, ["".join(character for character, _ in parts)])
    # As far as every Milvus reads it alike.
    length = next(i for i, (character, wild) in enumerate(parts) if wild or character in "%_\\")
    prefix = "".join(character for character, _ in parts[:length])
    expression = f"{operand.path} like {quote(f'{prefix}%')}"
    if parts[length:] == [("%", True)]:
        return Bounds.exactly(expression), Bounds.exactly(f"not ({expression})")
    return Bounds(None, expression), Bounds(f"not ({expression})", None)


def _containing(operand: _Operand, value: Any) -> tuple[Bounds, Bounds]:
    number = not isinstance(value, str | bool)
    unknown = Bounds(None, operand.exists), Bounds(None, None)
    if number and not operand.kept:
        if abs(value) >= _WIDE:
            return unknown
        # A server finds 1.0 by 1.0 only, and 1 by both.
        value = float(value)
    if not operand.dialect.lite:
        expression = f"json_contains({operand.path}, {quote(value)})"
        return Bounds.exactly(expression), Bounds.exactly(f"not ({expression})")
    if operand.name is None:
        return unknown
    # The function for one value takes no negative number.
    expression = f"json_contains_any({operand.name}, [{quote(value)}])"
    if not operand.kept:
        # Text that is JSON is read.
        positive = f"({expression}) and (not ({operand.is_text}))"
        negative = f"(not ({expression})) or ({operand.is_text})"
    else:
        positive, negative = expression, f"not ({expression})"
    if isinstance(value, bool) or (number and value in (0, 1)):
        return Bounds(None, positive), Bounds(negative, None)
    return Bounds.exactly(positive), Bounds.exactly(negative)
