"""What a collection knows of the chunks in it: the questions that a sync asks. Nothing is kept here."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..chunk_keys import DIGEST_KEY, DYNAMIC_KEY, RECORD_KEY, ROOT_KEY, SOURCE_KEY, VERSION_KEY
from ..stores.collection_rows import CollectionRows
from ..stores.filters import quote
from ..stores.layout import roots_of
from ..stores.plain_metadata import source_name
from .chunks import StoredRow
from .source_records import SourceRows

Vector = NDArray[np.float32]

# Reads that may be a few seconds behind. A strong one waits for the server's clock, 0.2 to 0.4 s each, so a sync makes
# one at its beginning (`count`), after which none of these misses what was there then.
_SOON = "Bounded"
# Ids in a question for rows without their texts and vectors. With half as many, an unchanged run takes a fifth longer.
LOOKED_UP_AT_ONCE = 1000


class OwnedRow(NamedTuple):
    """A row, and whose it is.

    Attributes:
        row_id: Its id.
        source: File or other source.
        roots: Names of the loaders that have it; none for a row that `sync` did not store.
    """

    row_id: str
    source: str | None
    roots: tuple[str, ...]


class Ledger:
    """Reads rows by id, by text, and all of them."""

    def __init__(self, rows: CollectionRows) -> None:
        self._rows = rows
        self._key = rows.layout.primary_field

    def count(self, expression: str = "") -> int:
        """Number of rows, or of those that an expression matches, all writes before included."""
        return self._rows.count(expression)

    def stored(self, row_ids: Sequence[str]) -> dict[str, StoredRow]:
        """Rows by id."""
        layout = self._rows.layout
        fields = [self._key, DYNAMIC_KEY, *sorted(layout.metadata_fields)]
        rows = self._rows.get(row_ids, fields, _SOON, LOOKED_UP_AT_ONCE)
        return {row[self._key]: StoredRow.of(row, layout) for row in rows}

    def ids_by_digest(self, digests: Sequence[str], *, fresh: bool = False) -> dict[str, str]:
        """A row for each digest that is in the collection, of which the vector can be taken.

        Args:
            digests: Of chunks.
            fresh: Whether rows count that were just stored.
        """
        wanted = list(dict.fromkeys(digests))
        if not wanted:
            return {}
        expression = f"{DIGEST_KEY} in {quote(wanted)}"
        rows = self._rows.find(expression, None, [self._key, DIGEST_KEY], "Strong" if fresh else _SOON)
        return {row[DIGEST_KEY]: row[self._key] for row in rows}

    def vectors(self, row_ids: Sequence[str]) -> dict[str, Vector]:
        """Vectors by id of a row."""
        field = self._rows.layout.vector_field
        if field is None:
            return {}
        wanted = list(dict.fromkeys(row_ids))
        found: dict[str, Vector] = {}
        for level in (_SOON, "Strong"):
            missing = [row_id for row_id in wanted if row_id not in found]
            rows = self._rows.get(missing, [self._key, field], level)
            found |= {row[self._key]: np.asarray(row[field], dtype=np.float32) for row in rows}
        return found

    def owned_rows(self, expression: str = "") -> Iterator[OwnedRow]:
        """Every row of the collection, or every one that an expression matches."""
        source = self._rows.layout.column_of(SOURCE_KEY).name
        # Few tuples are many rows'.
        known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for rows in self._rows.iterate(expression, [self._key, source, ROOT_KEY]):
            for row in rows:
                roots = roots_of(row)
                yield OwnedRow(row[self._key], source_name(row.get(source)), known.setdefault(roots, roots))

    def source_rows(self, expression: str, root: str) -> dict[str, SourceRows]:
        """The rows of a root, summed up by source; all writes before the last `count` included.

        Args:
            expression: Matches its rows, and perhaps others.
            root: Its name.
        """
        source = self._rows.layout.column_of(SOURCE_KEY).name
        fields = [self._key, source, ROOT_KEY, VERSION_KEY, RECORD_KEY]
        found: defaultdict[str, SourceRows] = defaultdict(SourceRows)
        for rows in self._rows.iterate(expression, fields, consistency_level=_SOON):
            for row in rows:
                name, roots = source_name(row.get(source)), roots_of(row)
                if name is not None and root in roots:
                    found[name].add(row[self._key], row, is_shared=len(roots) > 1)
        return dict(found)

    def owned_rows_of(self, sources: Collection[str], expression: str = "") -> Iterator[OwnedRow]:
        """`owned_rows` of some sources."""
        column = self._rows.layout.column_of(SOURCE_KEY).name
        chosen = f"{column} in {quote(list(sources))}"
        return self.owned_rows(f"({expression}) and {chosen}" if expression else chosen)

    def texts_of(self, sources: Collection[str], root: str) -> dict[str, list[str]]:
        """Texts of the chunks that a root has of some sources."""
        layout = self._rows.layout
        column = layout.column_of(SOURCE_KEY).name
        found: dict[str, list[str]] = {}
        for row in self._rows.find(
            f"{column} in {quote(list(sources))}",
            None,
            [self._key, layout.text_field, column, ROOT_KEY],
            "Strong",
        ):
            if root in roots_of(row):
                found.setdefault(row[column], []).append(row[layout.text_field])
        return found


def has_root(root: str) -> str:
    """An expression for the rows of a root, those included that have but one name, as version 0.1 began."""
    return f"(json_contains({ROOT_KEY}, {quote(root)}) or {ROOT_KEY} == {quote(root)})"
