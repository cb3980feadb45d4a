"""Documents into a collection: incremental, complete after any interruption, and never with a hole in it.

How it works, and why:

- The collection is its own ledger. A row's id is a digest of its source, its text, and the occurrence of that text in
  the source; so what is stored is what the ids say, and there is no second database that could drift.
- A source whose rows are those that were recorded of this version of it is not read. Rows are summed up at the
  beginning (`source_records`), and what does not fit is read and compared, whatever the reason.
- Chunks of the others are looked up by id, some hundred at a time. What is the same stays, what only moved is rewritten
  with its vector, what is new is embedded unless its text is in the collection already.
- When everything new is stored, a look at rows finds what was replaced and what is gone. Counting tells at which: at
  none if there are as many as chunks, at those of the sources that changed if they make the difference, else at all.
  No reader ever misses what was indexed before.
- A run that dies leaves new rows beside old ones; the next run sees both, and completes it.

A run (`run`) reads (`reading`) what is not as it was recorded (`recording`), asks what is stored while it reads
(`lookahead`, `ledger`), compares (`comparison`, a pure function over `chunks`), and hands on what is new to a writer:
`writer`, whose threads embed (`embedding_requests`) and store (`row_writer`), or `dry_run`, which counts. What goes at
the end is found by `pruning`.
"""

import asyncio
import contextlib
import threading

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..stores.milvus import MilvusStore
from .embedding_requests import StoppedError
from .options import SyncOptions
from .report import Failure, OnProgress, SyncInterrupted, SyncProgress, SyncReport
from .run import SyncRun

__all__ = ["Failure", "SyncInterrupted", "SyncProgress", "SyncReport", "async_sync", "sync"]


def sync(
    loader: BaseLoader,
    splitter: BaseDocumentTransformer,
    store: MilvusStore,
    *,
    scope: str | None = None,
    shard: tuple[int, int] | None = None,
    prune: bool = True,
    dry_run: bool = False,
    verify: bool = False,
    batch_size: int | None = None,
    max_concurrency: int = 8,
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """Make a collection hold what a loader loads: no more, no less, and each chunk once.

    Args:
        loader: Documents with a ``source`` in their metadata; all documents of a source follow each other. A loader
            with an attribute ``on_error`` reports unreadable files by it: they keep their rows, and nothing is pruned
            in that run, unless the errors are a `LoaderError` without ``hides_sources``. One with ``root``, a name for
            all that it loads, and ``covers(source)`` says what is its.
        splitter: Cuts documents into chunks; a chunk's number in its source becomes its metadata ``chunk``.
        store: A store of `open_store`, with the embedding that its vectors are made with.
        scope: What the user calls that which this loader loads, the same in every run, e.g. ``"handbook"``. Without it,
            it is known by its place: a folder, the repository that it is a checkout of, an address, a list. What
            belongs to the scope and was not given is gone; files that are still there are never taken for gone.
        shard: ``(2, 4)`` for the second of four parts of the sources, each in a process of its own. A source's part
            depends on its name alone. A `MarkdownLoader` leaves out the others before it reads them; of other loaders
            each shard loads all, and leaves out what is not its. No shard removes another one's sources.
        prune: Whether sources that are gone leave the collection. With shards, leave that to one `prune` at the end.
        dry_run: Only count: no call of the embedding, no write.
        verify: Whether to read and compare every source, also those that are as the collection has recorded them. What
            needs it is rows that were changed in place by somebody else, and a splitter or converter that makes other
            chunks without another fingerprint.
        batch_size: Texts an embedding request; by default what the embedding takes.
        max_concurrency: Embedding requests in flight.
        on_progress: Called from several threads, one at a time.

    Returns:
        What was done. Its ``failed`` names what could not be: the rest is complete.

    Raises:
        LoaderError: The loader raised; what came before is stored, nothing is pruned.
        ModelError: The embedding lets nothing through (key, model, outage); what came before is stored.
        StoreError: Milvus failed.
        SyncInterrupted: Ctrl-C, with the report so far.
    """
    options = SyncOptions(
        scope=scope,
        shard=shard,
        prune=prune,
        dry_run=dry_run,
        verify=verify,
        batch_size=batch_size,
        max_concurrency=max_concurrency,
        on_progress=on_progress,
    )
    return SyncRun(loader, splitter, store, options, threading.Event()).run()


async def async_sync(
    loader: BaseLoader,
    splitter: BaseDocumentTransformer,
    store: MilvusStore,
    *,
    scope: str | None = None,
    shard: tuple[int, int] | None = None,
    prune: bool = True,
    dry_run: bool = False,
    verify: bool = False,
    batch_size: int | None = None,
    max_concurrency: int = 8,
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """Async twin of `sync`, which runs in a thread. Cancelling the task ends it within a second, as Ctrl-C does."""
    options = SyncOptions(
        scope=scope,
        shard=shard,
        prune=prune,
        dry_run=dry_run,
        verify=verify,
        batch_size=batch_size,
        max_concurrency=max_concurrency,
        on_progress=on_progress,
    )
    stop = threading.Event()
    # Made in the thread too: it asks the loader what it loads.
    running = asyncio.create_task(asyncio.to_thread(lambda: SyncRun(loader, splitter, store, options, stop).run()))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.set()
        with contextlib.suppress(StoppedError):
            await running
        raise
