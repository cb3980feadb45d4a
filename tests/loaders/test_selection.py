"""Which files are taken, which are passed over, and what is said of it."""

import json
import zipfile
from pathlib import Path

import pytest

from milvus_rag import MarkdownLoader, MarkdownSplitter
from milvus_rag.errors import EmptySourceError, InputError, UnreadableFileError


def write(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(texts.get(name, "text"))
    return root


def taken(loader: MarkdownLoader) -> list[str]:
    return [document.metadata["source"] for document in loader.load()]


def test_without_a_glob_all_known_kinds_are_taken(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.md",
        "B.MD",
        "c/d.mdx",
        "e.markdown",
        "f.txt",
        "g.rst",
        "h.png",
        "Makefile",
        ".hidden.md",
        ".x/y.md",
    )
    loader = MarkdownLoader(tmp_path)
    assert taken(loader) == ["B.MD", "a.md", "c/d.mdx", "e.markdown", "f.txt", "g.rst"]
    assert loader.survey is not None
    assert loader.survey.passed == {"h.png": "not chosen", "Makefile": "not chosen"}
    assert str(loader.survey) == (
        "Taken: 6 files (2 .md, 1 .markdown, 1 .mdx, 1 .rst, 1 .txt); "
        "passed over: 2 files (1 .png, 1 without an ending)."
    )


def test_nothing_is_said_where_there_is_nothing_to_say(tmp_path: Path) -> None:
    loader = MarkdownLoader(write(tmp_path, "a.md", "b/c.md"))
    assert loader.survey is None
    loader.load()
    assert str(loader.survey) == ""


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ("**/*.{md,mdx}", ["a.md", "x/b.mdx"]),
        (["*.md", "**/*.mdx", "*.txt"], ["a.md", "c.txt", "x/b.mdx"]),
        ("{x,y}/{b,z}.{mdx,md}", ["x/b.mdx"]),
        ("**/*.png", ["d.png"]),
    ],
)
def test_globs_add_up_and_may_have_braces(tmp_path: Path, globs: str | list[str], expected: list[str]) -> None:
    loader = MarkdownLoader(write(tmp_path, "a.md", "x/b.mdx", "c.txt", "d.png"), globs)
    assert taken(loader) == expected
    assert all(loader.covers(name) for name in expected)
    assert not loader.covers("x/other.rst")


def test_braces_that_stand_for_very_many_patterns_are_refused() -> None:
    with pytest.raises(InputError, match="patterns"):
        MarkdownLoader("x", "{a,b}" * 20)


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (["drafts"], ["a.es.md", "a.md", "x/b.md"]),
        (["**/*.es.md"], ["a.md", "drafts/c.md", "x/b.md", "x/drafts/d.md"]),
        (["x/drafts/", "a.md"], ["a.es.md", "drafts/c.md", "x/b.md"]),
        (["*.{es.md,txt}"], ["a.md", "drafts/c.md", "x/b.md", "x/drafts/d.md"]),
    ],
)
def test_what_is_excluded_is_left_out(tmp_path: Path, exclude: list[str], expected: list[str]) -> None:
    root = write(tmp_path, "a.md", "a.es.md", "drafts/c.md", "x/b.md", "x/drafts/d.md")
    assert taken(MarkdownLoader(root, exclude=exclude)) == expected


def test_what_programs_made_is_left_out_at_any_depth(tmp_path: Path) -> None:
    root = write(tmp_path, "a.md", "x/node_modules/b/c.md", "build/d.md", "x/dist/e.md", "builder/f.md")
    write(root, "my env/pyvenv.cfg", "my env/lib/g.md", "conda/conda-meta/history", "conda/h.md")
    loader = MarkdownLoader(root)
    assert taken(loader) == ["a.md", "builder/f.md"]
    assert loader.survey is not None
    assert set(loader.survey.passed) == {"build/", "conda/", "my env/", "x/dist/", "x/node_modules/"}
    assert taken(MarkdownLoader(root, "build/*.md")) == ["build/d.md"]
    assert taken(MarkdownLoader(root / "build")) == ["d.md"]


def test_patterns_for_git_are_obeyed_and_the_nearer_has_the_last_word(tmp_path: Path) -> None:
    root = write(
        tmp_path, ".gitignore", "a.md", "b.md", "x/b.md", "x/.milvusragignore", "x/c.md", "y/z/c.md", "log/d.md"
    )
    (root / ".gitignore").write_text("b.md\n/y/**/c.md\nlog/\nc.md\n[\n")
    (root / "x" / ".milvusragignore").write_text("# what is here after all\n!c.md\n")
    loader = MarkdownLoader(root)
    assert taken(loader) == ["a.md", "x/c.md"]
    assert loader.survey is not None
    assert loader.survey.passed == dict.fromkeys(["b.md", "x/b.md", "y/z/c.md", "log/"], "ignored")


def test_what_a_negated_pattern_takes_back_is_taken(tmp_path: Path) -> None:
    root = write(tmp_path, ".gitignore", "build/keep.md", "build/drop.md", "x/node_modules/own/a.md", "dist/b.md")
    (root / ".gitignore").write_text("build/*\n!build/keep.md\n!node_modules/\n")
    assert taken(MarkdownLoader(root)) == ["build/keep.md", "x/node_modules/own/a.md"]


