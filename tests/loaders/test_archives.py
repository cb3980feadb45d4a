"""MarkdownLoader on zip archives, whole and hostile ones."""

import stat
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_rag.errors import ArchiveError, EmptySourceError, LoaderError, SourceTooLargeError, UnreadableFileError
from milvus_rag.loaders.markdown import MarkdownLoader


def archive(path: Path, **members: str) -> Path:
    """A zip with members by name, with ``__`` for a slash."""
    return archive_of(path, {f"{name.replace('__', '/')}.md": content for name, content in members.items()})


def archive_of(path: Path, members: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def contents(loader: MarkdownLoader) -> dict[str, str]:
    return {document.metadata["source"]: document.page_content for document in loader.lazy_load()}


def test_members_are_named_chosen_and_sorted_as_files_of_a_folder_are(tmp_path: Path) -> None:
    members = {"b.md": "", "en/faq/x.md": "", "en/x.md": "", ".git/x.md": "", "a.txt": "", "a-b.md": "", "a/b.md": ""}
    path = archive_of(tmp_path / "docs.zip", {"en/": "", **members})
    for name, content in members.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text(content)
    for glob in ("**/*.md", "en/*.md", "*.md", ".git/*", "**"):
        zipped, folder = MarkdownLoader(path, glob), MarkdownLoader(tmp_path / "folder", glob)
        assert list(contents(zipped)) == list(contents(folder)) == list(zipped.sources())
        assert all(zipped.covers(source) for source in zipped.sources())


def test_text_and_title_are_those_of_the_file(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "docs.ZIP", {"a.md": b"\xef\xbb\xbf# T\r\n\xed\x95\x9c"})
    (document,) = MarkdownLoader(path).load()
    assert (document.page_content, document.metadata) == ("# T\n한", {"source": "a.md", "title": "T"})


def test_a_zip_of_another_name_is_known_by_its_content_but_markdown_never_is_a_zip(tmp_path: Path) -> None:
    archive(tmp_path / "docs.zip", a="x").rename(tmp_path / "release")
    assert contents(MarkdownLoader(tmp_path / "release")) == {"a.md": "x"}
    assert MarkdownLoader(tmp_path / "release").covers("other.md")
    archive(tmp_path / "zip.md", a="x")
    with pytest.raises(UnreadableFileError, match=r"zip\.md"):
        MarkdownLoader(tmp_path / "zip.md").load()


def test_the_archive_is_closed_when_the_reader_stops(tmp_path: Path) -> None:
    documents = MarkdownLoader(archive(tmp_path / "docs.zip", a="x", b="y")).lazy_load()
    next(documents)
    documents.close()  # type: ignore[attr-defined]  # a generator; left open, the ResourceWarning would be an error


@pytest.mark.parametrize(
    "name", ["../evil.md", "en/../../evil.md", "/evil.md", "C:/evil.md", "..\\evil.md", "//host/evil.md", "a/../b.md"]
)
def test_a_name_that_leads_out_of_the_archive_is_told_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = archive_of(folder / "docs.zip", {name: "evil", "good.md": "good"})
    told: list[LoaderError] = []
    assert contents(MarkdownLoader(path, on_error=told.append)) == {"good.md": "good"}
    (error,) = told
    assert error.source == name.replace("\\", "/")
    assert "leads out of the archive" in str(error)
    with pytest.raises(UnreadableFileError, match="leads out of the archive"):
        MarkdownLoader(path).load()
    assert contents(MarkdownLoader(path, "good.md")) == {"good.md": "good"}
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["docs.zip", "inner"]


def test_names_are_read_as_unzip_reads_them(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile warns of the doubled name
        with zipfile.ZipFile(tmp_path / "docs.zip", "w") as file:
            for name, content in [("en\\a.md", "backslash"), ("./b.md", "dot"), ("c.md", "old"), ("c.md", "new")]:
                file.writestr(name, content)
            link = zipfile.ZipInfo("link.md")
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            file.writestr(link, "c.md")
    assert contents(MarkdownLoader(tmp_path / "docs.zip")) == {"b.md": "dot", "c.md": "new", "en/a.md": "backslash"}


def test_accents_in_names_are_composed_so_that_machines_agree(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é.md")
    path = archive_of(tmp_path / "docs.zip", {decomposed: "x"})
    assert contents(MarkdownLoader(path)) == {"é.md": "x"}
    path = archive_of(tmp_path / "docs.zip", {decomposed: "x", "é.md": "y"})
    with pytest.raises(UnreadableFileError, match="accents of two kinds"):
        MarkdownLoader(path).load()
    assert len(contents(MarkdownLoader(path, on_error=lambda _: None))) == 1


def test_an_archive_where_nothing_matches_says_what_is_in_it(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "docs.zip", {"site/a.png": "", "LICENSE": ""})
    with pytest.raises(EmptySourceError, match=r"docs\.zip is of a known kind.*begin with: LICENSE, site"):
        MarkdownLoader(path).load()
    with pytest.raises(EmptySourceError, match="it is empty"):
        MarkdownLoader(archive_of(tmp_path / "empty.zip", {})).load()


# --- too large


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "bomb.zip", {f"{number}.md": b"0" * 1_000_000 for number in range(10)})
    assert path.stat().st_size < 100_000
    with pytest.raises(SourceTooLargeError, match=r"bomb\.zip unpacks to 10,000,000 bytes.*9,999,999.*max_total_bytes"):
        next(MarkdownLoader(path, max_total_bytes=9_999_999).lazy_load())
    assert len(contents(MarkdownLoader(path, max_total_bytes=10_000_000))) == 10
    assert len(contents(MarkdownLoader(path, "1.md", max_total_bytes=1_000_000))) == 1


def test_the_default_limit_stops_a_real_bomb(tmp_path: Path) -> None:
    """1.1 GB of zeros in eleven members that share nothing but their bytes."""
    path = archive_of(tmp_path / "bomb.zip", {f"{number}.md": bytes(100_000_000) for number in range(11)})
    with pytest.raises(SourceTooLargeError, match="1,100,000,000"):
        MarkdownLoader(path).load()


def test_a_member_over_the_limit_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "docs.zip", a="x" * 100, b="x" * 101)
    told: list[LoaderError] = []
    assert list(contents(MarkdownLoader(path, max_file_bytes=100, on_error=told.append))) == ["a.md"]
    assert [(type(error), error.source) for error in told] == [(SourceTooLargeError, "b.md")]


def test_a_member_that_lies_about_its_size_is_not_unpacked_beyond_it(tmp_path: Path) -> None:
    path = archive_of(tmp_path / "docs.zip", {"a.md": b"0" * 1_000_000})
    data = bytearray(path.read_bytes())
    size = (1_000_000).to_bytes(4, "little")
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(ArchiveError, match=r"a\.md in .* cannot be unpacked"):
        MarkdownLoader(path, max_total_bytes=2000).load()


# --- damaged


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip at all", bytes(range(256))], ids=range(4))
def test_what_is_no_zip_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "docs.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"docs\.zip is no zip archive that can be read"):
        MarkdownLoader(path).load()


def test_a_zip_that_was_cut_short_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "docs.zip", a="x" * 1000, b="y")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArchiveError, match="Is it complete"):
        MarkdownLoader(path).load()


