"""A collection that follows its files: a sync at the beginning, and one after each change."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import InputError, MilvusRagError, StoreError
from ..stores.milvus import MilvusStore
from .embedding_requests import StoppedError
from .loader_protocols import WatchableLoader
from .options import SyncOptions
from .report import SyncReport
from .run import SyncRun

# A burst of changes is over when nothing has happened for so long, or has lasted so long that it does not wait.
_QUIET_MS = 100
_LONGEST_BURST_MS = 1600
_LOOK_MS = 500
_WAIT_SECONDS = 0.2
# After something failed that concerns all files, the next try is made after so many seconds, and then later and later.
_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, kw_only=True)
class Watching:
    """Who is told of what a watch does, and what ends it.

    Attributes:
        on_report: Told of each run's loader and report.
        on_error: Told of a loader and of what kept its files from being indexed. It is tried again.
        stop: Ends the watch, a run within a second; Ctrl-C does so too.
    """

    on_report: Callable[[BaseLoader, SyncReport], None] = lambda *_: None
    on_error: Callable[[BaseLoader, MilvusRagError], None] = lambda *_: None
    stop: threading.Event


def watch(
    loaders: Sequence[BaseLoader],
    splitter: BaseDocumentTransformer,
    store: MilvusStore,
    watching: Watching,
    options: SyncOptions | None = None,
    *,
    leave_out: Sequence[Path] = (),
) -> None:
    """Sync at once, and again whenever a file changed, until it is stopped.

    Changes that follow each other within a tenth of a second are one run, and what changes during a run is the next.
    A file that fails ends nothing; neither does an embedding that fails, nor a folder that is away for a while.

    Args:
        loaders: They say by ``watched`` and ``concerns`` what they are to be run again for, as `MarkdownLoader` does.
        splitter: See `sync`.
        store: See `sync`.
        watching: Who is told, and what ends it.
        options: See `sync`.
        leave_out: Files and folders whose changes say nothing, such as a database below a folder that is watched.

    Raises:
        InputError: A loader's files cannot be watched, or are not there.
        StoreError: Milvus failed; with a new store it can be begun again.
        KeyboardInterrupt: Ctrl-C.
    """
    watched = {id(loader): _watched(loader) for loader in loaders}
    folders = [folder for folder, _ in watched.values()]
    left_out = [path.resolve() for path in leave_out]
    due: dict[int, float] = {id(loader): 0.0 for loader in loaders}
    pauses: dict[int, float] = {}
    # The first look comes when watching has begun, so that nothing falls between the first run and it.
    for changed in _changes(folders, watching.stop):
        paths = [path for path in changed if not any(path.is_relative_to(left) for left in left_out)]
        for loader in loaders:
            own = id(loader)
            _, concerns = watched[own]
            is_due = own in due and time.monotonic() >= due[own]
            if not is_due and not any(map(concerns, paths)):
                continue
            try:
                report = SyncRun(loader, splitter, store, options or SyncOptions(), _StopOfRun(watching.stop)).run()
            except StoppedError:
                return
            except StoreError:
                raise
            except MilvusRagError as exc:
                pauses[own] = min(2 * pauses.get(own, _FIRST_PAUSE / 2), _LONGEST_PAUSE)
                due[own] = time.monotonic() + pauses[own]
                watching.on_error(loader, exc)
                continue
            due.pop(own, None)
            pauses.pop(own, None)
            watching.on_report(loader, report)


class _StopOfRun(threading.Event):
    """Stops one run: set by the run itself at its end, and taken for set when the watch is to end.

    Args:
        watch: Ends the watch.
    """

    def __init__(self, watch: threading.Event) -> None:
        super().__init__()
        self._watch = watch

    def is_set(self) -> bool:
        """Whether either is set."""
        return super().is_set() or self._watch.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until either is set."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = _WAIT_SECONDS if end is None else min(end - time.monotonic(), _WAIT_SECONDS)
            if left <= 0:
                return False
            super().wait(left)
        return True


def _watched(loader: BaseLoader) -> tuple[Path, Callable[[Path], bool]]:
    folder = loader.watched if isinstance(loader, WatchableLoader) else None
    if folder is None or not isinstance(loader, WatchableLoader):
        raise InputError("Only files and folders of this machine can be watched. Index an address again by and by.")
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} that could be watched. Check the path.")
    return folder, loader.concerns


def _changes(folders: Sequence[Path], stop: threading.Event) -> Iterator[list[Path]]:
    """What changed, again and again; nothing where nothing did for a while."""
    import watchfiles

    found = watchfiles.watch(
        *dict.fromkeys(folders),
        watch_filter=None,
        debounce=_LONGEST_BURST_MS,
        step=_QUIET_MS,
        stop_event=stop,
        rust_timeout=_LOOK_MS,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    for changes in found:
        yield [Path(path) for _, path in changes]