def test_patterns_of_the_repository_hold_in_a_folder_of_it(tmp_path: Path) -> None:
    root = write(tmp_path, ".git/config", ".gitignore", "docs/a.md", "docs/b.md", "out/c.md")
    (root / ".gitignore").write_text("docs/b.md\nout/\n")
    assert taken(MarkdownLoader(root / "docs")) == ["a.md"]
    assert taken(MarkdownLoader(root / "out")) == ["c.md"]


def test_a_link_to_a_file_that_is_taken_is_not_taken_twice(tmp_path: Path) -> None:
    root = write(tmp_path / "docs", "real/a.md", "z.md")
    write(tmp_path, "outside.md")
    (root / "link.md").symlink_to("real/a.md")
    (root / "one.md").symlink_to(tmp_path / "outside.md")
    (root / "two.md").symlink_to(tmp_path / "outside.md")
    loader = MarkdownLoader(root)
    assert taken(loader) == ["one.md", "real/a.md", "z.md"]
    assert loader.survey is not None
    assert set(loader.survey.passed) == {"link.md", "two.md"}


def test_of_an_archive_the_same_is_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("r/a.md", "r/b.rst", "r/node_modules/c.md", "r/d.png", "r/.github/e.md"):
            archive.writestr(name, "text")
    loader = MarkdownLoader(tmp_path / "a.zip")
    assert taken(loader) == ["r/a.md", "r/b.rst"]
    assert loader.survey is not None
    assert loader.survey.passed == {"r/node_modules/": "made by a program", "r/d.png": "not chosen"}


def test_what_is_there_instead_is_said(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match=r"others, such as x\.png"):
        MarkdownLoader(write(tmp_path, "x.png")).load()


# --- encodings and kinds


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.md").write_bytes("# Tïtle 世界\r\ntext".encode(encoding))
    (document,) = MarkdownLoader(tmp_path).load()
    assert document.page_content == "# Tïtle 世界\ntext"


def test_a_stray_nul_is_a_replacement_character(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"The bells (\x00) ring at noon and at night.")
    assert MarkdownLoader(tmp_path).load()[0].page_content == "The bells (\ufffd) ring at noon and at night."


def notebook(*cells: object, **other: object) -> str:
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, **other})


def test_a_notebook_is_its_cells(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "execute_result", "data": {"text/plain": ["42"], "image/png": "AAAA"}},
        {"output_type": "stream", "name": "stdout", "text": "rings " * 1000},
        {"output_type": "error", "traceback": ["x"]},
    ]
    text = notebook(
        {"cell_type": "markdown", "source": ["# Bells\n", "\n", "They ring."]},
        {"cell_type": "raw", "source": ""},
        {"cell_type": "code", "source": "ring(42)", "outputs": outputs, "execution_count": 9},
        {"cell_type": "markdown", "source": "## Ropes\n\nThey hold."},
        metadata={"language_info": {"name": "python"}},
    )
    (tmp_path / "n.ipynb").write_text(text)
    (document,) = MarkdownLoader(tmp_path).load()
    assert document.metadata["title"] == "Bells"
    assert document.page_content == (
        "# Bells\n\nThey ring.\n\n```python\nring(42)\n```\n\n```text\n42\n```\n\n## Ropes\n\nThey hold.\n"
    )
    bells, ropes = MarkdownSplitter().split_documents([document])
    assert (bells.metadata["cell"], bells.metadata["end_cell"]) == (1, 3)
    assert (ropes.metadata["cell"], "end_cell" in ropes.metadata) == (4, False)
    assert "places" not in ropes.metadata


@pytest.mark.parametrize("text", ["{", "[]", '{"cells": 3}', "[" * 100_000])
def test_what_is_no_notebook_is_that_files_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.ipynb").write_text(text)
    write(tmp_path, "a.md")
    told: list[Exception] = []
    assert taken(MarkdownLoader(tmp_path, on_error=told.append)) == ["a.md"]
    assert isinstance(told[0], UnreadableFileError)


def test_restructured_text_keeps_its_lines(tmp_path: Path) -> None:
    text = """\
=====
Bells
=====

The :ref:`tower <t>` has ``3``. See `ropes <r.html>`_.

Ring
----

Do this::

    ring()

    stop()

Then:

.. code-block:: sh
   :linenos:

   # a comment
   ring now

.. note:: Take care.

.. _target:

Times
-----

At noon.
"""
    (tmp_path / "a.rst").write_text(text)
    (document,) = MarkdownLoader(tmp_path).load()
    assert document.metadata["title"] == "Bells"
    assert document.page_content.count("\n") == text.count("\n")
    top, ring, times = MarkdownSplitter().split_documents([document])
    assert top.page_content == "Bells\n\nThe `tower` has `3`. See [ropes](r.html)."
    assert "```\nring()\n\nstop()\n```" in ring.page_content
    assert "# a comment\nring now\n```" in ring.page_content
    assert "Take care." in ring.page_content
    assert times.metadata["headings"] == ["Bells", "Times"]
    assert text.split("\n")[times.metadata["start_line"] - 1] == "At noon."
