"""What a collection records of a source, so that a run that finds the same version of it need not look at its rows.

A source's first row carries the record: a digest of its content, one of all else that its rows are made by, how many
rows there are, and a sum over their ids and versions. Each row carries the version that it was written of. A record
counts only while the rows are the ones that it sums up, so it needs no order of writes: rows of a run that died, rows
that somebody deleted, restored, or wrote for another version of the source all make another sum.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..chunk_keys import RECORD_KEY, VERSION_KEY
from ..source_versions import SourceVersion

_SUMS = 2**64
_SUM_BYTES = 8
# 48 bits: it tells versions of one source apart.
_VERSION_CHARS = 12
_MADE_BY_CHARS = 16
_SEPARATOR = ":"


class SourceRecord(NamedTuple):
    """What is recorded of a source.

    Attributes:
        digest: Of its content.
        made_by: Digest of all else that its rows are made by.
        rows: How many rows it has.
        sum: Of `row_number` over all of them, modulo 2^64.
        facts: What the file system said of the file; empty where that was no proof.
    """

    digest: str
    made_by: str
    rows: int
    sum: int
    facts: str

    @property
    def encoded(self) -> str:
        """As a row keeps it."""
        return _SEPARATOR.join((self.digest, self.made_by, str(self.rows), f"{self.sum:x}", self.facts))

    def is_of(self, version: SourceVersion, made_by: str) -> bool:
        """Whether this is the version that was recorded. Reads it only where its file does not tell."""
        if self.made_by != made_by:
            return False
        return (bool(self.facts) and self.facts == version.facts) or self.digest == version.digest


def decoded(value: Any) -> SourceRecord | None:
    """What a row keeps, read; None for what is no record."""
    if not isinstance(value, str):
        return None
    try:
        digest, made_by, rows, total, facts = value.split(_SEPARATOR)
        return SourceRecord(digest, made_by, int(rows), int(total, 16), facts)
    except ValueError:
        return None


def made_by_digest(*parts: str) -> str:
    """Digest of all that a source's rows are made by, beside its content."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:_MADE_BY_CHARS]


def row_version(digest: str, made_by: str) -> str:
    """What a row carries of the version that it was written of."""
    return hashlib.sha256(f"{made_by}{digest}".encode()).hexdigest()[:_VERSION_CHARS]


def row_number(row_id: str, version: str) -> int:
    """What a row adds to the sum of its source."""
    named = f"{row_id} {version}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(named, digest_size=_SUM_BYTES).digest(), "big")


def version_of(row: Mapping[str, Any]) -> str:
    """The version that a row was written of; empty for one of a loader that tells none, or of a version before."""
    found = row.get(VERSION_KEY)
    return found if isinstance(found, str) else ""


@dataclass(slots=True)
class SourceRows:
    """Rows of a source, summed up.

    Attributes:
        rows: How many there are.
        sum: Of `row_number` over them.
        is_shared: Whether another root has any of them too: then a run has to look whether that is still there.
        record: The record among them.
        has_one: Whether there is no other.
    """

    rows: int = 0
    sum: int = 0
    is_shared: bool = False
    record: SourceRecord | None = None
    has_one: bool = True

    def add(self, row_id: str, row: Mapping[str, Any], *, is_shared: bool) -> None:
        """Take a row that is stored."""
        self.add_version(row_id, version_of(row))
        self.is_shared = self.is_shared or is_shared
        if (recorded := row.get(RECORD_KEY)) is not None:
            self.has_one = self.record is None
            self.record = decoded(recorded)

    def add_version(self, row_id: str, version: str) -> None:
        """Take a row by its version."""
        self.rows += 1
        self.sum = (self.sum + row_number(row_id, version)) % _SUMS

    @property
    def is_whole(self) -> bool:
        """Whether the rows are those that were recorded."""
        record = self.record
        if record is None or self.is_shared or not self.has_one:
            return False
        return (record.rows, record.sum) == (self.rows, self.sum)
