"""Rows that a sync leaves behind: what has to go when everything new is stored."""

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable
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
    """What to do with rows when everything new is stored.

    Attributes:
        replaced: Ids of rows to delete, of sources that were read, and have other chunks now.
        gone: Ids of rows to delete, of sources that are gone.
        gone_sources: Names of these.
        kept: Ids of rows that stay, and have these loaders from now on.
        claimed: How many of them this loader did not have before.
        namesakes: Names of sources that were read, of which there are rows from elsewhere too; those stay.
        moved: Other loaders that this one is taken for, with the sources that are gone because of it.
    """

    replaced: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_sources: set[str] = field(default_factory=set)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    claimed: int = 0
    namesakes: set[str] = field(default_factory=set)
    moved: dict[str, set[str]] = field(default_factory=dict)

    def drop(self, place: RowPlace, read: Collection[str], *, prune: bool) -> bool:
        """Take a row that no loader has any more, unless it is to stay although its source is gone."""
        if place.source is None or (place.source not in read and not prune):
            return False
        if place.source in read:
            self.replaced.append(place.row_id)
        else:
            self.gone.append(place.row_id)
            self.gone_sources.add(place.source)
            for name in self.moved.keys() & set(place.roots):
                self.moved[name].add(place.source)
        return True

    def sort_out(self, place: RowPlace, *, root: str, is_live: bool, read: Collection[str], prune: bool) -> None:
        """Take a row that other loaders have."""
        others = tuple(name for name in place.roots if name != root and name not in self.moved)
        if is_live:
            self.claimed += root not in place.roots
            self._keep(place, (*others, root))
        elif len(others) == len(place.roots):
            # Not this loader's.
            self._note_namesake(place, read)
        elif others and (place.source in read or prune):
            self._note_namesake(place, read)
            self._keep(place, others)
        elif others or not self.drop(place, read, prune=prune):
            self._keep(place, (*others, root))

    def _keep(self, place: RowPlace, roots: tuple[str, ...]) -> None:
        if set(roots) != set(place.roots):
            self.kept[place.row_id] = roots

    def _note_namesake(self, place: RowPlace, read: Collection[str]) -> None:
        if place.source is not None and place.source in read:
            self.namesakes.add(place.source)

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
    covers: Callable[[str], bool],
    prune: bool,
    may_have_moved: Callable[[str], bool],
) -> Leftovers:
    """Sort out the rows of a collection.

    A row is deleted when no loader has it any more. One that others have too only loses this loader's name.

    Args:
        places: All rows.
        live: Ids of the chunks as they are now.
        root: Names the loader.
        read: Sources that it gave.
        failed: Sources that could not be read, or not embedded as a whole: they keep what they have.
        covers: Whether a source would be given by the loader, were it there.
        prune: Whether sources that are gone are to go.
        may_have_moved: Whether what another loader loads may be what this one does, at another place.
    """
    left = Leftovers()
    same: Counter[str] = Counter()
    other: Counter[str] = Counter()
    shared: list[RowPlace] = []
    for place in places:
        row_id, source, roots = place
        if source is None:
            continue
        if row_id in live:
            same.update(roots)
            if roots != (root,):
                shared.append(place)
        elif source not in failed and (source in read or covers(source)):
            other.update(roots)
            if roots == (root,):
                left.drop(place, read, prune=prune)
            else:
                shared.append(place)
    # A folder that was moved is known by what is the same, at least half of it, and by not being where it was.
    # Otherwise it is another folder that has files of the same names.
    found = {name for name in same if name != root and same[name] >= other[name] and may_have_moved(name)}
    left.moved = {name: set() for name in sorted(found)}
    for place in shared:
        left.sort_out(place, root=root, is_live=place.row_id in live, read=read, prune=prune)
    return left


def why_nothing_is_pruned(*, is_known: bool, unreadable: bool) -> list[str]:
    """What to tell a user whose sources stay although they may be gone.

    Args:
        is_known: Whether it is known what the loader would give.
        unreadable: Whether there was something that it could not read.
    """
    if unreadable:
        return ["Nothing was pruned, since not all files could be read."]
    if not is_known:
        return ["Nothing was pruned: the loader gave nothing, or tells by no 'root' or 'path' what it loads."]
    return []


def examples(names: Collection[str]) -> str:
    """Some of many names."""
    return ", ".join(sorted(names)[:_EXAMPLES]) + (", …" if len(names) > _EXAMPLES else "")
