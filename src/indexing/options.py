"""What a sync is asked for."""

from dataclasses import dataclass

from ..errors import InputError
from ..source_parts import check_shard
from .report import OnProgress


@dataclass(frozen=True, kw_only=True)
class SyncOptions:
    """What `sync` is asked for."""

    scope: str | None = None
    shard: tuple[int, int] | None = None
    prune: bool = True
    dry_run: bool = False
    verify: bool = False
    batch_size: int | None = None
    max_concurrency: int = 8
    on_progress: OnProgress | None = None

    def __post_init__(self) -> None:
        check_shard(self.shard)
        if self.max_concurrency < 1 or (self.batch_size is not None and self.batch_size < 1):
            raise InputError("max_concurrency and batch_size are at least 1.")