def test_a_damaged_member_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "docs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.md", "first content")
        file.writestr("b.md", "second content")
    path.write_bytes(path.read_bytes().replace(b"first content", b"other content"))
    told: list[LoaderError] = []
    assert contents(MarkdownLoader(path, on_error=told.append)) == {"b.md": "second content"}
    assert [(type(error), error.source) for error in told] == [(ArchiveError, "a.md")]
    with pytest.raises(ArchiveError, match=r"a\.md in .*docs\.zip cannot be unpacked: Bad CRC-32"):
        MarkdownLoader(path).load()


def test_encrypted_members_and_rare_methods_are_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "docs.zip", a="x")
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnreadableFileError, match=r"a\.md in .* is encrypted"):
        MarkdownLoader(path).load()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as file:
        file.writestr("a.md", "x")
    with pytest.raises(UnreadableFileError, match=r"a\.md in .* other than deflate"):
        MarkdownLoader(path).load()


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_any_damage_is_one_of_our_errors_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]], cut: bool
) -> None:
    path = archive(tmp_path_factory.mktemp("damaged") / "docs.zip", a="x" * 50, en__b="# y\n" * 20, c="z")
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    path.write_bytes(data[: len(data) - changes[0][0] % 40] if cut else data)
    told: list[LoaderError] = []
    try:
        contents(MarkdownLoader(path, "**", on_error=told.append))
    except LoaderError as exc:
        told.append(exc)
    assert all(str(error) for error in told)
