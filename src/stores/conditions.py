"""A filter for one collection: what Milvus is asked, and what is looked at here because Milvus cannot tell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..chunk_keys import DYNAMIC_KEY
from ..errors import FilterError
from .collection_rows import MAX_HITS, CollectionRows, Row
from .filter_expressions import to_bounds
from .filters import Column, matcher, read_filter
from .layout import Layout

# How many times as many are asked for when too few of what was found match.
_GROWTH = 4
# Half of the 64 MiB that Milvus takes in a message.
_MOST_BYTES = 32 * 2**20


class Condition(NamedTuple):
    """A filter as it is asked.

    Attributes:
        expression: What all matching rows satisfy; empty for all rows.
        certain: What only matching rows satisfy; None where nothing tells.
        matches: Whether a row matches that satisfies the expression; None where each of them does.
    """

    expression: str = ""
    certain: str | None = None
    matches: Callable[[Mapping[str, Any]], bool] | None = None


def to_condition(
    filter: Mapping[str, Any] | str | None,
    column_of: Callable[[str], Column],
    *,
    lite: bool,
    use_in: bool = True,
) -> Condition:
    """Prepare a filter, see `filters`, for a collection.

    Args:
        filter: The filter; None or an empty one for all rows.
        column_of: Where the collection keeps a metadata key.
        lite: Whether it is on Milvus Lite.
        use_in: See `to_bounds`.

    Raises:
        FilterError: It cannot be understood, or is more than Milvus takes.
    """
    if filter is None or filter in ("", {}):
        return Condition()
    node = read_filter(filter)
    bounds = to_bounds(node, column_of, lite=lite, use_in=use_in)
    size = len((bounds.possible or "").encode())
    if size > _MOST_BYTES:
        raise FilterError(
            f"The filter has {size:,} bytes as an expression, and Milvus takes {_MOST_BYTES:,}. Use fewer or shorter "
            f"values, or ask in several parts."
        )
    if bounds.exact:
        return Condition(bounds.possible or "")
    return Condition(bounds.possible or "", bounds.certain, matcher(node, column_of))


def count(rows: CollectionRows, condition: Condition) -> int:
    """Number of rows that match."""
    if condition.matches is None:
        return rows.count(condition.expression)
    if condition.certain is not None and not rows.on_lite:
        found = rows.count(condition.expression)
        if rows.count(condition.certain) == found:
            return found
    return sum(len(batch) for batch in iterate(rows, condition, [rows.layout.primary_field]))


def iterate(rows: CollectionRows, condition: Condition, fields: Sequence[str] | None = None) -> Iterator[list[Row]]:
    """All rows that match, some at a time."""
    matches = condition.matches
    for batch in rows.iterate(condition.expression, _with_metadata(rows.layout, condition, fields)):
        yield batch if matches is None else [row for row in batch if matches(row)]


def find(rows: CollectionRows, condition: Condition, limit: int) -> list[Row]:
    """Rows that match, in no order, at most `limit` of them."""
    matches = condition.matches
    if matches is None:
        return rows.find(condition.expression, limit)
    asked = limit
    while asked <= MAX_HITS:
        found = rows.find(condition.expression, asked)
        kept = [row for row in found if matches(row)]
        if len(kept) >= limit or len(found) < asked:
            return kept[:limit]
        asked *= _GROWTH
    kept = []
    for batch in iterate(rows, condition):
        kept += batch
        if len(kept) >= limit:
            break
    return kept[:limit]


def search(
    rows: CollectionRows, condition: Condition, field: str, query: Any, k: int, fields: Sequence[str]
) -> list[tuple[Row, float]]:
    """The best `k` rows that match, with their scores; see `CollectionRows.search`."""
    matches = condition.matches
    if matches is None:
        return rows.search(field, query, k, condition.expression, fields)
    fields = _with_metadata(rows.layout, condition, fields) or []
    asked = k
    while True:
        found = rows.search(field, query, asked, condition.expression, fields)
        kept = [(row, score) for row, score in found if matches(row)]
        if len(kept) >= k or len(found) < asked or asked >= MAX_HITS:
            return kept[:k]
        asked = min(asked * _GROWTH, MAX_HITS)


def delete(rows: CollectionRows, condition: Condition) -> None:
    """Delete the rows that match."""
    if condition.matches is None:
        rows.delete_where(condition.expression)
        return
    key = rows.layout.primary_field
    for ids in [[str(row[key]) for row in batch] for batch in iterate(rows, condition, [key])]:
        rows.delete(ids)


def _with_metadata(layout: Layout, condition: Condition, fields: Sequence[str] | None) -> Sequence[str] | None:
    """Fields to ask for, so that a row can be looked at."""
    if condition.matches is None or fields is None:
        return fields
    kept = [DYNAMIC_KEY, *sorted(layout.metadata_fields)] if layout.ours else layout.document_fields
    return list(dict.fromkeys([*fields, *kept]))
