"""An index built anew beside the old one, which readers see until the new one is complete."""

import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import CollectionNotFoundError, EmbeddingMismatchError, InputError, StoreError
from ..source_parts import check_shard
from ..stores.collection import LAYOUT_SECONDS, Collection
from ..stores.collection_names import LONGEST_NAME
from ..stores.connection import is_file_uri
from ..stores.milvus import MilvusStore
from .identity import identify
from .rebuild_losses import check_nothing_is_lost
from .report import OnProgress, SyncReport
from .sync import sync

SyncAll = Callable[[MilvusStore, Sequence[BaseLoader]], list[SyncReport]]

# With a collection that a rebuild makes: of what it is to be the index, from which folders, and who makes it.
_MARK = "rebuild"
# To the microsecond, so that no two rebuilds have one name.
_STAMP = "%Y%m%d_%H%M%S_%f"
# How long readers on a server may believe that the name stands for the old collection, and a request or so under way.
_GRACE_SECONDS = LAYOUT_SECONDS + 1.0
# A process that has the id of a dead one, as in a container, is another.
_PROCESS = uuid.uuid4().hex
# A rebuild on another machine of which nothing can be known is taken for dead then.
_LONGEST = timedelta(days=1)


def rebuild(
    loaders: Sequence[BaseLoader],
    splitter: BaseDocumentTransformer,
    open_new: Callable[[str], MilvusStore],
    *,
    collection: str,
    scope: str | None = None,
    shard: tuple[int, int] | None = None,
    sync_all: SyncAll | None = None,
    drop_others: bool = False,
    dry_run: bool = False,
    batch_size: int | None = None,
    max_concurrency: int = 8,
    on_progress: OnProgress | None = None,
) -> list[SyncReport]:
    """Build an index into a new collection, and switch to it when it is complete and nothing failed.

    It is the way to another embedding, splitter or language: readers find the old index until the switch. From then
    on the name is an alias. The language stays that of the old index where none is chosen. What dies on the way, or has
    failures, is kept, and completed by the next rebuild.

    Args:
        loaders: All that the index is to hold; see `sync`.
        splitter: See `sync`.
        open_new: Opens a store on the collection of a name, with the new embedding.
        collection: Name of the index: of a collection, an alias, or nothing yet.
        scope: See `sync`; of one loader.
        shard: See `sync`: only this part is built, beside those of other processes, and no reader finds it. A rebuild
            without a shard, of the same loaders, is the last step: it embeds nothing again, and switches.
        sync_all: Does what `sync` would do for each loader, into the store that it is given; for an engine.
        drop_others: Whether what the old index holds besides may go with it.
        dry_run: Only count: no call of the embedding, no write.
        batch_size: See `sync`.
        max_concurrency: See `sync`.
        on_progress: See `sync`.

    Returns:
        A report for each loader.

    Raises:
        InputError: The old index holds what these loaders would not give, were it there.
        MilvusRagError: As `sync`; the old index stays as it is.
    """
    check_shard(shard)
    options: dict[str, Any] = {
        "scope": scope,
        "shard": shard,
        # What a rebuild left that died is looked at whole, and there is nothing else to be trusted.
        "verify": True,
        "batch_size": batch_size,
        "max_concurrency": max_concurrency,
        "on_progress": on_progress,
    }
    roots = sorted(identify(loader).name for loader in loaders)
    name = f"{collection}_{datetime.now(UTC).strftime(_STAMP)}"
    if len(name) > LONGEST_NAME:
        raise InputError(
            f"The name of a collection that is rebuilt has {LONGEST_NAME - len(name) + len(collection)} characters at "
            f"most, since the date follows it while that is done; {collection!r} has {len(collection)}. Index into a "
            f"collection of another name."
        )
    if shard is not None and not dry_run:
        return _build_part(open_new, loaders, splitter, name, collection, roots, options)

    def sync_each(store: MilvusStore, given: Sequence[BaseLoader]) -> list[SyncReport]:
        return [sync(loader, splitter, store, **options) for loader in given]

    def build(store: MilvusStore) -> list[SyncReport]:
        run = sync_all or sync_each
        return _build(store, loaders, splitter, collection, roots, run, scope=scope, drop_others=drop_others)

    if not drop_others:
        with open_new(name) as store:
            index = store.collection.sibling(collection)
            if not dry_run:
                index.recover_name()
            check_nothing_is_lost(index, loaders, splitter, scope=scope)
    if dry_run:
        with open_new(name) as store:
            _be_like(store, collection)
            return [sync(loader, splitter, store, dry_run=True, **options) for loader in loaders]
    continued = _continued(open_new, name, collection, roots)
    if continued is not None:
        try:
            return build(continued)
        except EmbeddingMismatchError:
            # Only the first vectors told: it was begun with another embedding.
            with open_new(name) as store:
                store.collection.sibling(continued.collection_name).drop()
    return build(open_new(name))


