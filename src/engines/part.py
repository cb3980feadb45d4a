"""One shard of a sync, as it travels to the process that does it."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..indexing.report import SyncProgress, SyncReport
from ..indexing.sync import sync
from ..stores.milvus import MilvusStore

# So often a worker says how far it is.
_TOLD_EVERY_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Work:
    """A whole sync, of which each worker does parts. All of it travels; what may hold a secret is never shown.

    Attributes:
        loader: See `sync`.
        splitter: See `sync`.
        store: See `sync`. A copy of it is opened wherever it arrives.
        new_properties: What a collection that is created is to remember besides.
        language: Of its full-text search, where one was chosen.
        folder: Where relative paths begin.
        options: Of `sync`.
    """

    loader: BaseLoader = field(repr=False)
    splitter: BaseDocumentTransformer = field(repr=False)
    store: MilvusStore = field(repr=False)
    new_properties: Mapping[str, Any] = field(repr=False)
    language: str | None
    folder: str
    options: Mapping[str, Any] = field(repr=False)


def sync_part(work: Work, shard: tuple[int, int], tell: Callable[[SyncProgress], None] | None = None) -> SyncReport:
    """Do one part, in whichever process this is. Nothing is pruned: only the end of all parts knows what is gone.

    Args:
        work: What to do.
        shard: The part, see `sync`.
        tell: Told now and then how far it is.

    Raises:
        MilvusRagError: As `sync`.
    """
    with contextlib.ExitStack() as opened:
        if Path(work.folder).is_dir():
            opened.enter_context(contextlib.chdir(work.folder))
        store = opened.enter_context(work.store)
        store.collection.new_properties = work.new_properties
        store.chosen_language = work.language
        return sync(
            work.loader,
            work.splitter,
            store,
            shard=shard,
            prune=False,
            on_progress=_now_and_then(tell) if tell else None,
            **work.options,
        )


def _now_and_then(tell: Callable[[SyncProgress], None]) -> Callable[[SyncProgress], None]:
    told = float("-inf")

    def on_progress(now: SyncProgress) -> None:
        nonlocal told
        if time.monotonic() - told >= _TOLD_EVERY_SECONDS:
            told = time.monotonic()
            tell(now)

    return on_progress
