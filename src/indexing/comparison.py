"""What is to be done with chunks, by what is stored: a pure function, so that a dry run and a real one decide alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .chunks import Chunk, StoredRow

# A chunk, and what its row should be, see `chunks.row_of`.
Expected = tuple[Chunk, Mapping[str, Any]]


@dataclass(slots=True)
class Comparison:
    """Chunks sorted by what is to be done with them.

    Attributes:
        kept: How many are stored as they are.
        claimed: How many are stored as they are, but only other roots have them.
        moved: Those whose text is stored, and whose metadata changed.
        replaced: Those under whose id there is a row with the vector of another text.
        added: Those that are not stored.
        others: Other roots that have any of the rows.
    """

    kept: int = 0
    claimed: int = 0
    moved: list[Chunk] = field(default_factory=list)
    replaced: list[Chunk] = field(default_factory=list)
    added: list[Chunk] = field(default_factory=list)
    others: set[str] = field(default_factory=set)

    @property
    def rows_found(self) -> int:
        """How many chunks have a row already that stays theirs."""
        return self.kept + self.claimed + len(self.moved)


def compare(
    expected: Sequence[Expected], stored: Mapping[str, StoredRow], *, root: str, has_vectors: bool
) -> Comparison:
    """Compare chunks with the rows under their ids.

    Args:
        expected: Chunks, each with what its row should be.
        stored: Rows by id.
        root: Names what is loaded.
        has_vectors: Whether rows have vectors, which must be of what is embedded of the text now.
    """
    found = Comparison()
    for chunk, as_row in expected:
        row = stored.get(chunk.row_id)
        if row is None:
            found.added.append(chunk)
            continue
        if row.is_just(as_row):
            found.kept += 1
            continue
        if others := tuple(other for other in row.roots if other != root):
            found.others.update(others)
            chunk = replace(chunk, others=others)
        if row.digest != chunk.digest and has_vectors:
            found.replaced.append(chunk)
        elif not row.holds(chunk):
            found.moved.append(chunk)
        elif root in row.roots:
            found.kept += 1
        else:
            # Who has it is written at the end, when it is known which roots are one folder.
            found.claimed += 1
    return found
