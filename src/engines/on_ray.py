"""A sync on Ray: shards as tasks, which Ray places, and gives to another worker where one is lost."""

import contextlib
import math
import pickle
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import EngineError, InputError, LoaderError
from ..indexing.loader_protocols import ListingLoader, ShardableLoader
from ..indexing.options import SyncOptions
from ..indexing.prune import prune as prune_gone
from ..indexing.reading import quiet
from ..indexing.report import OnProgress, SyncInterrupted, SyncProgress, SyncReport
from ..stores.connection import is_file_uri
from ..stores.milvus import MilvusStore
from .part import Work, sync_part
from .ray_cluster import connected

# For each worker, so that one that is done early, or a lost one's, finds more to do. More shards cost more listings.
_SHARDS_PER_WORKER = 4
# How often a shard is begun again whose worker was lost; Ray's own default, said since it is promised.
_RETRIES = 3
_PROGRESS_SECONDS = 0.5
_MOVE = "move the index to a server: milvus-rag copy --to URI"


def sync_on_ray(
    loader: BaseLoader,
    splitter: BaseDocumentTransformer,
    store: MilvusStore,
    *,
    address: str | None = None,
    workers: int | None = None,
    shards: int | None = None,
    cpus: float = 1.0,
    gpus: float = 0.0,
    scope: str | None = None,
    prune: bool = True,
    dry_run: bool = False,
    batch_size: int | None = None,
    max_concurrency: int = 8,
    on_progress: OnProgress | None = None,
) -> SyncReport:
    """`sync`, spread over the workers of a Ray cluster: the rows are those of one process.

    Loader, splitter and store are pickled and sent to the workers. There, files must be at the same paths, and keys
    that are taken from the environment must be in the workers' environment. What is gone is removed at the end.

    Args:
        loader: See `sync`. One that knows no parts is loaded by each shard as a whole.
        splitter: See `sync`.
        store: See `sync`. Of Milvus Lite, only with one worker, and of a file of it on this machine.
        address: Of the cluster; see `ray_cluster.connected`.
        workers: How many shards are indexed at once; by default as many as the cluster has room for.
        shards: Into how many parts the sources are cut; by default four a worker. A lost worker costs one of them.
        cpus: That Ray keeps free for each worker.
        gpus: The same, for an embedding model that uses one; a part of one, such as 0.25, is shared.
        scope: See `sync`.
        prune: See `sync`.
        dry_run: See `sync`.
        batch_size: See `sync`.
        max_concurrency: See `sync`; of each worker.
        on_progress: See `sync`; called from the caller's thread.

    Returns:
        What all of them did, as one.

    Raises:
        EngineError: There is no cluster, or one shard lost worker after worker.
        InputError: The cluster has fewer workers, it is Milvus Lite, or something cannot be pickled.
        MissingExtraError: Ray is not installed.
        MilvusRagError: As `sync`. Shards that were done are stored.
        SyncInterrupted: As `sync`, with the report of the shards that were done.
    """
    # Refused here, and not by each worker.
    SyncOptions(scope=scope, batch_size=batch_size, max_concurrency=max_concurrency)
    for name, number in (("workers", workers), ("shards", shards)):
        if number is not None and number < 1:
            raise InputError(f"{name} is at least 1, not {number}.")
    if cpus < 0 or gpus < 0 or not cpus + gpus:
        raise InputError(f"cpus and gpus are at least 0, and one of them more, not {cpus} and {gpus}.")
    _check_writers(store, workers)
    started = time.monotonic()
    work = Work(
        loader=loader,
        splitter=splitter,
        store=store,
        new_properties=dict(store.collection.new_properties),
        language=store.chosen_language,
        folder=str(Path.cwd()),
        options={"scope": scope, "dry_run": dry_run, "batch_size": batch_size, "max_concurrency": max_concurrency},
    )
    with connected(address, _cores(workers, cpus)) as ray:
        resources = {"num_cpus": cpus, "num_gpus": gpus}
        _check_machine(ray, store, address)
        room = workers or _room(ray, cpus, gpus)
        count = shards or (room * _SHARDS_PER_WORKER if isinstance(loader, ShardableLoader) else room)
        total = _count(loader) if on_progress else None
        with _places(ray, workers, resources) as placed:
            reports = _run(ray, work, count, {**resources, **placed}, on_progress, total)
    # Workers created it, or wrote to it.
    store.collection.refresh()
    if prune:
        # Its sources were counted, and what cannot be read was told.
        last = prune_gone(loader, store, scope=scope, dry_run=dry_run)
        reports.append(replace(last, sources=0, failed=[]))
    return replace(SyncReport.merged(reports), seconds=time.monotonic() - started)


def _check_writers(store: MilvusStore, workers: int | None) -> None:
    """On Milvus Lite, processes that change a collection at once are in each other's way."""
    if store.server.lite and workers != 1:
        raise InputError(
            f"Milvus Lite ({store.server.uri}) takes one process that writes. Ask for one worker (--workers 1), or "
            f"{_MOVE}."
        )


def _check_machine(ray: Any, store: MilvusStore, address: str | None) -> None:
    if is_file_uri(store.server.uri) and (address is not None or sum(node["Alive"] for node in ray.nodes()) > 1):
        raise InputError(
            f"The Milvus Lite database {store.server.uri} is a file of this machine, which a worker on another one "
            f"cannot write. Leave out the address (--address), or {_MOVE}."
        )


