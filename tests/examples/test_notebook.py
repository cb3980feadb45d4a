"""The notebook runs from top to bottom and prints what is saved in it."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from support.documentation import comparable
from support.stand_ins import stand_ins
from support.tutorial import PAGES

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "examples" / "tutorial.ipynb"
MILVUS_DOCS = ROOT.parent / "shared" / "data" / "milvus_docs_2.4.x_en.zip"


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a reader with keys."""
    with stand_ins(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield


def executed(notebook: Any, docs: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The notebook with the outputs of a run on some pages."""
    monkeypatch.setenv("TUTORIAL_DOCS", str(docs))
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(Path.cwd())}}
    )
    return client.execute()


def printed(notebook: Any) -> list[str]:
    """What each cell of code printed; anything else than text on stdout is none of it."""
    outputs = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert [output.output_type for output in cell.outputs if output.output_type != "stream"] == []
            outputs.append(comparable("".join(output.text for output in cell.outputs if output.name == "stdout")))
    return outputs


@pytest.fixture
def small_archive(tmp_path: Path) -> Path:
    """A few pages in the place of the tutorials'."""
    path = tmp_path / "pages.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in PAGES.items():
            archive.writestr(f"en/faq/{name}", text)
    return path


@pytest.mark.usefixtures("reader")
def test_it_prints_what_is_saved_in_it(
    small_archive: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """When an output is no longer what the notebook shows: make docs.

    Where the tutorials' pages are not at hand, it runs on others, and what it prints is looked at in two places.
    """
    saved = nbformat.read(NOTEBOOK, as_version=4)
    outputs = printed(saved)
    if not MILVUS_DOCS.is_file():
        ran = executed(saved, small_archive, monkeypatch)
        assert printed(ran)[1].startswith("5 chunks\n")
        assert printed(ran)[9].startswith("The documents say: ")
        return
    ran = executed(saved, MILVUS_DOCS, monkeypatch)
    if request.config.getoption("--update-docs"):
        _save(ran)
        return
    assert printed(ran) == outputs


def _save(notebook: Any) -> None:
    for cell in notebook.cells:
        # Times of execution, which differ from run to run.
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)