def _build(
    store: MilvusStore,
    loaders: Sequence[BaseLoader],
    splitter: BaseDocumentTransformer,
    collection: str,
    roots: list[str],
    sync_all: SyncAll,
    *,
    scope: str | None,
    drop_others: bool,
) -> list[SyncReport]:
    with store:
        _be_like(store, collection)
        store.collection.new_properties = {**store.collection.new_properties, **_mark(collection, roots, alive=True)}
        try:
            if store.exists:
                store.collection.set_properties(_mark(collection, roots, alive=True))
            reports = sync_all(store, loaders)
            if _may_switch(store, reports):
                index = store.collection.sibling(collection)
                if not drop_others:
                    # Once more: it may have taken hours, in which others wrote to the old index.
                    check_nothing_is_lost(index, loaders, splitter, scope=scope)
                _switch(index, store)
        except BaseException:
            with suppress(StoreError):  # what went wrong is more worth knowing
                _leave(store, collection, roots)
            raise
        _leave(store, collection, roots)
    return reports


def _build_part(
    open_new: Callable[[str], MilvusStore],
    loaders: Sequence[BaseLoader],
    splitter: BaseDocumentTransformer,
    name: str,
    collection: str,
    roots: list[str],
    options: dict[str, Any],
) -> list[SyncReport]:
    """Sync one shard into the collection that the processes of all shards find, however they begin."""
    store = _continued(open_new, name, collection, roots)
    if store is None:
        with open_new(name) as probe:
            layout = probe.collection.sibling(collection).layout
        store = open_new(_next_name(collection, layout.name if layout else collection))
    with store:
        _be_like(store, collection)
        # Nobody's, so that each may join.
        store.collection.new_properties = {**store.collection.new_properties, **_mark(collection, roots, alive=False)}
        reports = [sync(loader, splitter, store, **options) for loader in loaders]
        number, count = options["shard"]
        reports[-1].notes.append(
            f"Part {number} of {count} of the new index is in {store.collection_name!r}, and the old one stays. When "
            f"all parts are there, rebuild without a shard: that embeds nothing again, and switches."
        )
    return reports


def _next_name(collection: str, live: str) -> str:
    """What the collection after the live one is called, by the live one's name alone."""
    try:
        made = datetime.strptime(live.removeprefix(f"{collection}_"), _STAMP)
    except ValueError:
        # It was never rebuilt. `datetime.min` would have a year that not all systems write with four digits.
        made = datetime(2000, 1, 1)
    return f"{collection}_{(made + timedelta(microseconds=1)).strftime(_STAMP)}"


def _be_like(store: MilvusStore, collection: str) -> None:
    """Have the new index be made as the old one, and be in its language, in what the user did not choose."""
    if store.exists:
        return
    old = store.collection.sibling(collection)
    store.collection.be_made_like(old)
    if store.chosen_language is None:
        store.chosen_language = _language_of(old)


