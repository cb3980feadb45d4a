"""One run of `sync`: reads, compares, and hands what is new to the writer; then clears away what is left behind."""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import CollectionNotFoundError, CollectionSchemaError, InputError
from ..stores.layout import ROOT_KEY
from ..stores.milvus import MilvusStore
from ..stores.rows import check_chunk
from ..stores.searched_text import cuts_terms
from .chunks import Chunk, StoredRow, by_source, read_chunks, row_of
from .collection_memory import Upkeep, remembered_place
from .embedding_requests import EmbeddingRequests, StoppedError
from .ledger import Ledger, RowPlace
from .loader_identity import coverage, may_have_moved, place_of, root_of, watched
from .lookahead import ChunkLookups, Lookahead, LookedUp
from .options import SyncOptions
from .pruning import RowIds, find_leftovers, why_nothing_is_pruned
from .report import Failure, ProgressCounter, SyncInterrupted, SyncReport, what_is_not_found
from .writer import SyncWriter

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..stores.collection_rows import CollectionRows

# New chunks that are looked up at once: each question by text looks through all rows of a Milvus Lite database.
_NEW_CHUNKS = 1000
_CHARS_PER_TOKEN = 4
# After Ctrl-C: as long as the request to Milvus that is under way may take to end.
_INTERRUPT_SECONDS = 0.8


