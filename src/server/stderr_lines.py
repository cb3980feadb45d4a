"""What is written to stderr past the log, line by line as log records: by gRPC, libraries in C, child processes.

The other way is to silence those that are known, such as gRPC by ``GRPC_VERBOSITY``: then what they have to say is
lost, and the next library is not known. What is lost here is what a process writes in the moment in which it is killed.
"""

import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

logger = logging.getLogger("milvus_rag.server.stderr")

_STDERR: Final = 2
# Lines of Google's C++ logging, as gRPC writes them: "E0000 00:00:1764.5 812 chttp2_transport.cc:1186] …".
_GOOGLE_LINE: Final = re.compile(r"([IWEF])\d{4} ")
_LEVELS: Final = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}
# A line without an end is cut.
_LONGEST: Final = 16 * 1024
_GOODBYE_SECONDS: Final = 1.0


@contextmanager
def stderr_lines() -> Iterator[TextIO]:
    """Log what is written to stderr until the block ends; yields a stream to where that went, for the log itself."""
    sys.stderr.flush()
    log = os.fdopen(os.dup(_STDERR), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    reader, writer = os.pipe()
    os.dup2(writer, _STDERR)
    os.close(writer)
    reading = threading.Thread(target=_read, args=(reader,), name="stderr", daemon=True)
    reading.start()
    thread_hook, unraisable_hook = threading.excepthook, sys.unraisablehook
    threading.excepthook, sys.unraisablehook = _log_thread, _log_unraisable
    try:
        yield log
    finally:
        threading.excepthook, sys.unraisablehook = thread_hook, unraisable_hook
        sys.stderr.flush()
        os.dup2(log.fileno(), _STDERR)
        # A child that goes on has the other end of the pipe too.
        reading.join(_GOODBYE_SECONDS)
        # Left open, since a log line may still come: it goes where the others went.


def _read(reader: int) -> None:
    with os.fdopen(reader, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(_LONGEST):
            if text := line.strip():
                google = _GOOGLE_LINE.match(text)
                logger.log(_LEVELS[google[1]] if google else logging.WARNING, "%s", text)


def _log_thread(failure: "threading.ExceptHookArgs") -> None:
    exception = failure.exc_value
    if exception is not None and not isinstance(exception, SystemExit):
        logger.error("A thread failed.", exc_info=exception)


def _log_unraisable(failure: Any) -> None:
    logger.error("%s", failure.err_msg or "An exception was ignored.", exc_info=failure.exc_value)
