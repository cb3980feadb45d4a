"""`milvus-rag copy`, and who tells that it is time for it."""

import json
from pathlib import Path

import pytest

from cli.conftest import Run


@pytest.fixture
def too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milvus_rag.stores.size_advice.MOST_ON_LITE", 0)


def test_a_copy_answers_like_the_original(run: Run, docs: Path) -> None:
    run("index", docs)
    asked = run("ask", "Where is metadata stored?")

    ran = run("copy", "--to", "copy.db", "--to-collection", "other")

    assert ran.exit_code == 0
    assert "read back and equal" in ran.stdout
    again = run("ask", "Where is metadata stored?", "--uri", "copy.db", "--collection", "other")
    assert again.stdout == asked.stdout


def test_as_json(run: Run, docs: Path) -> None:
    run("index", docs)
    report = json.loads(run("copy", "--to", "copy.db", "--json").stdout)
    assert report["rows"] == report["written"] > 0
    assert report["full_text"] is True
    assert len(report["digest"]) == 32


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--to", "milvus_demo.db"], "the same collection"),
        (["--to", "copy.db", "--uri", "nothing.db"], "no database at nothing.db"),
        (["--to", "copy.db", "--collection", "nothing"], "no collection 'nothing'"),
        (["--to", "ftp://host"], "ftp"),
    ],
)
def test_what_cannot_be_copied_is_one_line(run: Run, docs: Path, arguments: list[str], what: str) -> None:
    run("index", docs)
    ran = run("copy", *arguments)
    assert ran.exit_code in (1, 2)
    assert what in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not Path("nothing.db").exists()


@pytest.mark.usefixtures("too_large")
def test_who_has_outgrown_milvus_lite_is_told(run: Run, docs: Path) -> None:
    said = "more than Milvus Lite is meant for"
    assert said in run("index", docs).stderr
    assert said in run("info").stdout
    assert said in run("doctor").stdout
