"""The command in this process, and small folders to ask."""

from collections.abc import Callable
from pathlib import Path

import pytest

from support.cli import Ran, runner

Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the command in this process: the same as a process of its own, without its imports."""
    return runner(monkeypatch, capfd)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """Three pages: two about Milvus, one about nothing of the kind."""
    folder = tmp_path / "docs"
    (folder / "faq").mkdir(parents=True)
    (folder / "faq" / "storage.md").write_text(
        "# Storage\n\n## Where is data stored?\n\nMilvus stores inserted data in object storage.\n\n"
        "## Where is metadata stored?\n\nThe metadata of each module is stored in etcd.\n"
    )
    (folder / "faq" / "limits.md").write_text("# Limits\n\nA vector has at most 32,768 dimensions.\n")
    (folder / "cooking.md").write_text("# Pancakes\n\nMix flour, eggs and milk.\n")
    return folder


@pytest.fixture
def indexed(run: Run, docs: Path) -> Path:
    """The pages, indexed on the default."""
    ran = run("index", docs)
    assert ran.exit_code == 0, ran.stderr
    return docs
