"""Bars on a terminal, and none elsewhere."""

import pytest

from milvus_rag.cli.output import count_bar, progress_bar
from milvus_rag.indexing.report import SyncProgress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda _: True))


@pytest.mark.usefixtures("terminal")
def test_they_show_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with count_bar("Copying") as show:
        assert show is not None
        show(1, 2)
        show(2, 2)
    with progress_bar("Indexing") as tell:
        assert tell is not None
        tell(SyncProgress(sources_read=1, sources_total=4, chunks_done=9))
    said = capsys.readouterr()
    assert "Copying" in said.err
    assert "Indexing" in said.err
    assert said.out == ""


def test_there_is_none_for_another_program(capsys: pytest.CaptureFixture[str]) -> None:
    with count_bar("Copying") as show, progress_bar("Indexing") as tell:
        assert show is None
        assert tell is None
    assert capsys.readouterr() == ("", "")
