"""The last step of runs that each did a part: what is gone leaves the collection, and nothing else is done."""

import time
from typing import TYPE_CHECKING

from langchain_core.document_loaders import BaseLoader

from ..chunk_keys import SOURCE_KEY
from ..stores.milvus import MilvusStore
from . import notes
from .collection_memory import CollectionMemory
from .identity import identify
from .indexed import look_at
from .known_roots import known_roots
from .ledger import Ledger
from .loader_protocols import SurveyingLoader
from .lookahead import Lookahead
from .pruning import Given, RowIds, find_leftovers
from .reading import hides_sources, name_of_failed, watched
from .report import Failure, SyncReport
from .row_writer import RowWriter
from .scope import Scope, resolve

if TYPE_CHECKING:
    from collections.abc import Iterable


def prune(loader: BaseLoader, store: MilvusStore, *, scope: str | None = None, dry_run: bool = False) -> SyncReport:
    """Remove what a loader would not give any more, and store nothing.

    It follows ``sync(..., shard=…, prune=False)`` of all shards: what was renamed from one shard into another has been
    stored there by then, and no reader misses it in between. A `MarkdownLoader` only lists its files; what another
    loader gives is loaded, and its names are looked at.

    Args:
        loader: All that belongs to the scope; see `sync`.
        store: See `sync`.
        scope: See `sync`.
        dry_run: Only count.

    Returns:
        What was removed: ``removed``, ``pruned``. In ``failed`` what could not be looked at; nothing is pruned where
        there may be more behind it.

    Raises:
        LoaderError: The loader raised; nothing is pruned.
        StoreError: Milvus failed.
    """
    started = time.monotonic()
    report = SyncReport(dry_run=dry_run)
    with Lookahead() as lookahead:
        rows = look_at(store, lookahead, lambda _: "", dry_run=dry_run).rows
    if rows is None:
        return report
    covered = resolve(identify(loader), known_roots(rows.layout), scope)
    given = _given(loader, covered, report)
    left = find_leftovers(Ledger(rows).owned_rows(), given, covered)
    report.notes += notes.why_nothing_is_pruned(
        hidden=not given.prune, undecided=bool(left.undecided), gave_any=given.gave_any
    )
    report.notes += notes.why_some_stay(left.undecided, gave_any=given.gave_any)
    report.removed, report.pruned = len(left.replaced) + len(left.gone), sorted(left.gone_sources)
    if left.any and not dry_run:
        memory = CollectionMemory(store, covered, None)
        RowWriter(store, rows, root=covered.root, memory=memory, language=None).clear_away(left)
        memory.finish(rows, complete=False, had_rows=True, written=0)
    if given.prune and not dry_run:
        # Shards forgot none, since they know only of their own rows who has them.
        CollectionMemory(store, covered, None).forget((set(left.relocated) | set(covered.inside)) - left.remaining)
    report.seconds = time.monotonic() - started
    return report


def _given(loader: BaseLoader, scope: Scope, report: SyncReport) -> Given:
    """All that is there, as what keeps the rows that it has."""
    hidden = False

    def note(error: Exception) -> None:
        nonlocal hidden
        hidden |= hides_sources(error)
        report.failed.append(Failure(name_of_failed(error, scope), str(error)))

    names: Iterable[object]
    if isinstance(loader, SurveyingLoader):
        names = loader.list_sources(note)
    else:
        names = (document.metadata.get(SOURCE_KEY) for document in watched(loader, note).lazy_load())
    sources = {f"{scope.prefix}{name}" for name in names if isinstance(name, str) and name}
    report.sources = len(sources)
    # What failed to load has another reason to stay.
    stay = sources | {failure.source for failure in report.failed}
    return Given(live=RowIds(), read=sources, failed=stay, prune=not hidden, gave_any=bool(sources))
