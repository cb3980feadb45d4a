"""What a run has done so far, counted from several threads."""

import threading

from .chunks import Chunk
from .report import Failure, OnProgress, SyncProgress, SyncReport


class Tally:
    """Counts into a report, and calls back how far it is, one call at a time.

    Args:
        report: What is counted into.
        on_progress: See `sync`.

    Attributes:
        report: See above.
        sources_total: Of how many sources; None where nobody knows.
        failed_sources: Names of sources of which something could not be indexed: what is stored of them stays.
    """

    def __init__(self, report: SyncReport, on_progress: OnProgress | None) -> None:
        self.report = report
        self.sources_total: int | None = None
        self.failed_sources: set[str] = set()
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._chunks_done = 0

    @property
    def is_watched(self) -> bool:
        """Whether anybody wants to know how far it is."""
        return self._on_progress is not None

    def source_read(self) -> None:
        """A source was read."""
        with self._lock:
            self.report.sources += 1
            self._tell()

    def unchanged(self, chunks: int) -> None:
        """Chunks were found as they are."""
        with self._lock:
            self.report.unchanged += chunks
            self._done(chunks)

    def claimed(self, chunks: int) -> None:
        """Chunks were found that only other roots have so far."""
        with self._lock:
            self._done(chunks)

    def moved(self, chunks: int) -> None:
        """Chunks were stored whose text was there."""
        with self._lock:
            self.report.moved += chunks
            self._done(chunks)

    def added(self, chunks: int) -> None:
        """Chunks were stored that are new."""
        with self._lock:
            self.report.added += chunks
            self._done(chunks)

    def chunk_failed(self, chunk: Chunk, reason: Exception) -> None:
        """A chunk could not be indexed."""
        self._fail(Failure(chunk.source, str(reason) or type(reason).__name__, chunk.position))

    def source_failed(self, source: str, reason: str) -> None:
        """A source could not be indexed as a whole."""
        self._fail(Failure(source, reason))

    def _fail(self, failure: Failure) -> None:
        with self._lock:
            self.failed_sources.add(failure.source)
            self.report.failed.append(failure)

    def _done(self, chunks: int) -> None:
        if chunks:
            self._chunks_done += chunks
            self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            self._on_progress(SyncProgress(self.report.sources, self.sources_total, self._chunks_done))
