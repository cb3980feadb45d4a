"""What a run covers, decided once at its start: by which name its rows are known, how its files are named, what is its.

The rules, and why, are in docs/architecture.md under "What a run covers".
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath

from ..errors import InputError
from .identity import LoaderIdentity
from .known_roots import KnownRoot, key_of
from .loader_traits import REMOTE, item_digest

_SCOPE = "scope:"
# So much of two lists must be in both for one to be the other, grown or shrunk.
_HALF = 0.5


class Fate(Enum):
    """What becomes of a source that is stored, and that a loader did not give."""

    NOT_OURS = "the loader would not give it"
    GONE = "it is gone"
    THERE = "its file is there"
    UNKNOWN = "it may have failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What one run covers.

    Attributes:
        root: The name that its rows have.
        identity: What the loader says of itself.
        prefix: Put before the loader's names: it loads a part of a folder that is known as a whole.
        base: Folder that the prefixed names are relative to; None where they are not.
        whole: What is known of the root, where the loader loads only a part of it.
        former: Roots that are this one by another name.
        inside: Roots of folders and files inside this one, with what goes before their names.
        known: All roots of the collection.
        is_own: Whether a user named it.
    """

    root: str
    identity: LoaderIdentity
    prefix: str = ""
    base: str | None = None
    whole: KnownRoot | None = None
    former: frozenset[str] = frozenset()
    inside: Mapping[str, str] = field(default_factory=dict)
    known: Sequence[KnownRoot] = ()
    is_own: bool = False

    @property
    def is_new(self) -> bool:
        """Whether the collection did not know the root."""
        return not any(known.is_called(self.root) for known in self.known)

    @property
    def entry(self) -> KnownRoot:
        """What the collection is to remember of it."""
        if self.whole is not None:
            return self.whole
        identity = self.identity
        return KnownRoot(
            key=key_of(self.root),
            root=self.root,
            place=identity.place,
            base=self.base,
            checkout=identity.checkout.name if identity.checkout else None,
            branch=identity.checkout.branch if identity.checkout else None,
            kind=identity.kind,
            address=identity.address,
            items=identity.items,
        )

    def covers(self, source: str | None) -> bool:
        """Whether the loader would give a source; one that does not say is taken to give all of its root's."""
        if source is None or not source.startswith(self.prefix):
            return False
        return self.identity.gives(source.removeprefix(self.prefix))

    def leaves_out(self, source: str) -> bool:
        """Whether a source's file is below the folder that is loaded, and is not chosen."""
        if self.identity.shard is not None or not source.startswith(self.prefix) or self.covers(source):
            return False
        return _is_folder(self.identity.place or "") and self._exists(source) is True

    @property
    def other_place(self) -> str | None:
        """Where else what the user calls by this name was, and still is something."""
        known = next((known for known in self.known if known.is_called(self.root)), None) if self.is_own else None
        if known is None or known.place in (None, REMOTE) or _is_gone(known.place):
            return None
        return None if _is_same(known.place, self.identity.place) else known.place

    def fate(self, source: str, *, gave_any: bool) -> Fate:
        """What becomes of a source of this root that the loader did not give.

        Args:
            source: Its name, prefixed.
            gave_any: Whether the loader gave anything.
        """
        if not self.covers(source):
            return Fate.NOT_OURS
        exists = self._exists(source)
        if exists:
            return Fate.THERE
        identity = self.identity
        if identity.own_coverage is not None:
            return Fate.GONE
        if not gave_any or not (identity.is_known or self.is_own):
            return Fate.UNKNOWN
        if identity.items is not None and not self.is_own:
            return Fate.UNKNOWN if item_digest(source) in identity.items else Fate.GONE
        return Fate.GONE if exists is False or not identity.swallows else Fate.UNKNOWN

    def _exists(self, source: str) -> bool | None:
        """Whether a source's file is there; None where it is no file that could be looked at."""
        if self.base is not None:
            return os.path.lexists(os.path.join(self.base, source))  # noqa: PTH118 - what is no path is no file either
        if self.identity.own_coverage is not None or REMOTE in source or self.identity.place in (None, REMOTE):
            return None
        try:
            return os.path.lexists(source)
        except ValueError:
            return None

    def may_be_relocated(self, root: str) -> bool:
        """Whether what another root names may be what this one does, if their texts are alike."""
        known = next((known for known in self.known if known.is_called(root)), None)
        if known is None or known.place is None:
            # What was at a place that is not known may have gone.
            return True
        if known.kind is not None and self._is_sibling(known):
            return True
        return known.place != REMOTE and (_is_gone(known.place) or _is_same(known.place, self.identity.place))

    @property
    def may_be_another(self) -> bool:
        """Whether this may be a root that is known by another name, so that their texts are to be compared."""
        return self.is_new and any(
            known.place not in (None, REMOTE) and not known.is_called(self.root) and _is_gone(known.place)
            for known in self.known
        )

    def _is_sibling(self, known: KnownRoot) -> bool:
        """Whether it is of the same loader at the same place, which chose by something else."""
        mine = self.identity
        is_same_class = (known.kind or "").partition(":")[0] == mine.kind.partition(":")[0]
        if not is_same_class:
            return False
        if mine.items is not None:
            return known.items is not None and known.items <= mine.items
        return mine.address is not None and known.address == mine.address


