"""What the commands say of files that are watched."""

import logging
from typing import TYPE_CHECKING, Any

from .output import end_interrupted, printable, say, summary

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from ..indexing.report import SyncReport
    from ..settings import Settings


def check_watchable(
    paths: list[str], *, dry_run: bool = False, json: bool = False, prune_only: bool = False, engine: bool = False
) -> None:
    """Refuse what cannot be watched, before anything is indexed.

    Raises:
        InputError: A path is an address, or another option contradicts.
    """
    from ..errors import InputError
    from ..loaders.download import is_url, public_path

    if address := next((path for path in paths if is_url(path)), None):
        raise InputError(
            f"{public_path(address)} cannot be watched (--watch), only files and folders can. Index it again now and "
            f"then."
        )
    options = {"--dry-run": dry_run, "--json": json, "--prune-only": prune_only, "--engine": engine}
    if other := next((name for name, is_given in options.items() if is_given), None):
        raise InputError(f"A watch (--watch) writes, and goes on until it is stopped: leave out {other}.")


def follow(settings: "Settings", paths: list[str], **options: Any) -> None:
    """Index again whenever a file changes, until Ctrl-C, which ends the program."""
    import threading

    from ..pipeline import watch_index

    say(f"Watching {', '.join(paths)}. Ctrl-C ends it.")
    try:
        watch_index(settings, paths, threading.Event(), **Following(say).told, **options)
    except KeyboardInterrupt:
        end_interrupted("Stopped watching.")


def following_beside(settings: "Settings", paths: list[str]) -> "Callable[[threading.Event], None]":
    """What keeps the collection as the files are beside a server, in its process; what it does is logged."""
    from ..pipeline import watch_index

    log = logging.getLogger("milvus_rag.server")
    following = Following(lambda line: log.info("%s", line), lambda line: log.warning("%s", line))
    return lambda stop: watch_index(settings, paths, stop, **following.told)


class Following:
    """Says what a watch does: runs that changed something, and failures when they are new.

    Args:
        tell: Takes a line.
        warn: Takes one that tells of a failure; `tell` does without it.
    """

    def __init__(self, tell: "Callable[[str], None]", warn: "Callable[[str], None] | None" = None) -> None:
        self._tell = tell
        self._warn = warn or tell
        self._failed: dict[str, set[str]] = {}
        self._noted: dict[str, set[str]] = {}

    @property
    def told(self) -> dict[str, Any]:
        """Its two halves, as `watch_index` takes them."""
        return {"on_report": self.on_report, "on_error": self.on_error}

    def on_report(self, path: str, report: "SyncReport") -> None:
        """Say what a run did."""
        failed = {printable(f"{failure.source}: {failure.reason}") for failure in report.failed}
        for line in sorted(failed - self._failed.get(path, set())):
            self._warn(f"Failed: {line}")
        self._failed[path] = failed
        # Such as that nothing is pruned while a file cannot be read.
        notes = {printable(note) for note in report.notes}
        for line in sorted(notes - self._noted.get(path, set())):
            self._tell(f"Note: {line}")
        self._noted[path] = notes
        if report.changed:
            self._tell(summary(path, report))

    def on_error(self, path: str, error: Exception) -> None:
        """Say what was in the way of a run; once as long as it is the same."""
        line = printable(f"{path}: {error}")
        if self._failed.get(path) != {line}:
            self._warn(f"Not indexed, and tried again: {line}")
        self._failed[path] = {line}
