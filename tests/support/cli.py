"""The command `milvus-rag`, run as a process of its own or in this one."""

import gc
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from milvus_rag.cli import main

from .waiting import PATIENCE_SECONDS

COMMAND = Path(sys.executable).with_name("milvus-rag")


@dataclass(frozen=True)
class Ran:
    """What a command did.

    Attributes:
        exit_code: 0 where all went well.
        stdout: What it printed.
        stderr: What it said beside.
    """

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one JSON document that stdout must be."""
        assert self.stdout, self.stderr
        return json.loads(self.stdout)

    @property
    def error(self) -> str:
        """The message of a command that failed: stderr, which is one line of ours and no traceback."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("Error: "), self.stderr
        return lines[0].removeprefix("Error: ")


def run_process(*arguments: str | Path, timeout: float = PATIENCE_SECONDS, env: Mapping[str, str] | None = None) -> Ran:
    """Run the command as a user does, in the working folder."""
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        env={**os.environ, **(env or {})},
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def runner(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command in this process: the same as a process of its own, without its imports."""

    def run_here(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["milvus-rag", *map(str, arguments)])
        capfd.readouterr()
        exit_code = 0
        with kept_process_state():
            try:
                main()
            except SystemExit as exc:
                exit_code = int(exc.code or 0)
        return Ran(exit_code, *capfd.readouterr())

    return run_here


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Take back what the command does to its process: environment (``.env``), logging, collecting garbage."""
    environment = dict(os.environ)
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    root_level, handlers = logging.root.level, list(logging.root.handlers)
    thresholds = gc.get_threshold()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        logging.root.setLevel(root_level)
        logging.root.handlers[:] = handlers
        gc.set_threshold(*thresholds)
        for name in logging.root.manager.loggerDict:
            logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
