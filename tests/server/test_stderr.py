"""Whatever is written to stderr while the server runs is a log line."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from support.served import serving
from support.waiting import PATIENCE_SECONDS, wait_until

_PROGRAM = """
import logging, os, subprocess, sys, threading, warnings
from milvus_rag.server.logs import logs

class Late:
    def __del__(self):
        raise RuntimeError("too late")

def fail():
    raise RuntimeError("of a thread")

print("before", file=sys.stderr)
with logs({style!r}):
    logging.getLogger("milvus_rag.server").info("our own")
    logging.getLogger("somebody.else").error("of another library")
    warnings.warn("of Python")
    print("printed", file=sys.stderr)
    os.write(2, b"E0000 00:00:1764000000.5     812 chttp2.cc:1186] too_many_pings\\nW0000 00:00:1 2 x.cc:3] hm\\n")
    subprocess.run(["sh", "-c", "echo of a child >&2"], check=True)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    del thread
    late = Late()
    del late
    os.write(2, b"caf\\xe9 " + b"x" * 100_000 + b"\\nthe end without a line's end")
print("after", file=sys.stderr)
"""


def written(style: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.replace("{style!r}", repr(style))],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return written("json")


def test_all_lines_are_json_while_it_runs_and_plain_before_and_after(lines: list[str]) -> None:
    assert lines[0] == "before"
    assert lines[-1] == "after"
    parsed: list[dict[str, Any]] = [json.loads(line) for line in lines[1:-1]]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in parsed)
    by_message = {line["message"]: line for line in parsed}
    assert by_message["our own"]["logger"] == "milvus_rag.server"
    assert by_message["of another library"]["level"] == "error"
    assert any("UserWarning: of Python" in message for message in by_message)
    for message in ("printed", "of a child", "the end without a line's end"):
        assert by_message[message]["logger"] == "milvus_rag.server.stderr", message
        assert by_message[message]["level"] == "warning", message
    levels = {line["level"] for line in parsed if "too_many_pings" in line["message"]}
    assert levels == {"error"}
    assert "RuntimeError: of a thread" in by_message["A thread failed."]["traceback"]
    assert [line for line in parsed if "RuntimeError: too late" in line.get("traceback", "")]


def test_a_line_that_does_not_end_is_cut(lines: list[str]) -> None:
    cut = [json.loads(line)["message"] for line in lines[1:-1] if "xxxx" in line]
    assert sum(message.count("x") for message in cut) == 100_000
    assert cut[0].startswith("caf\ufffd ")
    assert max(map(len, cut)) <= 16 * 1024


def test_as_text_stderr_is_left_alone() -> None:
    lines = written("text")
    assert "printed" in lines
    assert "of a child" in lines
    assert [line for line in lines if re.fullmatch(r"\S+ \S+ INFO our own", line)]


def test_milvus_lite_writes_log_lines_too(index_uri: str) -> None:
    """Its process has the server's stderr."""
    with serving(index_uri) as server:
        fd = f"/proc/{server.process.pid}/fd/2"
        with open(fd, "w", encoding="utf-8") as stderr:  # noqa: PTH123 - it is no path
            stderr.write("of somebody who has it open\n")
        wait_until(
            lambda: [line for line in server.lines if "of somebody who has it open" in line], "the line got lost"
        )
        server.terminate()
        assert all(json.loads(line) for line in server.lines)