def resolve(identity: LoaderIdentity, known: Sequence[KnownRoot], name: str | None = None) -> Scope:
    """Find out under which name a collection knows what a loader loads. Looks at files, and reads none.

    Args:
        identity: What the loader says of itself.
        known: The roots of the collection.
        name: What the user calls it.

    Raises:
        InputError: The name is empty.
    """
    if name is not None:
        return _named(identity, known, name)
    if identity.base is not None and identity.place is not None:
        return _local(identity, known)
    if identity.is_named:
        return _scope(identity.name, identity, known)
    return _scope(_foreign(identity, known), identity, known)


def _scope(root: str, identity: LoaderIdentity, known: Sequence[KnownRoot]) -> Scope:
    return Scope(root=root, identity=identity, base=identity.base, known=known)


def _named(identity: LoaderIdentity, known: Sequence[KnownRoot], name: str) -> Scope:
    if not name.strip():
        raise InputError("The scope has an empty name. Give it one that stays the same in every run, e.g. 'handbook'.")
    root = _SCOPE + name
    unnamed = resolve(identity, [entry for entry in known if not (entry.root or "").startswith(_SCOPE)])
    # What was at this place before it had a name is the same thing.
    former = {unnamed.root} if not unnamed.prefix and not unnamed.is_new and unnamed.root != root else set()
    return Scope(
        root=root,
        identity=identity,
        base=identity.base,
        former=frozenset(former),
        inside={key: prefix for key, prefix in unnamed.inside.items() if key != root},
        known=known,
        is_own=True,
    )


def _local(identity: LoaderIdentity, known: Sequence[KnownRoot]) -> Scope:
    """Of a local folder or file: the widest known folder that it is in, here or in the checkout before."""
    place, base = identity.place or "", identity.base or ""
    around = [entry for entry in known if _base_of(entry) is not None and _holds(entry, place)]
    if around:
        whole = min(around, key=lambda entry: len(os.path.realpath(entry.place or "")))
        root, folder = whole.root or _default_root(whole.place or ""), _base_of(whole) or ""
        is_part = not _is_same(whole.place, place)
        return _local_scope(
            root, identity, known, base=folder, whole=replace(whole, root=root, base=folder) if is_part else None
        )
    for entry in sorted(known, key=lambda entry: len(entry.checkout or "")):
        steps = identity.checkout.steps_up_to(entry.checkout) if identity.checkout and entry.checkout else None
        if steps is None or entry.root is None or not _is_next_checkout(entry, identity):
            continue
        if not steps:
            return _local_scope(entry.root, identity, known, base=base)
        if entry.place != entry.base:
            # A file, which nothing is in.
            continue
        there = str(Path(os.path.realpath(place)).parents[steps - 1])
        return _local_scope(entry.root, identity, known, base=there, whole=replace(entry, place=there, base=there))
    root = identity.name
    while any(entry.is_called(root) and not _is_same(entry.place, place) for entry in known):
        # Another place had this name first, and has moved on with it.
        root = key_of(root)
    return _local_scope(root, identity, known, base=base)


