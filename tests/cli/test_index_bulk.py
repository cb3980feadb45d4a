"""`milvus-rag index --bulk`."""

from pathlib import Path

import pytest

from cli.conftest import Run
from support.openai_server import OpenAIServer


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--dry-run"], "leave out --dry-run"),
        (["--rebuild"], "leave out --rebuild"),
        (["--engine", "ray"], "leave out --engine"),
        (["--shard", "1/2"], "leave out --shard"),
        (["--watch"], "leave out --watch"),
        (["other"], "loads one path, and not 2"),
        ([], "imports no files"),
    ],
)
def test_what_it_cannot_be_together_with_is_one_line(run: Run, docs: Path, arguments: list[str], what: str) -> None:
    ran = run("index", docs, "--bulk", "load", *arguments)
    assert ran.exit_code in (1, 2)
    assert what in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not Path("load").exists()


@pytest.mark.server
def test_it_says_what_to_run(
    run: Run, docs: Path, server_uri: str, collection_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OpenAIServer() as server:
        for name, value in server.environment("fireworks").items():
            monkeypatch.setenv(name, value)
        there = ("--uri", server_uri, "--collection", collection_name, "--embeddings", "fireworks")
        ran = run("index", docs, "--bulk", "load", *there)
    assert ran.exit_code == 0, ran.stderr
    assert "do_bulk_insert" in ran.stderr
    assert Path("load/import-request.json").exists()