def _cores(workers: int | None, cpus: float) -> int | None:
    """Of a cluster that is started for so many workers."""
    return None if workers is None else max(1, math.ceil(workers * cpus))


def _room(ray: Any, cpus: float, gpus: float) -> int:
    """How many workers the cluster has room for now."""
    has = ray.cluster_resources()
    rooms = [has.get(kind, 0.0) // wanted for kind, wanted in (("CPU", cpus), ("GPU", gpus)) if wanted]
    return max(1, int(min(rooms)))


def _count(loader: BaseLoader) -> int | None:
    silent = quiet(loader)
    try:
        return sum(1 for _ in silent.sources()) if isinstance(silent, ListingLoader) else None
    except LoaderError:
        # The shards raise it too.
        return None


@contextlib.contextmanager
def _places(ray: Any, workers: int | None, resources: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """Options by which a task takes one of so many places; of all that the cluster has where nobody says how many.

    They are one of Ray's placement groups. A place on a node that is lost is Ray's to find anew; the others go on.
    """
    if workers is None:
        yield {}
        return
    cpus, gpus = resources["num_cpus"], resources["num_gpus"]
    if (room := _room(ray, cpus, gpus)) < workers:
        raise InputError(
            f"The Ray cluster has room for {room} workers of {cpus:g} CPU and {gpus:g} GPU, not for {workers}. Ask for "
            f"fewer (--workers), or for as many as there are by leaving it out."
        )
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    bundle = {kind: number for kind, number in (("CPU", cpus), ("GPU", gpus)) if number}
    group = placement_group([bundle] * workers, strategy="SPREAD")
    try:
        yield {"scheduling_strategy": PlacementGroupSchedulingStrategy(group)}
    finally:
        remove_placement_group(group)


def _run(
    ray: Any, work: Work, count: int, options: Mapping[str, Any], on_progress: OnProgress | None, total: int | None
) -> list[SyncReport]:
    """Have all shards synced, and return their reports."""
    board = ray.remote(_Board).options(num_cpus=0).remote() if on_progress else None
    # Once, and not as an argument of each task; as bytes, since Ray describes an object that it cannot send.
    sent = ray.put(_packed(ray, work))
    task = ray.remote(_sync_on_worker)
    # What the dashboard shows of a task is this name.
    named = {
        task.options(max_retries=_RETRIES, name=f"milvus-rag shard {number} of {count}", **options).remote(
            sent, (number, count), board
        ): number
        for number in range(1, count + 1)
    }
    pending = list(named)
    reports: dict[int, SyncReport] = {}
    try:
        while pending:
            done, pending = ray.wait(pending, timeout=_PROGRESS_SECONDS if board else None)
            for reference in done:
                reports[named[reference]] = ray.get(reference)
            if on_progress and board is not None:
                _tell(ray, board, on_progress, total)
    except KeyboardInterrupt:
        _cancel(ray, pending)
        report = SyncReport.merged(list(reports.values()))
        report.interrupted = True
        report.notes.append(f"{len(reports)} of {count} shards were done.")
        raise SyncInterrupted(report) from None
    except ray.exceptions.RayError as exc:
        _cancel(ray, pending)
        cause = getattr(exc, "cause", None)
        if isinstance(cause, Exception):
            # What `sync` raised there.
            raise cause from exc
        raise EngineError(
            f"Ray lost a worker, {_RETRIES + 1} times the same shard's ({type(exc).__name__}). What was stored is "
            f"stored: run the same command again. If it is lost again, look at Ray's logs: mostly it is a worker that "
            f"takes more memory than its node has."
        ) from exc
    return [reports[number] for number in sorted(reports)]


def _packed(ray: Any, work: Work) -> bytes:
    for part in (work.loader, work.splitter, work.store):
        try:
            ray.cloudpickle.dumps(part)
        except Exception as exc:
            raise InputError(
                f"{type(part).__name__} cannot be sent to other processes ({type(exc).__name__}: {exc}). What it holds "
                f"must be picklable: no locks, connections or open files."
            ) from exc
    return bytes(ray.cloudpickle.dumps(work))


def _cancel(ray: Any, pending: Sequence[Any]) -> None:
    for reference in pending:
        with contextlib.suppress(ray.exceptions.RayError):
            ray.cancel(reference)


def _tell(ray: Any, board: Any, on_progress: OnProgress, total: int | None) -> None:
    try:
        parts = ray.get(board.told.remote())
    except ray.exceptions.RayError:
        # It was on a node that is gone; the run itself is not.
        return
    on_progress(replace(SyncProgress.merged(parts), sources_total=total))


class _Board:
    """Where workers write how far they are: an actor of Ray's."""

    def __init__(self) -> None:
        self._parts: dict[int, SyncProgress] = {}

    def tell(self, number: int, progress: SyncProgress) -> None:
        """Take how far a shard is; one that is begun again begins at nothing."""
        self._parts[number] = progress

    def told(self) -> list[SyncProgress]:
        """How far all of them are."""
        return list(self._parts.values())


def _sync_on_worker(packed: bytes, shard: tuple[int, int], board: Any) -> SyncReport:
    """The task, in a worker."""
    work = pickle.loads(packed)  # noqa: S301 - the caller's own
    if board is None:
        return sync_part(work, shard)
    number, _ = shard
    report = sync_part(work, shard, lambda now: board.tell.remote(number, now))
    done = report.unchanged + report.added + report.moved
    board.tell.remote(number, SyncProgress(report.sources, report.sources, done))
    return report
