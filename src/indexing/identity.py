"""What a loader says of itself before anything is read: who it is, where it loads from, what it would give."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

from langchain_core.document_loaders import BaseLoader

from ..source_parts import is_in_shard
from .checkouts import Checkout, checkout_of
from .loader_protocols import CoveringLoader, LocalLoader, NamedLoader, ShardedLoader
from .loader_traits import (
    address_of,
    former_root,
    item_digest,
    items_of,
    place_of,
    selection_of,
    swallows_errors,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderIdentity:
    """A loader as sync meets it.

    Attributes:
        name: The name that it would have in a new collection.
        former_name: What version 0.1 called it.
        is_named: Whether it names itself.
        place: Where its files are, see `loader_traits.place_of`.
        base: Local folder that the names of its sources are relative to; None where they are not.
        checkout: The checkout that this is in.
        kind: Its class, and a digest of what it chooses by.
        address: Digest of where it loads from; None where it does not tell, or for a list.
        items: Digests of what its list holds.
        swallows: Whether it may leave out what it could not read without a word.
        own_coverage: Its own word on whether it would give a source.
        shard: Which part of the sources it gives, as ``(number, count)``; None for all.
    """

    name: str
    former_name: str | None = None
    is_named: bool = False
    place: str | None = None
    base: str | None = None
    checkout: Checkout | None = None
    kind: str = ""
    address: str | None = None
    items: frozenset[str] | None = None
    swallows: bool = False
    own_coverage: Callable[[str], bool] | None = None
    shard: tuple[int, int] | None = None

    def gives(self, source: str) -> bool:
        """Whether it would give a source, as far as it says; one that says nothing is taken to give all."""
        if not is_in_shard(source, self.shard):
            return False
        return self.own_coverage is None or self.own_coverage(source)

    @property
    def is_known(self) -> bool:
        """Whether it can be told from others of its class."""
        return self.is_named or self.address is not None or self.items is not None


def identify(loader: BaseLoader) -> LoaderIdentity:
    """Ask a loader who it is. Nothing is loaded."""
    own = loader.root if isinstance(loader, NamedLoader) else None
    named = isinstance(own, str) and bool(own)
    covers = loader.covers if isinstance(loader, CoveringLoader) else None
    place = place_of(loader)
    base = loader.base if isinstance(loader, LocalLoader) else None
    selection = selection_of(loader)
    kind = f"{type(loader).__name__}:{selection}"
    address, items = address_of(loader), items_of(loader)
    digested = item_digest(address) if address is not None else None
    return LoaderIdentity(
        name=str(own) if named else _name(type(loader).__name__, selection, address, items),
        former_name=None if named else former_root(loader),
        is_named=named,
        place=place,
        base=os.fspath(base) if base is not None else None,
        checkout=checkout_of(place) if base is not None and place is not None else None,
        kind=kind,
        address=digested,
        items=items,
        swallows=swallows_errors(loader),
        own_coverage=covers,
        shard=loader.shard if isinstance(loader, ShardedLoader) else None,
    )


def _name(kind: str, selection: str, address: str | None, items: frozenset[str] | None) -> str:
    what = address if address is not None else ",".join(sorted(items)) if items is not None else None
    if what is None:
        return kind
    return f"{kind}:{hashlib.sha256(f'{selection}{what}'.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