class SyncRun:
    """One run.

    Args:
        loader: See `sync`.
        splitter: See `sync`.
        store: See `sync`.
        options: See `sync`.
        stop: Set by another thread, it ends the run.
    """

    def __init__(
        self,
        loader: BaseLoader,
        splitter: BaseDocumentTransformer,
        store: MilvusStore,
        options: SyncOptions,
        stop: threading.Event,
    ) -> None:
        self._loader = loader
        self._splitter = splitter
        self._store = store
        self._options = options
        self._stop = stop
        self._progress = ProgressCounter(options.on_progress)
        self._root, self._is_rooted = root_of(loader)
        self._place_now = place_of(loader)
        self._upkeep = Upkeep(store, self._root, self._place_now, splitter)
        self._report = SyncReport(dry_run=options.dry_run)
        self._requests = EmbeddingRequests(store.embedding, stop) if store.embedding is not None else None
        self._rows: CollectionRows | None = None
        self._writer: SyncWriter | None = None
        self._found = self._chars = 0
        self._lookahead = Lookahead()
        self._lookups = ChunkLookups(self._lookahead, self._stored, self._as_row)
        self._counted: Future[int] | None = None
        self._read: set[str] = set()
        self._failed: set[str] = set()
        self._unreadable = False
        self._live = RowIds()
        self._others: set[str] = set()
        self._unclaimed = 0
        self._language: str | None = None
        self._cut: set[str] = set()
        self._new: list[Chunk] = []
        self._repeated: list[Chunk] = []
        self._counted_texts: set[str] = set()

    def run(self) -> SyncReport:
        """Do it.

        Raises:
            StoppedError: `stop` was set.
        """
        started = time.monotonic()
        seconds: float | None = None
        try:
            with self._lookahead:
                self._look_at_collection()
                if not self._options.dry_run:
                    self._writer = self._open_writer()
                self._progress.expect(self._loader)
                self._index()
        except CollectionNotFoundError:
            rows = self._writer.rows if self._writer is not None else self._rows
            if rows is not None:
                self._upkeep.check_not_replaced(rows, now=True)
            raise
        except KeyboardInterrupt:
            self._report.interrupted = True
            seconds = _INTERRUPT_SECONDS
        finally:
            if self._writer is not None:
                self._writer.close(_INTERRUPT_SECONDS if self._stop.is_set() else seconds)
            self._report.seconds = time.monotonic() - started
            if self._requests is not None:
                self._report.requests, self._report.embedded = self._requests.requests, self._requests.embedded
        if self._report.interrupted:
            raise SyncInterrupted(self._report)
        return self._report

    def _index(self) -> None:
        loader_error: Exception | None = None
        try:
            self._read_all()
        except _LoaderFailedError as exc:
            loader_error = exc.reason
        for group, stored in self._lookups.answered(to_the_end=True):
            self._compare(group, stored)
        note = self._upkeep.splitter_change(self._rows.layout) if self._rows else None
        self._report.notes += [note] if note and self._count_before else []
        self._report.notes += what_is_not_found(self._cut)
        self._place()
        self._place_repeated()
        if self._writer is not None:
            self._writer.drain()
        self._clear_away(complete=loader_error is None and not self._unreadable)
        if self._writer is not None and self._writer.rows is not None:
            complete, had_rows = loader_error is None, bool(self._count_before)
            note = self._upkeep.finish(self._writer.rows, complete=complete, had_rows=had_rows)
            self._report.notes += [note] if note else []
        if loader_error is not None:
            raise loader_error

    def _open_writer(self) -> SyncWriter:
        return SyncWriter(
            self._store,
            self._rows,
            root=self._root,
            upkeep=self._upkeep,
            requests=self._requests,
            max_concurrency=self._options.max_concurrency,
            batch_size=self._options.batch_size,
            stop=self._stop,
            on_stored=self._count_stored,
            on_failed=self._fail,
        )

    @property
    def _ledger(self) -> Ledger | None:
        rows = self._writer.rows if self._writer is not None else self._rows
        return Ledger(rows) if rows is not None else None

    def _look_at_collection(self) -> None:
        layout = self._store.layout
        if layout is not None and layout.name == self._store.collection.parked_name and not self._options.dry_run:
            self._store.collection.recover_name()
        if self._store.has_full_text and self._store.sparse_embedding is None:
            self._language = self._store.language
        if layout is None:
            return
        if not layout.ours:
            raise CollectionSchemaError(
                f"The collection {self._store.collection_name!r} was made by another program, and has no place for "
                f"what sync must know of a row. Choose another collection name, or use store.add_documents."
            )
        self._rows = self._store.collection.rows(layout)
        # All that is asked after it sees at least what it saw.
        self._counted = self._lookahead.ask(self._rows.count)

    @property
    def _count_before(self) -> int:
        return self._counted.result() if self._counted is not None else 0

    # --- reading and comparing

    def _read_all(self) -> None:
        sources = by_source(watched(self._loader, self._report_unreadable).lazy_load())
        while True:
            try:
                source, documents = next(sources, (None, []))
            except Exception as exc:
                raise _LoaderFailedError(exc) from exc
            self._check_stop()
            if source is None:
                return
            if source in self._read:
                raise InputError(
                    f"The loader gave {source!r} twice, with other sources between: the second would replace "
                    f"the first. Give each file a source of its own."
                )
            self._read.add(source)
            self._report.sources += 1
            try:
                self._lookups.add(read_chunks(source, self._splitter.transform_documents(documents)))
            except Exception as exc:  # noqa: BLE001 - the splitter's, whatever it is
                self._fail_source(source, f"The splitter failed ({type(exc).__name__}): {exc}")
            self._progress.read()
            for group, stored in self._lookups.answered():
                self._compare(group, stored)

    def _report_unreadable(self, error: Exception) -> None:
        self._unreadable = True
        self._fail_source(str(getattr(error, "source", None) or self._root), str(error))

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def _until_stopped(self, places: Iterable[RowPlace]) -> Iterator[RowPlace]:
        for place in places:
            self._check_stop()
            yield place

    def _stored(self, row_ids: Sequence[str]) -> dict[str, StoredRow]:
        return Ledger(self._rows).stored(row_ids) if self._rows is not None and self._count_before else {}

    def _as_row(self, chunk: Chunk) -> Mapping[str, Any]:
        return row_of(chunk, self._root, self._rows.layout) if self._rows is not None else {}

    def _compare(self, group: Sequence[LookedUp], stored: Mapping[str, StoredRow]) -> None:
        """Sort chunks into those that stay, move, and are new."""
        unchanged = 0
        for chunk, as_row in group:
            self._check_stop()
            self._live.add(chunk.row_id)
            row = stored.get(chunk.row_id)
            if row is not None and row.is_just(as_row):
                unchanged += 1
                continue
            if row is not None and (others := tuple(root for root in row.roots if root != self._root)):
                self._others.update(others)
                chunk = replace(chunk, others=others)
            if row is not None and row.digest != chunk.digest and self._requests is not None:
                # What is embedded of the text changed, and so its vector must: it counts as new.
                row = None
            self._found += row is not None
            if row is not None and row.holds(chunk):
                if self._root in row.roots:
                    self._report.unchanged += 1
                else:
                    # Another loader's, as it seems; who has it is written at the end, when it is known who is who.
                    self._unclaimed += 1
                self._progress.stored(1)
                continue
            try:
                chunk = replace(chunk, metadata=check_chunk(chunk.text, chunk.metadata))
            except InputError as exc:
                self._fail(chunk, exc)
                continue
            if self._language and cuts_terms(chunk.text, self._language, chunk.metadata):
                self._cut.add(chunk.source)
            if row is None:
                self._new.append(chunk)
            elif self._writer is None:
                self._report.moved += 1
            else:
                self._writer.store(chunk, like=chunk.row_id, moved=True)
        if unchanged:
            self._found += unchanged
            self._report.unchanged += unchanged
            self._progress.stored(unchanged)
        if len(self._new) >= _NEW_CHUNKS:
            self._place()

    def _place(self) -> None:
        """Give new chunks to the writer, with a row that has their vector where there is one."""
        new, self._new = self._new, []
        if self._writer is None:
            self._count_new(new)
        elif self._requests is None:
            for chunk in new:
                self._writer.store(chunk)
        else:
            known = self._look_up(new) if self._count_before else {}
            self._repeated += [chunk for chunk in new if not self._hand_over(chunk, known)]
            if len(self._repeated) >= _NEW_CHUNKS:
                self._place_repeated()

    def _place_repeated(self) -> None:
        """Give chunks to the writer of whose text there is a row since another chunk of this run was stored."""
        repeated, self._repeated = self._repeated, []
        known = self._look_up(repeated, fresh=True)
        for chunk in repeated:
            self._hand_over(chunk, known, again=True)

    def _hand_over(self, chunk: Chunk, known: dict[str, str], *, again: bool = False) -> bool:
        if self._writer is None:
            raise AssertionError("unreachable: a dry run hands nothing over")
        if chunk.digest not in known:
            return self._writer.embed(chunk, again=again)
        self._writer.store(chunk, like=known[chunk.digest])
        return True

    def _look_up(self, chunks: Sequence[Chunk], *, fresh: bool = False) -> dict[str, str]:
        ledger = self._ledger
        return ledger.ids_by_digest([chunk.digest for chunk in chunks], fresh=fresh) if ledger else {}

    def _count_new(self, chunks: Sequence[Chunk]) -> None:
        self._report.added += len(chunks)
        if self._requests is None:
            return
        known = self._look_up(chunks) if self._count_before else {}
        for chunk in chunks:
            if chunk.digest not in known and chunk.digest not in self._counted_texts:
                self._counted_texts.add(chunk.digest)
                self._chars += len(chunk.text)
        self._report.estimated_tokens = self._chars // _CHARS_PER_TOKEN

    # --- called back, from this thread and the writer's

    def _count_stored(self, chunks: int, moved: bool) -> None:
        if moved:
            self._report.moved += chunks
        else:
            self._report.added += chunks
        self._progress.stored(chunks)

    def _fail(self, chunk: Chunk, reason: Exception) -> None:
        self._failed.add(chunk.source)
        self._report.failed.append(Failure(chunk.source, str(reason) or type(reason).__name__, chunk.position))

    def _fail_source(self, source: str, reason: str) -> None:
        self._failed.add(source)
        self._report.failed.append(Failure(source, reason))

    # --- the end

    def _clear_away(self, *, complete: bool) -> None:
        """Delete rows that were replaced, and sources that are gone; say of the others who has them.

        Args:
            complete: Whether all sources could be read.
        """
        ledger = self._ledger if self._count_before else None
        if ledger is None:
            return
        written = 0 if self._options.dry_run else self._report.added
        count = ledger.count() if written else self._count_before
        may_have_moved = self._may_have_moved if complete else lambda _: False
        if count == self._found + written and not self._unclaimed and not any(map(may_have_moved, self._others)):
            return
        covers = coverage(self._loader, is_known=self._is_rooted and bool(self._read))
        left = find_leftovers(
            self._until_stopped(ledger.places()),
            live=self._live,
            root=self._root,
            read=self._read,
            failed=self._failed,
            covers=covers or self._read.__contains__,
            prune=self._options.prune and complete and covers is not None,
            may_have_moved=may_have_moved,
        )
        if self._options.prune:
            self._report.notes += why_nothing_is_pruned(is_known=covers is not None, unreadable=self._unreadable)
        self._report.notes += left.notes(self._place_of)
        self._report.moved += left.claimed
        self._report.removed = len(left.replaced) + len(left.gone)
        self._report.pruned = sorted(left.gone_sources)
        if self._writer is not None and self._writer.rows is not None and (self._report.removed or left.kept):
            rows = self._writer.rows
            self._upkeep.remember_writing()
            rows.rewrite_by_id(
                list(left.kept), lambda row: {**row, ROOT_KEY: list(left.kept[row[rows.layout.primary_field]])}
            )
            rows.delete(left.replaced)
            rows.delete(left.gone)

    def _may_have_moved(self, root: str) -> bool:
        return may_have_moved(self._place_of(root), self._place_now)

    def _place_of(self, root: str) -> str | None:
        # As it is now: another process may have begun with its folder meanwhile.
        layout = self._store.layout
        return remembered_place(layout, root) if layout is not None else None


class _LoaderFailedError(Exception):
    """The loader raised."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason
