"""Clients that are no packages of this project's environment: make installs them below .cache, each in its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
MODULES = ROOT / ".cache" / "javascript"
LLM = ROOT / ".cache" / "llm" / "bin" / "llm"

needs_javascript = pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / ".installed").exists(), reason="make javascript installs them"
)
needs_llm = pytest.mark.skipif(not LLM.exists(), reason="make llm installs it")


def node(script: str, *arguments: str) -> Any:
    """What a script of tests/javascript prints."""
    return json.loads(_output(["node", str(ROOT / "tests" / "javascript" / script), *arguments]))


def inspector(*arguments: str) -> Any:
    """What the inspector of the Model Context Protocol prints, without its window."""
    program = MODULES / "node_modules" / ".bin" / "mcp-inspector"
    return json.loads(
        _output([str(program), "--cli", "--connect-timeout", f"{1000 * PATIENCE_SECONDS:.0f}", *arguments])
    )


def llm(*arguments: str, home: Path) -> str:
    """What simonw's ``llm`` prints, whose settings are in a folder."""
    return _output([str(LLM), *arguments], LLM_USER_PATH=str(home))


def _output(command: list[str], **environment: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, "MODULES": str(MODULES), **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
