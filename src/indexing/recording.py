"""Which sources of a run are as the collection has recorded them, and what it is to record of the others."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..extras import own_version
from ..source_versions import SourceVersion
from .chunks import Chunk, StoredRow
from .comparison import Comparison, Expected
from .loader_protocols import VersionedLoader
from .scope import Scope
from .source_records import SourceRecord, SourceRows, made_by_digest, row_version
from .splitting import FingerprintedSplitter, splitter_fingerprint

if TYPE_CHECKING:
    from concurrent.futures import Future

# Version of the records, and of the rows that `sync` makes of chunks.
_FORMAT = 1
_TOKEN_BYTES = 6


def tells_versions(loader: BaseLoader, splitter: BaseDocumentTransformer) -> bool:
    """Whether a loader and a splitter say all that their chunks depend on.

    Both must say so themselves: what a class of somebody else's derives from ours may make other chunks.
    """
    return (
        isinstance(loader, VersionedLoader)
        and "load_changed" in vars(type(loader))
        and isinstance(splitter, FingerprintedSplitter)
        and "fingerprint" in vars(type(splitter))
    )


@dataclass(slots=True)
class _Version:
    digest: str
    made_by: str
    facts: str

    @property
    def of_rows(self) -> str:
        return row_version(self.digest, self.made_by)

    def record_of(self, rows: SourceRows) -> SourceRecord:
        return SourceRecord(self.digest, self.made_by, rows.rows, rows.sum, self.facts)


@dataclass(slots=True)
class _Read:
    """A source that was read, and of which there may be rows.

    Attributes:
        version: Its version.
        first: Id of its first chunk's row.
        count: How many chunks it has.
        stored: Its rows as they will be, and the record that its first row keeps.
        found: How many of them were there.
    """

    version: _Version
    first: str
    count: int
    stored: SourceRows = field(default_factory=SourceRows)
    found: int = 0


class Recording:
    """Told of every source of a run, says what need not be read, and afterwards what is to be recorded.

    Args:
        loader: Gives the sources.
        splitter: Cuts them.
        scope: What the run covers.

    Attributes:
        is_possible: Whether versions are told at all.
        known: Sources that are as they are recorded.
    """

    def __init__(self, loader: BaseLoader, splitter: BaseDocumentTransformer, scope: Scope) -> None:
        self.is_possible = tells_versions(loader, splitter)
        self.known: set[str] = set()
        self._root = scope.root
        self._covers = scope.covers
        self._leaves_out = scope.leaves_out
        self._are_new = scope.is_new
        self._looking: Future[dict[str, SourceRows]] | None = None
        self._versions: dict[str, _Version] = {}
        self._read: dict[str, _Read] = {}
        # A row that is written without a version has one of its own, so that no record takes it for another.
        self._unknown = secrets.token_hex(_TOKEN_BYTES)
        splits = f"{type(splitter).__module__}.{type(splitter).__qualname__} {splitter_fingerprint(splitter)}"
        # A file's title may be that of its folder, so the same file in a folder known as a whole may have another.
        self._made_by = cache(
            lambda reading: made_by_digest(str(_FORMAT), own_version(), splits, scope.prefix, reading)
        )

    @property
    def looks(self) -> bool:
        """Whether the rows were looked at before anything was read."""
        return self._looking is not None

    def look_at(self, looking: "Future[dict[str, SourceRows]]") -> None:
        """Take the rows that there are, summed up by source; they may come later."""
        self._looking = looking

    def none_is_there(self) -> None:
        """Take note that there is no row at all."""
        self._are_new = True

    # --- while sources are read

    def rows_if_known(self, source: str, version: SourceVersion) -> int | None:
        """How many rows a source has, if they are of this version of it; None if it has to be read."""
        made_by = self._made_by(version.reading)
        rows = self._found.get(source)
        if rows is not None and rows.is_whole and rows.record is not None and rows.record.is_of(version, made_by):
            self.known.add(source)
            return rows.rows
        self._versions[source] = _Version(version.digest, made_by, version.facts or "")
        return None

    def version_of(self, source: str) -> str:
        """What the rows of a source that is read carry as its version."""
        version = self._versions.get(source)
        return version.of_rows if version is not None else self._unknown

    def with_record(self, source: str, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks of a source that was read, the first with its record where none of its rows is there."""
        version = self._versions.pop(source, None)
        if version is None or not chunks:
            return chunks
        if not self._is_new(source):
            self._read[source] = _Read(version, chunks[0].row_id, len(chunks))
            return chunks
        rows = SourceRows()
        for chunk in chunks:
            rows.add_version(chunk.row_id, chunk.version)
        return [replace(chunks[0], record=version.record_of(rows).encoded), *chunks[1:]]

    def compared(self, group: Sequence[Expected], stored: Mapping[str, StoredRow], found: Comparison) -> None:
        """Take chunks that were compared with the rows under their ids."""
        if not self._read:
            return
        written = {chunk.row_id for chunks in (found.added, found.moved, found.replaced) for chunk in chunks}
        for chunk, _ in group:
            read = self._read.get(chunk.source)
            if read is None:
                continue
            row = stored.get(chunk.row_id)
            if row is not None:
                read.found += self._root in row.roots
                read.stored.is_shared = read.stored.is_shared or row.roots != (self._root,)
            if row is None or chunk.row_id in written:
                read.stored.add_version(chunk.row_id, chunk.version)
            else:
                read.stored.add_version(chunk.row_id, row.version)
                if chunk.row_id == read.first:
                    read.stored.record = row.record

    # --- at the end

    def with_leftovers(self) -> list[str]:
        """Sources of which there are rows of this root that are no chunks of theirs any more."""
        return [
            source
            for source, rows in self._found.items()
            if source not in self.known and rows.rows > self._kept(source) and self._covers(source)
        ]

    def left_out(self) -> list[str]:
        """Sources of this root whose files are there, and which are not chosen any more."""
        return sorted(source for source in self._found if source not in self.known and self._leaves_out(source))

    def due(self, failed: Collection[str]) -> dict[str, str]:
        """What is to be recorded, by the id of the row that keeps it. Of what failed, nothing is."""
        due = {}
        for source, read in self._read.items():
            rows = read.stored
            if source in failed or rows.is_shared or rows.rows != read.count:
                continue
            if not self._is_recorded(read):
                due[read.first] = read.version.record_of(rows).encoded
        return due

    def _is_recorded(self, read: _Read) -> bool:
        record = read.stored.record
        if record is None:
            return False
        wanted = read.version.record_of(read.stored)
        # Facts alone are not worth a write: the next run reads the file, and no more.
        return record._replace(facts=wanted.facts) == wanted

    def _kept(self, source: str) -> int:
        read = self._read.get(source)
        return read.found if read is not None else 0

    def _is_new(self, source: str) -> bool:
        return self._are_new or (self.looks and source not in self._found)

    @property
    def _found(self) -> Mapping[str, SourceRows]:
        return self._looking.result() if self._looking is not None else {}
