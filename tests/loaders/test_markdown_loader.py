"""MarkdownLoader on files and folders."""

import os
import sys
import tracemalloc
import types
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag.errors import (
    EmptySourceError,
    InputError,
    LoaderError,
    SourceNotFoundError,
    SourceTooLargeError,
    UnreadableFileError,
)
from milvus_rag.loaders.markdown import MarkdownLoader
from milvus_rag.loaders.splitters import MarkerSplitter
from support.unprivileged import public_folder, without_privileges


def write(root: Path, **files: str | bytes) -> Path:
    """Files by name, with ``__`` for a slash."""
    for name, content in files.items():
        path = root / f"{name.replace('__', '/')}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def sources(loader: MarkdownLoader) -> list[str]:
    return [document.metadata["source"] for document in loader.lazy_load()]


def test_a_document_is_a_file_with_its_source_title_and_fields(tmp_path: Path) -> None:
    text = "---\nid: a\ntitle: The title\ntags: [x, y]\n---\n\n# Heading\n"
    write(tmp_path, en__faq__a=text, en__b="```\n# no\n```\n## Second ##\n# First\n", c="no heading")
    assert MarkdownLoader(tmp_path).load() == [
        Document(page_content="no heading", metadata={"source": "c.md", "title": "c"}),
        Document(page_content="```\n# no\n```\n## Second ##\n# First\n", metadata={"source": "en/b.md", "title": "b"}),
        Document(
            page_content=text,
            metadata={
                "source": "en/faq/a.md",
                "title": "The title",
                "front_matter": {"id": "a", "title": "The title", "tags": ["x", "y"]},
            },
        ),
    ]


def test_front_matter_that_is_no_yaml_is_no_error(tmp_path: Path) -> None:
    write(tmp_path, a="---\ntitle: a: b\n---\n# Heading", b="---\ntitle: [a\n---\n# Heading")
    titles = {document.metadata["source"]: document.metadata["title"] for document in MarkdownLoader(tmp_path).load()}
    assert titles == {"a.md": "a: b", "b.md": "Heading"}


def test_text_is_read_as_text_mode_does(tmp_path: Path) -> None:
    content = "\ufeff# Tïtle 世界\r\nold\rnew\n\r\nlast \u2028\x0c\r".encode()
    write(tmp_path, a=content)
    (document,) = MarkdownLoader(tmp_path).load()
    assert document.page_content == (tmp_path / "a.md").read_text(encoding="utf-8-sig")
    assert document.metadata["title"] == "Tïtle 世界"


@settings(deadline=None)
@given(text=st.text())
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("texts") / "a.md"
    path.write_bytes(text.encode())
    loader = MarkdownLoader(path)
    if text.count("\0") * 20 > len(text.removeprefix("\ufeff")):
        with pytest.raises(UnreadableFileError):
            loader.load()
    else:
        assert loader.load()[0].page_content == path.read_text(encoding="utf-8-sig").replace("\0", "\ufffd")


def test_order_and_choice_of_files(tmp_path: Path) -> None:
    write(tmp_path, b="", a__b="", a="", **{"a-b": "", "en__faq__x": "", "en__x": "", ".git__x": "", ".x": ""})
    (tmp_path / "a.txt").write_text("")
    assert sources(MarkdownLoader(tmp_path)) == ["a-b.md", "a.md", "a.txt", "a/b.md", "b.md", "en/faq/x.md", "en/x.md"]
    assert sources(MarkdownLoader(tmp_path, "en/*.md")) == ["en/x.md"]
    assert sources(MarkdownLoader(str(tmp_path) + "/", ".git/*")) == [".git/x.md"]
    assert sources(MarkdownLoader(tmp_path / "en")) == ["faq/x.md", "x.md"]
    assert sources(MarkdownLoader(tmp_path / "a.txt")) == ["a.txt"]
    assert list(MarkdownLoader(tmp_path).sources()) == sources(MarkdownLoader(tmp_path))


def test_lazy_load_is_a_generator_that_does_nothing_before_it_is_asked(tmp_path: Path) -> None:
    loader = MarkdownLoader(tmp_path / "none")
    documents = loader.lazy_load()
    assert isinstance(documents, types.GeneratorType)
    with pytest.raises(SourceNotFoundError):
        next(documents)


def test_one_file_is_in_memory_at_a_time(tmp_path: Path) -> None:
    size = 2_000_000
    for number in range(8):
        (tmp_path / f"{number}.md").write_text("word " * (size // 5))
    tracemalloc.start()
    try:
        count = 0
        for document in MarkdownLoader(tmp_path).lazy_load():
            count += len(document.page_content) == size
            del document
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 8
    # Bytes, text and its lines of one file; eight texts alone would be 16 million.
    assert peak < 4.5 * size


async def test_documents_come_asynchronously_too(tmp_path: Path) -> None:
    write(tmp_path, a="x", b="y")
    assert [document.page_content async for document in MarkdownLoader(tmp_path).alazy_load()] == ["x", "y"]


def test_shards_are_disjoint_whole_and_stable(tmp_path: Path) -> None:
    write(tmp_path, **{f"page{number}": "x" for number in range(40)})
    whole = sources(MarkdownLoader(tmp_path))
    parts = [sources(MarkdownLoader(tmp_path, shard=(number, 4))) for number in (1, 2, 3, 4)]
    assert sorted(source for part in parts for source in part) == whole
    assert all(parts)
    for number, part in enumerate(parts, 1):
        loader = MarkdownLoader(tmp_path, shard=(number, 4))
        assert list(loader.sources()) == part
        assert [source for source in whole if loader.covers(source)] == part
    write(tmp_path, another="x")
    assert set(parts[0]) <= set(sources(MarkdownLoader(tmp_path, shard=(1, 4))))
    # by the digest of the name alone, on every machine
    assert [MarkdownLoader("x", shard=(number, 3)).covers("faq/a.md") for number in (1, 2, 3)] == [False, False, True]
    # a part may be empty where the whole is not
    assert sorted(len(sources(MarkdownLoader(tmp_path, "another.md", shard=(n, 2)))) for n in (1, 2)) == [0, 1]


@pytest.mark.parametrize("shard", [(0, 4), (5, 4), (1, 0)])
def test_a_shard_out_of_range_is_refused(shard: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="shard"):
        MarkdownLoader("x", shard=shard)


def test_what_a_loader_covers_is_known_without_reading(tmp_path: Path) -> None:
    write(tmp_path, faq__a="x")
    folder = MarkdownLoader(tmp_path, "faq/*.md")
    assert folder.covers("faq/a.md")
    assert folder.covers("faq/deleted.md")
    assert not folder.covers("b.md")
    assert not folder.covers("faq/.hidden.md")
    file = MarkdownLoader(tmp_path / "faq" / "a.md")
    assert file.covers("a.md")
    assert not file.covers("b.md")


def test_the_root_identifies_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "docs", a="x")
    monkeypatch.chdir(tmp_path)
    roots = {MarkdownLoader(path).root for path in ("docs", "./docs/", tmp_path / "docs", "docs/../docs")}
    assert len(roots) == 1
    assert MarkdownLoader("docs", "*.md").root in roots
    assert MarkdownLoader(".").root not in roots
    assert str(tmp_path) not in roots.pop()


def test_a_path_of_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "docs", a="x")
    assert sources(MarkdownLoader("~/docs")) == ["a.md"]


# --- what is wrong with the root


@pytest.mark.parametrize("path", ["none", "none/a.md", "a.md\0"])
def test_a_missing_path_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(SourceNotFoundError, match=r"no file or folder .*(none|a\.md)"):
        MarkdownLoader(os.path.join(tmp_path, path)).load()  # noqa: PTH118 - Path takes no NUL


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(InputError, match="path is empty"):
        MarkdownLoader("")


@pytest.mark.parametrize("limit", ["max_file_bytes", "max_total_bytes", "timeout"])
def test_a_limit_of_nothing_is_refused(limit: str) -> None:
    with pytest.raises(InputError, match=limit):
        MarkdownLoader("x", **{limit: 0})  # type: ignore[arg-type]  # one name of three


