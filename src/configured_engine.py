"""What does a sync: this process, into the collection or into files, or an engine that it is spread over."""

import sys
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .index_options import BulkOptions, EngineOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from langchain_core.document_loaders import BaseLoader

    from .indexing.report import SyncReport


@contextmanager
def configured_sync(
    engine: EngineOptions | None,
    loaders: "Sequence[BaseLoader]",
    *,
    bulk: BulkOptions | None = None,
    **options: Any,
) -> "Iterator[Callable[..., SyncReport]]":
    """`sync` with its options, or what does the same on an engine, to which there is one connection meanwhile.

    Raises:
        InputError: The engine cannot load what is to be loaded.
        EngineError: There is no such engine.
    """
    if bulk is not None:
        yield _bulk_sync(bulk, options)
        return
    if engine is None:
        from .indexing.sync import sync

        yield partial(sync, **options)
        return
    from .engines.on_ray import sync_on_ray
    from .engines.ray_cluster import connected
    from .loaders.site import SiteLoader

    if any(isinstance(loader, SiteLoader) for loader in loaders):
        raise InputError("A site is loaded by one process, which asks slowly: leave out the engine (--engine).")
    # Ray prints what becomes of its workers, where the command may be printing JSON.
    with redirect_stdout(sys.stderr), connected(engine.address, engine.workers):
        yield partial(sync_on_ray, address=engine.address, workers=engine.workers, gpus=engine.gpus, **options)


def _bulk_sync(bulk: BulkOptions, options: "Mapping[str, Any]") -> "Callable[..., SyncReport]":
    from .indexing.bulk import bulk_load
    from .indexing.options import SyncOptions

    def load(loader: "BaseLoader", splitter: Any, store: Any, **more: Any) -> "SyncReport":
        asked = SyncOptions(**options, **more)
        return bulk_load(
            loader,
            splitter,
            store,
            bulk.target,
            asked,
            token=bulk.token,
            db_name=bulk.db_name,
            timeout=bulk.timeout,
        )

    return load