def _language_of(index: Collection) -> str | None:
    return index.layout.properties.get("analysis", {}).get("language") if index.layout else None


def _leave(store: MilvusStore, collection: str, roots: list[str]) -> None:
    if store.collection.refresh() is not None:
        # The next rebuild may be through with it already.
        with suppress(CollectionNotFoundError):
            store.collection.set_properties(_mark(collection, roots, alive=False))


def _may_switch(store: MilvusStore, reports: Sequence[SyncReport]) -> bool:
    if any(report.failed for report in reports):
        reports[-1].notes.append(
            f"The old index stays, since not everything could be indexed. The new one is kept as "
            f"{store.collection_name!r}; the next rebuild completes it."
        )
        return False
    if not store.exists:
        reports[-1].notes.append("There was nothing to index, so the old index stays.")
        return False
    return True


def _switch(index: Collection, store: MilvusStore) -> None:
    # Nobody has read it yet, and the first reader would wait for that.
    store.collection.load()
    old = index.switch_to(store.collection_name)
    if old is not None:
        time.sleep(0.0 if is_file_uri(store.server.uri) else _GRACE_SECONDS)
        index.sibling(old).drop()


def _continued(
    open_new: Callable[[str], MilvusStore], name: str, collection: str, roots: list[str]
) -> MilvusStore | None:
    """A store on the collection that a died rebuild left, if it can be continued. Others are dropped."""
    continued: MilvusStore | None = None
    with open_new(name) as store:
        index = store.collection.sibling(collection)
        index.recover_name()
        index.clear_half_made_rebuilds()
        live = index.layout.name if index.layout else collection
        for left in _left_behind(index, live, is_local=is_file_uri(store.server.uri)):
            if continued is None and left.name > live and _mark_of(left).get("roots") == roots:
                continued = _continue(open_new, left.name, _language_of(index))
                if continued is not None:
                    continue
            now = index.refresh()
            # Another rebuild may have switched to it meanwhile.
            if now is None or now.name != left.name:
                left.drop()
    return continued


def _continue(open_new: Callable[[str], MilvusStore], name: str, language: str | None) -> MilvusStore | None:
    try:
        store = open_new(name)
        if store.chosen_language is not None or language in (None, store.language):
            return store
        store.close()
    except (EmbeddingMismatchError, InputError):
        # It was begun with another embedding, or for another language.
        pass
    return None


def _left_behind(index: Collection, live: str, *, is_local: bool) -> Iterator[Collection]:
    """Collections of rebuilds of this index that nobody works on, the newest first."""
    names = [name for name in index.client.list_collections() if name.startswith(f"{index.name}_") and name != live]
    for name in sorted(names, reverse=True):
        left = index.sibling(name)
        mark = _mark_of(left)
        is_ours = mark.get("of") == index.name or name == index.parked_name
        if is_ours and not _is_alive(mark, is_local=is_local):
            yield left


def _mark_of(collection: Collection) -> dict[str, Any]:
    layout = collection.layout
    return dict(layout.properties.get(_MARK, {})) if layout else {}


def _mark(collection: str, roots: list[str], *, alive: bool) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    by = {"host": socket.gethostname(), "pid": os.getpid(), "process": _PROCESS, "at": now}
    return {_MARK: {"of": collection, "roots": roots, "by": by if alive else None}}


def _is_alive(mark: dict[str, Any], *, is_local: bool) -> bool:
    by = mark.get("by")
    if not by:
        return False
    if by["pid"] == os.getpid() and by["host"] == socket.gethostname():
        return bool(by.get("process") == _PROCESS)
    if is_local:
        # No other process has a Milvus Lite database that this one has.
        return False
    if by["host"] != socket.gethostname():
        return datetime.now(UTC) - datetime.fromisoformat(by["at"]) < _LONGEST
    try:
        os.kill(by["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
