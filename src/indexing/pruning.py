"""Rows that a sync leaves behind: what has to go when everything new is stored."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from .ledger import OwnedRow
from .scope import Fate, Scope

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
        kept: Ids of rows that stay, and have these roots from now on.
        claimed: How many of them this root did not have before.
        namesakes: Names of sources that were read, of which there are rows from elsewhere too; those stay.
        undecided: Names of sources that were not given, and of which it is not known that they are gone, with why.
        relocated: Other roots that this one is taken for at another place, with the sources that went because of it.
        remaining: Other roots that rows have after this.
    """

    replaced: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    gone_sources: set[str] = field(default_factory=set)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    claimed: int = 0
    namesakes: set[str] = field(default_factory=set)
    undecided: dict[str, Fate] = field(default_factory=dict)
    relocated: dict[str, set[str]] = field(default_factory=dict)
    remaining: set[str] = field(default_factory=set, compare=False)

    @property
    def any(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.replaced or self.gone or self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a run was given.

    Attributes:
        live: Ids of the chunks as they are now.
        read: Sources that the loader gave.
        known: Those of them whose rows are as they are recorded, and of which no chunk was made.
        failed: Sources that could not be read, or not embedded as a whole: they keep what they have.
        prune: Whether sources that are gone are to go.
        gave_any: Whether the loader gave anything at all, be it of another shard.
    """

    live: RowIds
    read: Collection[str]
    failed: Collection[str]
    prune: bool
    gave_any: bool = True
    known: Collection[str] = ()

    def has(self, row: OwnedRow, root: str) -> bool:
        """Whether a row is of a chunk as it is now."""
        return row.row_id in self.live or (row.source in self.known and root in row.roots)


def find_leftovers(
    rows: Iterable[OwnedRow],
    given: Given,
    scope: Scope,
    *,
    may_be_relocated: Callable[[str], bool] = lambda _: False,
    are_alike: Callable[[str, Collection[str]], bool] = lambda *_: False,
) -> Leftovers:
    """Sort out the rows of a collection.

    A row is deleted when no root has it any more. One that others have too only loses this one's name.

    Args:
        rows: All of them.
        given: What the loader gave.
        scope: What it covers.
        may_be_relocated: Whether what another root names may be what this one does, at another place.
        are_alike: Whether the texts of another root, in sources that both have, are mostly this one's.
    """
    left = Leftovers()
    same: Counter[str] = Counter()
    other: Counter[str] = Counter()
    names: defaultdict[str, set[str]] = defaultdict(set)
    concerned: list[OwnedRow] = []
    for row in rows:
        _, source, roots = row
        if source is None:
            continue
        is_live = given.has(row, scope.root)
        if is_live:
            same.update(roots)
        elif source not in given.failed and (source in given.read or scope.covers(source)):
            other.update(roots)
        elif not any(name in scope.inside for name in roots):
            left.remaining.update(roots)
            continue
        if roots != (scope.root,) or not is_live:
            concerned.append(row)
        for name in roots:
            names[name].add(source)
    left.relocated = {
        name: set()
        for name in sorted(names.keys() - {scope.root} - scope.inside.keys())
        if name in scope.former
        or (
            may_be_relocated(name)
            # Known by half of its chunks, or, where it was cut otherwise before, by half of its words.
            and ((name in same and same[name] >= other[name]) or _is_alike(name, names[name], given.read, are_alike))
        )
    }
    for row in concerned:
        _sort_out(row, left, given, scope)
    left.remaining.discard(scope.root)
    return left


def _is_alike(
    name: str, sources: Collection[str], read: Collection[str], are_alike: Callable[[str, Collection[str]], bool]
) -> bool:
    both = [source for source in sources if source in read]
    return 2 * len(both) >= len(sources) and are_alike(name, both)


def _sort_out(row: OwnedRow, left: Leftovers, given: Given, scope: Scope) -> None:
    source = row.source or ""
    is_live = given.has(row, scope.root)
    roots: list[str] = []
    was_read = False
    for name in row.roots:
        if name in scope.inside:
            # Its file has another name here.
            full, stays_as = scope.inside[name] + source, name
        elif name == scope.root or name in left.relocated:
            full, stays_as = source, scope.root
        else:
            roots.append(name)
            continue
        if is_live and stays_as == scope.root:
            continue
        if full in given.read and full not in given.failed:
            was_read = True
        elif not _is_gone(full, left, given, scope):
            roots.append(stays_as)
    if is_live:
        left.claimed += scope.root not in row.roots
        roots.append(scope.root)
    elif source in given.read and (set(roots) - {scope.root} or not row.roots):
        left.namesakes.add(source)
    kept = tuple(dict.fromkeys(roots))
    left.remaining.update(kept)
    if kept:
        if set(kept) != set(row.roots):
            left.kept[row.row_id] = kept
    elif was_read:
        left.replaced.append(row.row_id)
    elif row.roots:
        left.gone.append(row.row_id)
        left.gone_sources.add(source)
        for name in left.relocated.keys() & set(row.roots):
            left.relocated[name].add(source)


def _is_gone(source: str, left: Leftovers, given: Given, scope: Scope) -> bool:
    if not given.prune or source in given.failed:
        return False
    fate = scope.fate(source, gave_any=given.gave_any)
    if fate in (Fate.THERE, Fate.UNKNOWN):
        left.undecided[source] = fate
    return fate is Fate.GONE