def test_a_folder_where_nothing_matches_is_named_with_the_glob(tmp_path: Path) -> None:
    with pytest.raises(EmptySourceError, match=rf"{tmp_path} is of a known kind"):
        MarkdownLoader(tmp_path).load()
    write(tmp_path, **{".hidden": "x"})
    with pytest.raises(EmptySourceError, match="a dot"):
        list(MarkdownLoader(tmp_path).sources())


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        MarkdownLoader(tmp_path / "pipe.md").load()
    write(tmp_path, a="x")
    assert sources(MarkdownLoader(tmp_path)) == ["a.md"]


# --- what is wrong with one file


PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PNG, "bad.md in .* is not UTF-8 .byte 0."),
        ("caf\xe9".encode("latin-1"), "bad.md in .* is not UTF-8 .byte 3."),
        ("text".encode("utf-16-le"), "bad.md in .* NUL .* UTF-16 without"),
        (b"\xff\xfe\x00\xd8", "bad.md in .* is not UTF-16 .byte 2."),
        (b"GIF89a\x00", "bad.md in .* NUL"),
        (b"\xed\xa0\x80", "bad.md in .* is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_told_and_left_out_or_raised(tmp_path: Path, content: bytes, message: str) -> None:
    write(tmp_path, a="x", bad=content, c="y")
    told: list[LoaderError] = []
    assert sources(MarkdownLoader(tmp_path, on_error=told.append)) == ["a.md", "c.md"]
    (error,) = told
    assert isinstance(error, UnreadableFileError)
    assert error.source == "bad.md"
    found: list[str] = []
    with pytest.raises(UnreadableFileError, match=message):
        found.extend(document.metadata["source"] for document in MarkdownLoader(tmp_path).lazy_load())


def test_a_file_that_vanishes_meanwhile_is_told(tmp_path: Path) -> None:
    write(tmp_path, a="x", b="y", c="z")
    told: list[LoaderError] = []
    documents = MarkdownLoader(tmp_path, on_error=told.append).lazy_load()
    next(documents)
    (tmp_path / "b.md").unlink()
    assert [document.metadata["source"] for document in documents] == ["c.md"]
    assert [(error.source, type(error)) for error in told] == [("b.md", UnreadableFileError)]
    assert "it is gone" in str(told[0])


def test_a_file_without_permission_is_told() -> None:
    with public_folder() as folder:
        write(folder, a="x", b="y").joinpath("b.md").chmod(0)
        told: list[LoaderError] = []
        with without_privileges():
            assert sources(MarkdownLoader(folder, on_error=told.append)) == ["a.md"]
            with pytest.raises(UnreadableFileError, match=r"b\.md in .* no permission"):
                MarkdownLoader(folder).load()
            with pytest.raises(UnreadableFileError, match="no permission"):
                MarkdownLoader(folder / "b.md").load()
        assert [error.source for error in told] == ["b.md"]


def test_a_folder_without_permission_is_told() -> None:
    with public_folder() as folder:
        write(folder, a="x", sub__b="y").joinpath("sub").chmod(0)
        told: list[LoaderError] = []
        try:
            with without_privileges():
                assert sources(MarkdownLoader(folder, on_error=told.append)) == ["a.md"]
                with pytest.raises(UnreadableFileError, match=r"The folder sub/ in .* no permission"):
                    MarkdownLoader(folder).load()
                with pytest.raises(UnreadableFileError, match=r"The folder .*sub cannot be read: no permission"):
                    MarkdownLoader(folder / "sub", on_error=told.append).load()
                with pytest.raises(UnreadableFileError, match="no permission"):
                    MarkdownLoader(folder / "sub" / "b.md").load()
                assert not MarkdownLoader(folder / "sub" / "b").covers("b")
        finally:
            (folder / "sub").chmod(0o755)
        assert [error.source for error in told] == ["sub/"]


def test_a_file_over_the_limit_is_told(tmp_path: Path) -> None:
    write(tmp_path, a="x" * 100, b="x" * 101)
    told: list[LoaderError] = []
    assert sources(MarkdownLoader(tmp_path, max_file_bytes=100, on_error=told.append)) == ["a.md"]
    assert [error.source for error in told] == ["b.md"]
    with pytest.raises(SourceTooLargeError, match=r"b\.md .*100 bytes.*max_file_bytes"):
        MarkdownLoader(tmp_path, max_file_bytes=100).load()


@pytest.mark.huge
def test_a_line_of_50_megabytes_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"word " * 10_000_000)
    (document,) = MarkdownLoader(tmp_path).lazy_load()
    assert len(document.page_content) == 50_000_000
    assert document.metadata == {"source": "a.md", "title": "a"}