def _local_scope(
    root: str, identity: LoaderIdentity, known: Sequence[KnownRoot], *, base: str, whole: KnownRoot | None = None
) -> Scope:
    place = identity.place or ""
    inside: dict[str, str] = {}
    for entry in known:
        folder = _base_of(entry)
        if folder is None or entry.is_called(root) or (entry.root or "").startswith(_SCOPE):
            continue
        if _is_inside(entry.place or "", place) or _is_same(entry.place, place):
            inside[entry.root or _default_root(entry.place or "")] = _prefix(folder, base)
            continue
        down = identity.checkout.path_down_to(entry.checkout) if identity.checkout and entry.checkout else None
        if down is not None and entry.root is not None and _is_next_checkout(entry, identity):
            # It was indexed from the checkout before.
            below = down if entry.place == entry.base else PurePosixPath(down).parent.as_posix()
            inside[entry.root] = _prefix(os.path.join(place, below), base)  # noqa: PTH118 - as it is called here
    return Scope(
        root=root,
        identity=identity,
        prefix=_prefix(identity.base or "", base),
        base=base,
        whole=whole,
        inside=inside,
        known=known,
    )


def _foreign(identity: LoaderIdentity, known: Sequence[KnownRoot]) -> str:
    """Of a loader of another package: what is known by the same class, choice and place, or much of the same list."""
    for entry in known:
        if entry.root and entry.kind == identity.kind:
            if identity.address is not None and entry.address == identity.address:
                return entry.root
            if identity.items is not None and entry.items and _is_same_list(entry.items, identity.items):
                return entry.root
    former = identity.former_name
    if former and any(entry.is_called(former) and entry.kind is None for entry in known):
        return former
    return identity.name


def _is_same_list(before: frozenset[str], now: frozenset[str]) -> bool:
    """Whether a list is another one that grew or shrank, or had some of it replaced."""
    both = len(before & now)
    return both == min(len(before), len(now)) or both >= _HALF * len(before | now)


def _base_of(entry: KnownRoot) -> str | None:
    """The folder that a known root's names are relative to, also of one that version 0.1 remembered."""
    if entry.base is not None or entry.root is not None:
        return entry.base
    if entry.place in (None, REMOTE) or not entry.is_called(_default_root(entry.place or "")):
        return None
    return entry.place if _is_folder(entry.place or "") else os.path.dirname(entry.place or "")  # noqa: PTH120


def _default_root(place: str) -> str:
    """What `MarkdownLoader` calls a place."""
    return key_of(str(Path(place).resolve()))


def _holds(entry: KnownRoot, place: str) -> bool:
    """Whether a place is that of a known root, by name or through a link, or inside its folder."""
    there = entry.place or ""
    return there == place or _is_same(there, place) or (_is_folder(there) and _is_inside(place, there))


def _is_next_checkout(entry: KnownRoot, identity: LoaderIdentity) -> bool:
    """Whether this checkout follows the one that is known: that is gone, or both are of one branch."""
    branch = identity.checkout.branch if identity.checkout else None
    return _is_gone(entry.place or "") or (branch is not None and branch == entry.branch)


def _prefix(base: str, folder: str) -> str:
    """What goes before names that are relative to a base, to have them relative to a folder above it."""
    parts = PurePath(os.path.relpath(os.path.realpath(base), os.path.realpath(folder))).parts
    return "".join(f"{part}/" for part in parts if part != ".")


def _is_inside(place: str, folder: str) -> bool:
    inner, outer = os.path.realpath(place), os.path.realpath(folder)
    return inner != outer and PurePath(inner).is_relative_to(outer)


def _is_folder(place: str) -> bool:
    return os.path.isdir(place)  # noqa: PTH112 - a name that is no path is no folder


def _is_gone(place: str) -> bool:
    """Whether nothing is at a place any more."""
    try:
        Path(place).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        # It may not be looked at, so it is there.
        return False
    return False


def _is_same(place: str | None, other: str | None) -> bool:
    try:
        return place is not None and other is not None and (place == other or Path(place).samefile(other))
    except (OSError, ValueError):
        return False
