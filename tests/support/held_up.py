"""Syncs that stop at a chosen point, as on a paused machine, until they are let on, and rebuilds that die at one."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from milvus_rag import sync
from milvus_rag.indexing import writer

from .pages import CountingEmbeddings, Lines, Pages, open_pages
from .rebuilding import Index

_PATIENCE_SECONDS = 120


class OtherLines(Lines):
    """Cuts as `Lines` does, and says that it is another: a sync has something to remember at its end."""

    fingerprint = "other lines"


@dataclass(frozen=True)
class Point:
    """Where a sync is held up.

    Attributes:
        name: For the test's name.
        owner: What has the function that is called there, as `pkgutil.resolve_name` takes it.
        function: Its name.
        call: At which call of it.
        after: Whether it is held up after the call, not before.
    """

    name: str
    owner: str
    function: str
    call: int = 1
    after: bool = False


CLIENT = "pymilvus:MilvusClient"
_ROWS = "milvus_rag.stores.collection_rows"
LOOK = Point("look", "milvus_rag.indexing.run", "look_at")
WRITE = Point("write", _ROWS, "write_packed")
SECOND_WRITE = Point("second write", _ROWS, "write_packed", call=2)
PROPERTIES = Point("properties", CLIENT, "alter_collection_properties")
DELETE = Point("delete", CLIENT, "delete")
SECOND_DELETE = Point("second delete", CLIENT, "delete", call=2)
NAME = Point("name", CLIENT, "create_alias")
NAMED = Point("named", CLIENT, "create_alias", after=True)


def _sync(uri: str, collection: str, pages: dict[str, str], point: Point, folder: Path, dies: bool) -> None:
    """Runs in the process. A row a request, so that there are several."""
    owner = resolve_name(point.owner)
    real: Callable[..., Any] = getattr(owner, point.function)
    calls = [0]

    def held_up(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] != point.call:
            return real(*arguments, **options)
        answer = real(*arguments, **options) if point.after else None
        (folder / "held").touch()
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            return answer if point.after else real(*arguments, **options)
        finally:
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)

    writer.ROWS_PER_REQUEST = 1  # type: ignore[misc]
    setattr(owner, point.function, held_up)
    try:
        with open_pages(uri, CountingEmbeddings(), collection) as store:
            sync(Pages(pages), OtherLines(), store)
    except Exception as exc:  # noqa: BLE001 - the test looks at it
        (folder / "outcome").write_text(type(exc).__name__)
    else:
        (folder / "outcome").write_text("complete")


def rebuild_pages(uri: str, collection: str, pages: dict[str, str], model: str, announce: Path | None = None) -> None:
    """Rebuild an index with an embedding; runs in a process of its own in the tests that kill it."""
    index = Index(uri, collection)
    index.embedding = CountingEmbeddings(model=model)
    if announce is not None:
        announce.touch()
    index.rebuild(pages, batch_size=2, max_concurrency=1)


def _die_in_rebuild(uri: str, collection: str, pages: dict[str, str], model: str, point: Point) -> None:
    owner = resolve_name(point.owner)
    real: Callable[..., Any] = getattr(owner, point.function)
    calls = [0]

    def die(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] != point.call:
            return real(*arguments, **options)
        if point.after:
            real(*arguments, **options)
        return os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, point.function, die)
    rebuild_pages(uri, collection, pages, model)


def processes() -> Any:
    """What starts fresh processes, without the seconds that the imports take each time."""
    context = multiprocessing.get_context("forkserver")
    # What takes long to import; the tests' own modules it does not find.
    context.set_forkserver_preload(["milvus_rag.indexing.rebuild", "langchain_text_splitters", "milvus_lite"])
    return context


def die_in_rebuild(uri: str, collection: str, pages: dict[str, str], model: str, point: Point) -> None:
    """Rebuild an index in a process that kills itself at a point."""
    process = processes().Process(target=_die_in_rebuild, args=(uri, collection, pages, model, point))
    process.start()
    process.join(_PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL, "it did not come there"


@contextmanager
def held_up(
    uri: str, collection: str, pages: dict[str, str], point: Point, folder: Path, *, dies: bool = False
) -> Iterator[Callable[[], str]]:
    """A sync of some pages, held up.

    Args:
        uri: Of a server.
        collection: See `open_pages`.
        pages: What it syncs, with the old embedding.
        point: Where it is held up.
        folder: An empty one.
        dies: Whether it is killed as soon as the call at that point is through.

    Yields:
        What lets it on, and says how it ended: ``"complete"``, ``"killed"``, or the name of an error.
    """
    process = processes().Process(target=_sync, args=(uri, collection, pages, point, folder, dies))
    process.start()

    def let_on() -> str:
        os.kill(process.pid or 0, signal.SIGCONT)
        process.join(_PATIENCE_SECONDS)
        if process.exitcode == -signal.SIGKILL:
            return "killed"
        assert process.exitcode == 0
        return (folder / "outcome").read_text()

    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (folder / "held").exists():
            assert process.is_alive(), (folder / "outcome").read_text()
            assert time.monotonic() < deadline, "it never came there"
            time.sleep(0.02)
        yield let_on
    finally:
        process.kill()
        process.join(_PATIENCE_SECONDS)
