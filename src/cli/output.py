"""What the commands print: results to stdout, everything else to stderr, errors in one line."""

import codecs
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from ..chunk_keys import (
    END_LINE_KEY,
    SCORE_KEY,
    SOURCE_KEY,
    START_LINE_KEY,
    are_only_nearest,
    original_place,
    path_of,
)

if TYPE_CHECKING:
    from langchain_core.documents import Document
    from rich.table import Table

    from ..chains.citations import Citation
    from ..indexing.report import SyncProgress, SyncReport

INTERRUPTED = 130
COUNTS = ("added", "moved", "unchanged", "removed")
"""What a run counts of chunks."""

# Columns of a table that goes to a file or another program: no line is broken.
_UNLIMITED = 1000
# What a terminal obeys, or what makes a line look like another: control characters but the tab, line separators,
# changes of direction, and the halves of characters that names of files may hold.
_CONTROLS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# These write tracebacks of errors that we report in one line.
_NOISY = (
    "asyncio",
    "google_genai",
    "grpc",
    "httpx",
    "httpx2",
    "langchain_milvus",
    "milvus_lite",
    "pymilvus",
    "pymilvus.decorators",
)
# These write each request's URL, with the user's name, password and query that it may have.
_TELLTALE = ("httpcore", "httpcore2", "httpx", "httpx2")


def printable(text: str) -> str:
    """Text of strangers, such as a file's name, in one line and without orders to the terminal: they are spelt out."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def printable_lines(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def print_table(table: "Table") -> None:
    """Print a table; into a file or for another program with all that is in it."""
    from rich.console import Console

    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNLIMITED
    console.print(table)


def print_json(document: Any) -> None:
    """Print a JSON document for other programs, who read it as UTF-8: in ASCII where stdout writes anything else."""
    text = json.dumps(document, ensure_ascii=False, indent=2, default=str)
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    if not is_utf8 or any("\ud800" <= character <= "\udfff" for character in text):
        text = json.dumps(document, indent=2, default=str)
    typer.echo(text)


def print_in_any_locale() -> None:
    """Write what the terminal's encoding has no character for as an escape, in place of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(message: str) -> None:
    """Say something beside the result."""
    typer.echo(printable_lines(message), err=True)


def configure_logging(*, verbose: bool) -> None:
    """Send warnings and logs to stderr, a line each; of the libraries underneath only when asked to."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.INFO if verbose else logging.WARNING)
    for name in _TELLTALE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _NOISY if not verbose else ():
        logging.getLogger(name).setLevel(logging.CRITICAL)
        # pymilvus sets the levels of its loggers at import, and leaves their filters alone.
        logging.getLogger(name).addFilter(_is_critical)
    warnings.showwarning = _show_warning
    if not verbose:
        # Deprecations of libraries concern their authors; what concerns a user is a UserWarning.
        for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)


def _is_critical(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.CRITICAL


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    say(f"Warning: {message}")


def citation(metadata: Mapping[str, Any]) -> str:
    """Where a passage stands: file, lines, headings."""
    place = str(metadata.get(SOURCE_KEY, "?"))
    start, end = metadata.get(START_LINE_KEY), metadata.get(END_LINE_KEY)
    if (original := original_place(metadata)) is not None:
        place += f", {original}"
    elif start is not None:
        place += f":{start}" if end in (None, start) else f":{start}-{end}"
    return printable(f"{place}  {' > '.join(path_of(metadata))}".rstrip())


def hit_as_dict(document: "Document") -> dict[str, Any]:
    """A passage for JSON."""
    return {"text": document.page_content, **document.metadata, "id": document.id}


def print_sources(documents: Sequence["Document"], cited: "Sequence[Citation] | None" = None) -> None:
    """List the passages of an answer; and say of those that it cites in other words than theirs that it does.

    Args:
        documents: The passages, by their numbers.
        cited: Which of them the answer cites; None where it was not asked to.
    """
    only_nearest = are_only_nearest(document.metadata for document in documents)
    typer.echo("\nNearest passages:" if only_nearest else "\nSources:")
    for number, document in enumerate(documents, start=1):
        typer.echo(f"  {number}. {citation(document.metadata)}  (score {document.metadata.get(SCORE_KEY, 0):.4g})")
    if cited is not None and not cited and not only_nearest:
        typer.echo("The answer cites none of them.")
    for each in cited or ():
        if not each["supported"]:
            typer.echo(f"Cited in words that are not the passage's own: [{each['number']}].")


def summary(path: str, report: "SyncReport") -> str:
    """A run in one line."""
    from ..loaders.download import public_path

    counts = ", ".join(f"{getattr(report, word)} {word}" for word in COUNTS)
    failed = f", {len(report.failed)} failed" if report.failed else ""
    files = f"{report.sources} file" if report.sources == 1 else f"{report.sources} files"
    done = f"{public_path(path)}: {files}, chunks: {counts}{failed}"
    if not report.dry_run:
        return f"{done} in {report.seconds:.1f} s"
    tokens = f"; about {report.estimated_tokens:,} tokens to embed" if report.estimated_tokens else ""
    return f"{done}{tokens} (dry run, nothing was done)"


@contextmanager
def progress_bar(description: str) -> "Iterator[Callable[[SyncProgress], None] | None]":
    """A bar with count, speed and ETA on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[chunks]} chunks, {task.fields[speed]:.0f} chunks/s, left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(description, total=None, chunks=0, speed=0.0)

        def show(now: "SyncProgress") -> None:
            elapsed = progress.tasks[0].elapsed or 0.0
            progress.update(
                task,
                completed=now.sources_read,
                total=now.sources_total,
                chunks=now.chunks_done,
                speed=now.chunks_done / elapsed if elapsed else 0.0,
            )

        yield show


@contextmanager
def count_bar(description: str) -> "Iterator[Callable[[int, int], None] | None]":
    """A bar of what is done of all, on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def end_interrupted(message: str) -> None:
    """End at once after Ctrl-C: a request that hangs in some thread is not waited for."""
    import os

    say(message)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
