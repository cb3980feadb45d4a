"""What does a sync: this process, or an engine that it is spread over."""

import sys
from contextlib import contextmanager, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import InputError
from .index_options import EngineOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.document_loaders import BaseLoader

    from .indexing.report import SyncReport


@contextmanager
def configured_sync(
    engine: EngineOptions | None, loaders: "Sequence[BaseLoader]", **options: Any
) -> "Iterator[Callable[..., SyncReport]]":
    """`sync` with its options, or what does the same on an engine, to which there is one connection meanwhile.

    Raises:
        InputError: The engine cannot load what is to be loaded.
        EngineError: There is no such engine.
    """
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
