"""Stdin and stdout for the protocol alone. Imports nothing that could write to them first."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def protocol_streams() -> Iterator[tuple[TextIO, TextIO]]:
    """Take stdin and stdout for the protocol alone.

    From then on what anything else writes to stdout, in this process, in C or in a process that it starts, goes to
    stderr; and nothing else reads stdin.

    Yields:
        The streams, in UTF-8 whatever the locale is.
    """
    given, taken = os.dup(0), os.dup(1)
    sys.stdout.flush()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    with (
        io.TextIOWrapper(os.fdopen(given, "rb"), encoding="utf-8", errors="replace") as requests,
        io.TextIOWrapper(os.fdopen(taken, "wb"), encoding="utf-8", newline="\n") as answers,
    ):
        yield requests, answers
