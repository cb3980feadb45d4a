"""Which rows of a collection a run has to look at, as expressions of Milvus."""

from ..chunk_keys import PART_KEY, SOURCE_KEY
from ..source_parts import shard_range
from ..stores.filters import quote
from ..stores.layout import PARTS_PROPERTY, Layout
from .ledger import has_root
from .scope import Scope

# In a pattern, characters that not every Milvus reads alike.
_WILDCARDS = frozenset("%_\\")


def own_rows(scope: Scope, layout: Layout | None) -> str:
    """An expression for the rows that a run would have written; empty where that is all of them."""
    others = [known for known in scope.known if not known.is_called(scope.root)]
    parts = (has_root(scope.root) if others else "", _below(scope, layout), rows_of_part(scope, layout))
    return " and ".join(expression for expression in parts if expression)


def rows_of_part(scope: Scope, layout: Layout | None) -> str:
    """An expression for the part of all rows that a shard is to look at; empty where it must look at all."""
    shard = scope.identity.shard
    if shard is None or scope.prefix or layout is None or not layout.properties.get(PARTS_PROPERTY):
        return ""
    parts = shard_range(*shard)
    return f"{PART_KEY} >= {parts.start} and {PART_KEY} < {parts.stop}"


def _below(scope: Scope, layout: Layout | None) -> str:
    """An expression for the rows of a folder inside the one that is known as a whole."""
    if layout is None or not scope.prefix or _WILDCARDS & set(scope.prefix):
        return ""
    return f"{layout.column_of(SOURCE_KEY).name} like {quote(f'{scope.prefix}%')}"
