"""Rows that a sync leaves behind: what has to go when everything new is stored."""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .ledger import OwnedRow

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RowIds:
    """A set of row ids that takes eight bytes an id, and the ids themselves nowhere."""

    def __init__(self) -> None:
        self._numbers = array("Q")
        self._sorted: NDArray[np.uint64] | None = None

    def add(self, row_id: str) -> None:
        """Take an id, a digest in hexadecimal digits."""
        self._numbers.append(int(row_id[:16], 16))
        self._sorted = None

    def __contains__(self, row_id: str) -> bool:
        ids = self._sorted
        if ids is None:
            ids = self._sorted = np.sort(np.array(self._numbers, dtype=np.uint64))
        try:
            number = np.uint64(int(row_id[:16], 16))
        except ValueError:
            # Not an id of ours.
            return False
        place = int(np.searchsorted(ids, number))
        return place < len(ids) and bool(ids[place] == number)


@dataclass
class Leftovers:
    """What to do with rows when everything new is stored.

    Attributes:
        replaced: Ids of rows to delete, of sources that were read, and have other chunks now.
        gone: Ids of rows to delete, of sources that are gone.
        gone_sources: Names of these.
        kept: Ids of rows that stay, and have these loaders from now on.
        claimed: How many of them this loader did not have before.
        namesakes: Names of sources that were read, of which there are rows from elsewhere too; those stay.
        relocated: Other roots that this one is taken for at another place, with the sources that went because of it.
    """

    replaced: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_sources: set[str] = field(default_factory=set)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    claimed: int = 0
    namesakes: set[str] = field(default_factory=set)
    relocated: dict[str, set[str]] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.replaced or self.gone or self.kept)

    def drop(self, row: OwnedRow, read: Collection[str], *, prune: bool) -> bool:
        """Take a row that no loader has any more, unless it is to stay although its source is gone."""
        if row.source is None or (row.source not in read and not prune):
            return False
        if row.source in read:
            self.replaced.append(row.row_id)
        else:
            self.gone.append(row.row_id)
            self.gone_sources.add(row.source)
            for name in self.relocated.keys() & set(row.roots):
                self.relocated[name].add(row.source)
        return True

    def sort_out(self, row: OwnedRow, *, root: str, is_live: bool, read: Collection[str], prune: bool) -> None:
        """Take a row that other loaders have."""
        others = tuple(name for name in row.roots if name != root and name not in self.relocated)
        if is_live:
            self.claimed += root not in row.roots
            self._keep(row, (*others, root))
        elif len(others) == len(row.roots):
            # Not this loader's.
            self._note_namesake(row, read)
        elif others and (row.source in read or prune):
            self._note_namesake(row, read)
            self._keep(row, others)
        elif others or not self.drop(row, read, prune=prune):
            self._keep(row, (*others, root))

    def _keep(self, row: OwnedRow, roots: tuple[str, ...]) -> None:
        if set(roots) != set(row.roots):
            self.kept[row.row_id] = roots

    def _note_namesake(self, row: OwnedRow, read: Collection[str]) -> None:
        if row.source is not None and row.source in read:
            self.namesakes.add(row.source)


def find_leftovers(
    rows: Iterable[OwnedRow],
    *,
    live: RowIds,
    root: str,
    read: Collection[str],
    failed: Collection[str],
    covers: Callable[[str], bool],
    prune: bool,
    may_be_relocated: Callable[[str], bool],
) -> Leftovers:
    """Sort out the rows of a collection.

    A row is deleted when no loader has it any more. One that others have too only loses this loader's name.

    Args:
        rows: All of them.
        live: Ids of the chunks as they are now.
        root: Names the loader.
        read: Sources that it gave.
        failed: Sources that could not be read, or not embedded as a whole: they keep what they have.
        covers: Whether a source would be given by the loader, were it there.
        prune: Whether sources that are gone are to go.
        may_be_relocated: Whether what another root names may be what this one does, at another row.
    """
    left = Leftovers()
    same: Counter[str] = Counter()
    other: Counter[str] = Counter()
    shared: list[OwnedRow] = []
    for row in rows:
        row_id, source, roots = row
        if source is None:
            continue
        if row_id in live:
            same.update(roots)
            if roots != (root,):
                shared.append(row)
        elif source not in failed and (source in read or covers(source)):
            other.update(roots)
            if roots == (root,):
                left.drop(row, read, prune=prune)
            else:
                shared.append(row)
    # A folder that was moved is known by what is the same, at least half of it, and by not being where it was.
    # Otherwise it is another folder that has files of the same names.
    found = {name for name in same if name != root and same[name] >= other[name] and may_be_relocated(name)}
    left.relocated = {name: set() for name in sorted(found)}
    for row in shared:
        left.sort_out(row, root=root, is_live=row.row_id in live, read=read, prune=prune)
    return left
