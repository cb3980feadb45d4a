"""`milvus-rag index --bulk`."""

from pathlib import Path

import pytest

from cli.conftest import Run


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
