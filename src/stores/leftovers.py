"""Rows that a sync leaves behind: what has to go when everything new is stored."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .ledger import RowPlace

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EXAMPLES = 3


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
    """Rows to delete, by id.

    Attributes:
        replaced: Of sources that were read, and have other chunks now.
        gone: Of sources that are gone.
        gone_sources: Names of these.
        namesakes: Names of sources that were read, of which there are rows from elsewhere too; those stay.
        moved: Other loaders that this one is taken for, with the sources that are gone because of it.
    """

    replaced: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_sources: set[str] = field(default_factory=set)
    namesakes: set[str] = field(default_factory=set)
    moved: dict[str, set[str]] = field(default_factory=dict)

    def notes(self, place_of: Callable[[str], str | None]) -> list[str]:
        """What a user should know of it.

        Args:
            place_of: Where another loader's files were.
        """
        notes = []
        for root, gone in self.moved.items():
            removed = f"{len(gone)} files that are gone from it were removed: {examples(gone)}." if gone else ""
            notes.append(
                f"Taken for the folder {place_of(root) or root} at another place, since at least half of it is the "
                f"same. {removed or 'No file was removed because of it.'}"
            )
        if self.namesakes:
            notes.append(
                f"{len(self.namesakes)} sources have names that were indexed from elsewhere too, and both are kept: "
                f"{examples(self.namesakes)}."
            )
        return notes


def find_leftovers(
    places: Iterable[RowPlace],
    *,
    live: RowIds,
    root: str,
    read: Collection[str],
    failed: Collection[str],
    covers: Callable[[str], bool] | None,
    adopted: Mapping[str, int],
    may_have_moved: Callable[[str], bool],
) -> Leftovers:
    """Sort out the rows of a collection.

    Args:
        places: All rows.
        live: Ids of the chunks as they are now.
        root: Names the loader.
        read: Sources that it gave.
        failed: Sources that could not be read, or not embedded as a whole: they keep what they have.
        covers: Whether a source would be given by the loader, were it there; None where nothing is to be pruned.
        adopted: How many rows were found under another loader's name, by that name.
        may_have_moved: Whether what another loader loads may be what this one does, at another place.
    """
    left = Leftovers()
    elsewhere: dict[str | None, Leftovers] = defaultdict(Leftovers)
    for row_id, source, row_root in places:
        if source is None or source in failed or row_id in live:
            continue
        part = left if row_root == root else elsewhere[row_root]
        if source in read:
            part.replaced.append(row_id)
            part.namesakes.add(source)
        elif covers is not None and covers(source):
            part.gone.append(row_id)
            part.gone_sources.add(source)
    left.namesakes.clear()
    for other, count in adopted.items():
        # A folder that was moved is known by what is the same, at least half of it, and by not being where it was.
        # Otherwise it is another folder that has files of the same names.
        part = elsewhere[other]
        if count >= max(1, len(part.replaced) + len(part.gone)) and may_have_moved(other):
            left.moved[other] = part.gone_sources
    for other_root, part in elsewhere.items():
        if other_root in left.moved:
            left.replaced += part.replaced
            left.gone += part.gone
            left.gone_sources |= part.gone_sources
        else:
            left.namesakes |= part.namesakes
    return left


def examples(names: Collection[str]) -> str:
    """Some of many names."""
    return ", ".join(sorted(names)[:_EXAMPLES]) + (", …" if len(names) > _EXAMPLES else "")
