"""`milvus-rag serve --docs … --watch`: what is saved is found by the server that runs, on Milvus Lite."""

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.served import serving
from support.waiting import PATIENCE_SECONDS, wait_until


def answered(url: str, question: str) -> str:
    answer = httpx.post(f"{url}/rag/invoke", json={"input": question}, timeout=PATIENCE_SECONDS)
    return str(answer.raise_for_status().json()["output"]["answer"])


def test_a_saved_file_is_answered_from(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "tea.md").write_text("# Tea\n\nGreen tea is steeped at 70 degrees.\n")
    with serving(str(tmp_path / "docs.db"), "--docs", str(docs), "--watch", cwd=tmp_path) as served:
        assert "70 degrees" in answered(served.url, "How hot is green tea?")
        (docs / "coffee.md").write_text("# Coffee\n\nCoffee is ground at grade seven.\n")
        wait_until(
            lambda: "grade seven" in answered(served.url, "At which grade is coffee ground?"), "it is never found"
        )
        (docs / "bad.md").write_bytes(b"\xff\xfe\x00")
        wait_until(lambda: any("Failed: bad.md" in line for line in served.lines), "nobody says that it fails")
        (docs / "tea.md").write_text("# Tea\n\nGreen tea is steeped at 65 degrees.\n")
        wait_until(lambda: "65 degrees" in answered(served.url, "How hot is green tea?"), "the old text stays")
        assert served.terminate() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for one process")
def test_index_watches_until_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "tea.md").write_text("# Tea\n\nGreen.\n")
    process = subprocess.Popen(
        [Path(sys.executable).with_name("milvus-rag"), "index", ".", "--uri", "own.db", "--watch"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert any("Watching ." in line for line in lines)
        (tmp_path / "coffee.md").write_text("# Coffee\n\nBlack.\n")
        assert any("2 files, chunks: 1 added" in line for line in lines)
        process.send_signal(signal.SIGINT)
        assert [line for line in lines if "Traceback" in line] == []
        assert process.wait(PATIENCE_SECONDS) == 130
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
