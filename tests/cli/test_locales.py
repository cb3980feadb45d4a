"""What the command prints, whatever the terminal's encoding can write."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.cli import COMMAND
from support.waiting import PATIENCE_SECONDS


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "tea.md").write_text(
        "# Tea \u2192 \u7eff\u8336\n\nGreen tea is steeped at 70 \u00b0C \u2192 drunk.\n", "utf-8"
    )
    return folder


def run_in(encoding: str, *arguments: str | bytes | Path) -> bytes:
    """What a process prints that writes in an encoding."""
    done = subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_json_is_json_in_utf_8(pages: Path, encoding: str) -> None:
    answer = json.loads(run_in(encoding, "ask", "green tea", "--docs", pages, "--json").decode("utf-8"))
    assert "70 \u00b0C \u2192 drunk." in answer["sources"][0]["text"]
    table = run_in(encoding, "search", "green tea", "--explain").decode(encoding)
    assert "tea.md" in table


@pytest.mark.parametrize(("encoding", "arrow"), [("cp1252", "\\u2192"), ("utf-8", "\u2192")])
def test_text_is_printed_as_far_as_it_can_be(pages: Path, encoding: str, arrow: str) -> None:
    assert f"{arrow} drunk." in run_in(encoding, "ask", "green tea", "--docs", pages).decode(encoding)


def test_a_path_that_is_no_utf_8_is_json_too(pages: Path) -> None:
    other = pages.with_name(os.fsdecode(b"caf\xe9"))
    pages.rename(other)
    (run,) = json.loads(run_in("utf-8", "index", other, "--json").decode("utf-8"))["runs"]
    assert run["path"] == str(other)