# --- links and names


def links_in_circles(root: Path) -> None:
    write(root, a="x", real__b="y")
    (root / "real" / "up").symlink_to("..")
    (root / "real" / "self").symlink_to(".")
    (root / "outside").symlink_to("/")
    (root / "to-real").symlink_to("real")
    (root / "loop.md").symlink_to("loop.md")


def test_links_in_circles_end(tmp_path: Path) -> None:
    links_in_circles(tmp_path)
    told: list[LoaderError] = []
    assert sources(MarkdownLoader(tmp_path, on_error=told.append)) == ["a.md", "real/b.md"]
    assert [error.source for error in told] == ["loop.md"]


def test_many_folders_that_link_to_each_other_are_each_read_once(tmp_path: Path) -> None:
    for number in range(15):
        write(tmp_path / str(number), page="x")
        for other in range(15):
            (tmp_path / str(number) / f"to{other}").symlink_to(tmp_path / str(other))
    assert sources(MarkdownLoader(tmp_path)) == sorted(f"{number}/page.md" for number in range(15))


def test_links_to_files_and_to_folders_elsewhere_are_followed(tmp_path: Path) -> None:
    write(tmp_path / "shared", x="shared")
    write(tmp_path / "docs", a="x", **{".data__b": "y"})
    (tmp_path / "docs" / "linked").symlink_to(tmp_path / "shared")
    (tmp_path / "docs" / "twice").symlink_to(tmp_path / "shared")
    (tmp_path / "docs" / "b.md").symlink_to(".data/b.md")
    (tmp_path / "docs" / "gone.md").symlink_to("nothing")
    told: list[LoaderError] = []
    loader = MarkdownLoader(tmp_path / "docs", on_error=told.append)
    assert sources(loader) == ["a.md", "b.md", "linked/x.md"]
    assert [error.source for error in told] == ["gone.md"]
    (tmp_path / "link").symlink_to("docs")
    assert sources(MarkdownLoader(tmp_path / "link", "a.md")) == ["a.md"]


def test_accents_in_names_are_composed_so_that_machines_agree(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "질문/é.md")
    path = tmp_path / decomposed
    path.parent.mkdir()
    path.write_text("x")
    loader = MarkdownLoader(tmp_path)
    assert sources(loader) == ["질문/é.md"]
    assert loader.covers("질문/é.md")
    assert sources(MarkdownLoader(path)) == ["é.md"]
    assert MarkdownLoader(path).covers("é.md")
    if len(list(tmp_path.iterdir())) == 1:
        told: list[LoaderError] = []
        write(tmp_path, 질문__é="y")
        assert sources(MarkdownLoader(tmp_path, on_error=told.append)) == ["질문/é.md"]
        assert "accents of two kinds" in str(told[0])


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS has no such names")
def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    write(tmp_path, a="x")
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("y")
    told: list[LoaderError] = []
    assert sources(MarkdownLoader(tmp_path, on_error=told.append)) == ["a.md"]
    str(told[0]).encode()
    assert r"caf\udce9.md" in str(told[0])
    with pytest.raises(UnreadableFileError, match="not UTF-8"):
        MarkdownLoader(tmp_path / os.fsdecode(b"caf\xe9.md")).load()


@pytest.mark.shared
def test_the_milvus_documentation_is_loaded(milvus_docs: Path) -> None:
    documents = MarkdownLoader(milvus_docs).load()
    assert len(documents) == 224
    faq = MarkdownLoader(milvus_docs, "en/faq/*.md").load()
    assert [document.metadata["title"] for document in faq] == [
        "Operational FAQ",
        "Performance FAQ",
        "Product FAQ",
        "Troubleshooting",
    ]
    assert len(MarkerSplitter().split_documents(faq)) == 72
