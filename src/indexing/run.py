"""One run of `sync`: read, compare, hand on what is new, and at the end clear away what is left behind."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import CollectionNotFoundError, CollectionReplacedError, EmbeddingMismatchError, InputError
from ..language_recognition import recognised_language
from ..stores.collection_rows import CollectionRows
from ..stores.fingerprint import without_its_embedding
from ..stores.milvus import MilvusStore
from ..stores.rows import check_chunk
from ..stores.searched_text import cuts_terms
from . import likeness, notes
from .chunk_writer import ChunkWriter
from .chunks import Chunk, StoredRow, row_of
from .collection_memory import CollectionMemory
from .comparison import Comparison, Expected, compare
from .dry_run import CountingWriter
from .embedding_requests import EmbeddingRequests, StoppedError
from .identity import identify
from .indexed import Indexed, look_at
from .known_roots import known_roots, place_called
from .ledger import Ledger, OwnedRow
from .lookahead import ChunkLookups, Lookahead
from .options import SyncOptions
from .own_rows import own_rows, rows_of_part
from .pruning import Given, RowIds, find_leftovers
from .reading import Reader
from .recording import Recording
from .report import SyncInterrupted, SyncReport
from .row_writer import RowSink, RowWriter
from .scope import resolve
from .sharding import of_shard
from .source_records import SourceRows
from .splitting import check_splitter
from .tally import Tally
from .writer import StoringWriter

# After Ctrl-C: as long as the request to Milvus that is under way may take to end.
_INTERRUPT_SECONDS = 0.8
# Of a folder that may be another one, so many files tell.
_COMPARED_SOURCES = 50
# Sources that changed, of which the rows are looked at by themselves before all are.
_FEW_SOURCES = 50


@dataclass(slots=True)
class _Seen:
    """What a run came across.

    Attributes:
        ids: Of all chunks as they are now.
        rows: How many of them had a row that stays theirs.
        claimed: How many of these only other roots have so far.
        others: These other roots, and those that share rows.
        changed: Sources with chunks that are written.
        cut: Sources with chunks of which not all terms are kept.
    """

    ids: RowIds = field(default_factory=RowIds)
    rows: int = 0
    claimed: int = 0
    others: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)


class SyncRun:
    """One run.

    Args:
        loader: See `sync`.
        splitter: See `sync`.
        store: See `sync`.
        options: See `sync`.
        stop: Set by another thread, it ends the run.
        sink: Takes the rows; by default the collection.
    """

    def __init__(
        self,
        loader: BaseLoader,
        splitter: BaseDocumentTransformer,
        store: MilvusStore,
        options: SyncOptions,
        stop: threading.Event,
        sink: RowSink | None = None,
    ) -> None:
        self._store = store
        self._sink = sink
        self._options = options
        self._stop = stop
        check_splitter(splitter)
        loader, shard = of_shard(loader, options.shard)
        identity = identify(loader)
        identity = replace(identity, shard=identity.shard or shard)
        self._scope = resolve(identity, known_roots(store.layout), options.scope)
        self._memory = CollectionMemory(store, self._scope, splitter)
        self._tally = Tally(SyncReport(dry_run=options.dry_run), options.on_progress)
        self._recording = Recording(loader, splitter, self._scope)
        self._reader = Reader(
            loader,
            splitter,
            scope=self._scope,
            recording=self._recording,
            tally=self._tally,
            stop=stop,
            shard=shard,
        )
        self._requests = EmbeddingRequests(store.embedding, stop) if store.embedding is not None else None
        self._seen = _Seen()

    def run(self) -> SyncReport:
        """Do it.

        Raises:
            StoppedError: `stop` was set.
        """
        report = self._tally.report
        started = time.monotonic()
        seconds: float | None = None
        writer: ChunkWriter | None = None
        try:
            with Lookahead() as lookahead:
                trusts, own = self._trusts_records, partial(own_rows, self._scope)
                indexed = look_at(self._store, lookahead, None if trusts else own, dry_run=self._options.dry_run)
                self._check_writable(indexed)
                if indexed.rows is None:
                    self._recording.none_is_there()
                elif trusts:
                    self._recording.look_at(lookahead.ask(partial(self._source_rows, indexed, indexed.rows)))
                indexed = self._with_language(indexed)
                writer = self._open_writer(indexed)
                if self._tally.is_watched:
                    self._tally.sources_total = self._reader.count_sources()
                self._index(indexed, writer, lookahead)
        except (CollectionNotFoundError, CollectionReplacedError):
            if writer is not None and writer.rows is not None:
                self._memory.check_not_replaced(writer.rows, now=True)
            raise
        except KeyboardInterrupt:
            report.interrupted = True
            seconds = _INTERRUPT_SECONDS
        finally:
            if writer is not None:
                writer.close(_INTERRUPT_SECONDS if self._stop.is_set() else seconds)
            report.seconds = time.monotonic() - started
            if self._requests is not None:
                report.requests, report.embedded = self._requests.requests, self._requests.embedded
        if report.interrupted:
            raise SyncInterrupted(report)
        return report

    def _check_writable(self, indexed: Indexed) -> None:
        layout = indexed.layout
        if layout is not None and layout.vector_field and self._requests is None and not self._options.dry_run:
            # Also where nothing is to be written this time: the next run may have something.
            raise EmbeddingMismatchError(without_its_embedding(self._store.collection_name, layout.properties))

    @property
    def _trusts_records(self) -> bool:
        """Whether sources that are as they are recorded need not be read."""
        scope = self._scope
        if self._options.verify or not self._recording.is_possible or scope.is_new:
            return False
        # Where another root may be this one, their texts tell.
        return not (scope.inside or scope.former)

    def _source_rows(self, indexed: Indexed, rows: CollectionRows) -> dict[str, SourceRows]:
        # What was there when the rows were counted, this is to see.
        there = indexed.count
        return Ledger(rows).source_rows(own_rows(self._scope, rows.layout), self._scope.root) if there else {}

    def _with_language(self, indexed: Indexed) -> Indexed:
        """What there is; of a collection to come, with the language that its documents seem to be in."""
        if not self._may_choose_language(indexed):
            return indexed
        return replace(indexed, language=recognised_language(self._reader.sample()))

    def _may_choose_language(self, indexed: Indexed) -> bool:
        return indexed.rows is None and indexed.language is not None and self._store.chosen_language is None

    def _open_writer(self, indexed: Indexed) -> ChunkWriter:
        if self._options.dry_run:
            return CountingWriter(indexed.rows, self._tally, embeds=self._requests is not None)
        rows = RowWriter(
            self._store,
            indexed.rows,
            root=self._scope.root,
            memory=self._memory,
            language=indexed.language,
            sink=self._sink,
        )
        return StoringWriter(
            rows,
            memory=self._memory,
            requests=self._requests,
            tally=self._tally,
            max_concurrency=self._options.max_concurrency,
            batch_size=self._options.batch_size,
            is_lite=self._store.server.lite,
            had_rows=lambda: bool(indexed.count),
            stop=self._stop,
        )

    def _index(self, indexed: Indexed, writer: ChunkWriter, lookahead: Lookahead) -> None:
        remarks = self._tally.report.notes

        def stored(row_ids: Sequence[str]) -> dict[str, StoredRow]:
            return Ledger(indexed.rows).stored(row_ids) if indexed.rows is not None and indexed.count else {}

        def as_row(chunk: Chunk) -> Mapping[str, Any]:
            return row_of(chunk, self._scope.root, indexed.rows.layout) if indexed.rows is not None else {}

        lookups = ChunkLookups(lookahead, stored, as_row)
        for chunks in self._reader.chunks():
            lookups.add(chunks)
            for group, rows in lookups.answered():
                self._compare(group, rows, writer, indexed.language)
        for group, rows in lookups.answered(to_the_end=True):
            self._compare(group, rows, writer, indexed.language)
        note = self._memory.splitter_change(indexed.rows.layout) if indexed.rows is not None and indexed.count else None
        remarks += [note] if note else []
        remarks += notes.what_is_not_found(self._seen.cut)
        remarks += notes.of_other_shards(self._reader.others)
        remarks += notes.of_what_is_left_out(self._recording.left_out())
        writer.drain()
        remarks += self._language_taken(indexed, writer)
        complete = self._reader.error is None
        if writer.rows is not None and indexed.count:
            self._clear_away(indexed, writer, complete=complete and not self._reader.hidden)
        report = self._tally.report
        due = self._recording.due(self._tally.failed_sources)
        writer.record(due)
        written = report.added + report.moved + len(due)
        note = writer.finish(complete=complete, had_rows=bool(indexed.count), written=written)
        remarks += [note] if note else []
        if self._reader.error is not None:
            raise self._reader.error

    def _language_taken(self, indexed: Indexed, writer: ChunkWriter) -> list[str]:
        """What to tell of the language of a collection that was created."""
        if indexed.language is None or not self._may_choose_language(indexed):
            return []
        if writer.rows is not None:
            # Another run may have created it.
            return notes.of_language(self._store.language)
        return notes.of_language(indexed.language) if self._options.dry_run and self._tally.report.added else []

    def _compare(
        self, group: Sequence[Expected], stored: Mapping[str, StoredRow], writer: ChunkWriter, language: str | None
    ) -> None:
        """Hand on the chunks that are to be written."""
        self._check_stop()
        for chunk, _ in group:
            self._seen.ids.add(chunk.row_id)
        found = compare(group, stored, root=self._scope.root, has_vectors=self._requests is not None)
        self._recording.compared(group, stored, found)
        self._note(found)
        for chunk in self._storable(found.moved, language):
            writer.move(chunk)
        writer.add(list(self._storable([*found.added, *found.replaced], language)))

    def _note(self, found: Comparison) -> None:
        self._seen.rows += found.rows_found
        self._seen.claimed += found.claimed
        self._seen.others |= found.others
        self._seen.changed |= {chunk.source for chunk in (*found.added, *found.replaced, *found.moved)}
        self._tally.unchanged(found.kept)
        self._tally.claimed(found.claimed)

    def _storable(self, chunks: Sequence[Chunk], language: str | None) -> Iterator[Chunk]:
        """Chunks that Milvus can keep; the others have failed."""
        for chunk in chunks:
            self._check_stop()
            try:
                metadata = check_chunk(chunk.text, chunk.metadata)
            except InputError as exc:
                self._tally.chunk_failed(chunk, exc)
                continue
            if language and cuts_terms(chunk.text, language, metadata):
                self._seen.cut.add(chunk.source)
            yield chunk if metadata is chunk.metadata else replace(chunk, metadata=metadata)

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    # --- the end

    def _clear_away(self, indexed: Indexed, writer: ChunkWriter, *, complete: bool) -> None:
        """Delete rows that were replaced, and sources that are gone; say of the others who has them.

        Args:
            indexed: What there was.
            writer: Knows what there is, and clears away.
            complete: Whether it is known which sources there are.
        """
        report = self._tally.report
        if writer.rows is None:
            return
        ledger = Ledger(writer.rows)

        def may_be_relocated(root: str) -> bool:
            return complete and self._scope.may_be_relocated(root)

        def are_alike(root: str, sources: Collection[str]) -> bool:
            words = self._reader.words
            some = sorted(sources)[:_COMPARED_SOURCES]
            return words is not None and likeness.are_alike(ledger.texts_of(some, root), words)

        looked_at = self._what_may_be_left(indexed, ledger, may_be_relocated)
        if looked_at is None:
            return
        given = Given(
            live=self._seen.ids,
            read=self._reader.sources,
            failed=self._tally.failed_sources,
            prune=self._options.prune and complete,
            gave_any=self._reader.gave_any,
            known=self._recording.known,
        )
        left = find_leftovers(
            self._until_stopped(looked_at), given, self._scope, may_be_relocated=may_be_relocated, are_alike=are_alike
        )
        if self._options.prune:
            report.notes += notes.why_nothing_is_pruned(
                hidden=self._reader.hidden, undecided=bool(left.undecided), gave_any=given.gave_any
            )
        report.notes += notes.why_some_stay(left.undecided, gave_any=given.gave_any)
        report.notes += notes.of_leftovers(left, self._place_of, former=self._scope.former)
        if left.gone_sources and (place := self._scope.other_place) is not None:
            report.notes += notes.of_another_place(place, left.gone_sources)
        report.moved += left.claimed
        report.removed = len(left.replaced) + len(left.gone)
        report.pruned = sorted(left.gone_sources)
        writer.clear_away(left)
        # A shard knows only of its own rows who has them.
        if complete and not self._options.dry_run and self._scope.identity.shard is None:
            self._memory.forget((set(left.relocated) | set(self._scope.inside)) - left.remaining)

    def _what_may_be_left(
        self, indexed: Indexed, ledger: Ledger, may_be_relocated: Callable[[str], bool]
    ) -> Iterable[OwnedRow] | None:
        """Rows among which all are that are to go, or to have other roots; None for none, as counting tells mostly."""
        seen, scope = self._seen, self._scope
        every = ledger.owned_rows(rows_of_part(self._scope, indexed.layout))
        if seen.claimed or scope.inside or scope.former or (scope.is_new and indexed.count):
            return every
        if any(map(may_be_relocated, seen.others)):
            return every
        if self._recording.looks:
            sources = self._recording.with_leftovers()
            if not sources:
                return None
            few = len(sources) <= _FEW_SOURCES
            return ledger.owned_rows_of(sources, own_rows(self._scope, indexed.layout)) if few else every
        written = 0 if self._options.dry_run else self._tally.report.added
        mine, own = own_rows(self._scope, indexed.layout), indexed.own_count
        found = (ledger.count(mine) if written else own) - seen.rows - written
        if not found:
            return None
        if not 0 < len(seen.changed) <= _FEW_SOURCES:
            return every
        # Mostly they are the former chunks of what changed, and nothing else has to be looked at.
        former = [row for row in ledger.owned_rows_of(seen.changed, mine) if row.row_id not in seen.ids]
        return former if len(former) == found else every

    def _until_stopped(self, rows: Iterable[OwnedRow]) -> Iterator[OwnedRow]:
        for row in rows:
            self._check_stop()
            yield row

    def _place_of(self, root: str) -> str | None:
        return place_called(self._scope.known, root)
