"""What a sync did, and how far it is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# What adds up over runs that each did a part.
_SUMS = ("sources", "added", "moved", "unchanged", "removed", "embedded", "requests", "estimated_tokens")


@dataclass(frozen=True)
class Failure:
    """Something that could not be indexed; what was indexed of it before stays as it was.

    Attributes:
        source: File or other source.
        reason: What is wrong, and what to do.
        chunk: Number of the chunk in its source, from 0; None when it concerns the source as a whole.
    """

    source: str
    reason: str
    chunk: int | None = None


@dataclass
class SyncReport:
    """Counts of one run, in chunks where nothing else is said.

    Attributes:
        sources: Sources that were read.
        added: Chunks that are new.
        moved: Chunks whose text was there, and whose position or metadata changed.
        unchanged: Chunks that were there as they are.
        removed: Chunks that were there and are gone.
        pruned: Names of sources that are gone.
        embedded: Texts that were embedded; vectors of known texts are taken from the collection.
        requests: Embedding requests that were sent, repeated ones included.
        estimated_tokens: Of the texts to embed, at four characters a token.
        failed: What could not be indexed.
        taken: Of a dry run, the names of files that would be read, where the loader tells.
        passed_over: Of a dry run, files and folders that would not, with the reason.
        notes: What a user should know, e.g. that the splitter changed.
        seconds: Wall time.
        dry_run: Whether nothing was written.
        interrupted: Whether it was stopped before its end; the next run completes it.
    """

    sources: int = 0
    added: int = 0
    moved: int = 0
    unchanged: int = 0
    removed: int = 0
    pruned: list[str] = field(default_factory=list)
    embedded: int = 0
    requests: int = 0
    estimated_tokens: int = 0
    failed: list[Failure] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    passed_over: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    dry_run: bool = False
    interrupted: bool = False

    @property
    def changed(self) -> bool:
        """Whether the collection was, or in a dry run would be, changed."""
        return bool(self.added or self.moved or self.removed)

    @classmethod
    def merged(cls, reports: "Sequence[SyncReport]") -> "SyncReport":
        """One report of runs beside each other, such as the shards of one loader. ``seconds`` is the longest run's."""
        return cls(
            **{name: sum(getattr(report, name) for report in reports) for name in _SUMS},
            pruned=sorted({source for report in reports for source in report.pruned}),
            failed=[failure for report in reports for failure in report.failed],
            taken=sorted({source for report in reports for source in report.taken}),
            passed_over={source: why for report in reports for source, why in report.passed_over.items()},
            notes=list(dict.fromkeys(note for report in reports for note in report.notes)),
            seconds=max((report.seconds for report in reports), default=0.0),
            dry_run=any(report.dry_run for report in reports),
            interrupted=any(report.interrupted for report in reports),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class SyncProgress:
    """How far a sync is.

    Attributes:
        sources_read: Sources that were read so far.
        sources_total: Of how many; None where the loader does not tell.
        chunks_done: Chunks that are stored or were found unchanged.
    """

    sources_read: int
    sources_total: int | None
    chunks_done: int

    @classmethod
    def merged(cls, parts: "Sequence[SyncProgress]") -> "SyncProgress":
        """How far runs beside each other are together."""
        totals = [part.sources_total for part in parts]
        known = [total for total in totals if total is not None]
        return cls(
            sum(part.sources_read for part in parts),
            sum(known) if known and len(known) == len(totals) else None,
            sum(part.chunks_done for part in parts),
        )


OnProgress = Callable[[SyncProgress], None]


class SyncInterrupted(KeyboardInterrupt):
    """Ctrl-C during a sync.

    Attributes:
        report: How far it got. What is stored is stored, and the next run completes the rest.
    """

    def __init__(self, report: SyncReport) -> None:
        super().__init__("The sync was interrupted; the next run completes it.")
        self.report = report
