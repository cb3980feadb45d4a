"""The roots that a collection knows: what was synced into it, from where, as its properties remember it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..stores.layout import Layout

_NAME = "root."
# Version 0.1 remembered the place alone, under a digest of the root.
_PLACE = "place."
# Folders that share a collection may be cut differently.
_SPLITTER = "splitter."
# Of a longer list nothing is remembered, so that a property stays small; it is known by all of it only.
_MOST_ITEMS = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRoot:
    """What is remembered of a root.

    Attributes:
        key: Digest of its name.
        root: Its name; None where version 0.1 remembered only the digest.
        place: Where its files were; ``"://"`` of a URL; None where that is not known.
        base: Folder that the names of its sources are relative to; None where they are not.
        checkout: Repository and path in it, see `checkouts`.
        branch: What was checked out, where it was a branch.
        kind: Class of the loader, and digest of what it chooses by.
        address: Digest of where a loader of another package loads from.
        items: Digests of what a list holds.
    """

    key: str
    root: str | None = None
    place: str | None = None
    base: str | None = None
    checkout: str | None = None
    branch: str | None = None
    kind: str | None = None
    address: str | None = None
    items: frozenset[str] | None = None

    def is_called(self, root: str) -> bool:
        """Whether this is its name."""
        return self.key == key_of(root)

    @property
    def as_properties(self) -> dict[str, Any]:
        """What the collection is to remember."""
        facts = {name: value for name, value in asdict(self).items() if value is not None and name != "key"}
        if self.items is not None:
            facts["items"] = sorted(self.items) if len(self.items) <= _MOST_ITEMS else None
        return {_NAME + self.key: facts}


def key_of(root: str) -> str:
    """What a root is filed under: a name may be longer than a property's."""
    return hashlib.sha256(root.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def splitter_property(root: str) -> str:
    """Where the fingerprint of a root's splitter is kept."""
    return _SPLITTER + key_of(root)


def known_roots(layout: Layout | None) -> list[KnownRoot]:
    """All roots that a collection knows."""
    properties: Mapping[str, Any] = layout.properties if layout is not None else {}
    found: dict[str, KnownRoot] = {}
    for name, value in properties.items():
        key = name.removeprefix(_PLACE)
        if name.startswith(_PLACE) and isinstance(value, str):
            found[key] = KnownRoot(key=key, place=value)
    for name, value in properties.items():
        key = name.removeprefix(_NAME)
        if name.startswith(_NAME) and isinstance(value, Mapping):
            facts = {fact: value.get(fact) for fact in KnownRoot.__dataclass_fields__ if fact not in ("key", "items")}
            items = value.get("items")
            found[key] = KnownRoot(key=key, items=frozenset(items) if items is not None else None, **facts)
    return [found[key] for key in sorted(found)]


def forgotten(layout: Layout, roots: Iterable[str]) -> dict[str, None]:
    """Properties that forget roots: not every server can remove a property, so it is there with nothing in it."""
    names = {prefix + key_of(root) for root in roots for prefix in (_NAME, _PLACE, _SPLITTER)}
    return dict.fromkeys(sorted(name for name in names if layout.properties.get(name) is not None))


def remembered_place(layout: Layout | None, root: str) -> str | None:
    """Where a root's files were when it was last synced; None where that is not known."""
    return place_called(known_roots(layout), root)


def place_called(known: Iterable[KnownRoot], root: str) -> str | None:
    """Where the files of a root among some were; None where that is not known."""
    return next((entry.place for entry in known if entry.is_called(root)), None)
