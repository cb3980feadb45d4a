"""A collection that follows its files, on real files and Milvus Lite."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from langchain_core.document_loaders import BaseLoader

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, SyncReport, open_store
from milvus_rag.errors import EmptySourceError, InputError, MilvusRagError
from milvus_rag.indexing.options import SyncOptions
from milvus_rag.indexing.watch import Watching, watch
from support.pages import Pages
from support.waiting import wait_until


class Watched:
    """A folder that is watched.

    Attributes:
        store: What follows it.
        reports: Of each run.
        errors: What was in the way.
        hold: While it is not set, a run that has ended is not followed by another one.
    """

    def __init__(self, store: MilvusStore) -> None:
        self.store = store
        self.reports: list[SyncReport] = []
        self.errors: list[MilvusRagError] = []
        self.hold = threading.Event()
        self.hold.set()

    def on_report(self, _: BaseLoader, report: SyncReport) -> None:
        self.reports.append(report)
        self.hold.wait()

    def sources(self) -> set[str]:
        return {str(document.metadata["source"]) for document in self.store.search_by_metadata("chunk >= 0", limit=200)}

    def wait_for(self, *sources: str) -> None:
        wait_until(lambda: self.sources() == set(sources), f"the collection never holds {sources}")


@contextmanager
def watching(folder: Path, uri: str, *paths: Path) -> Iterator[Watched]:
    """Watch a folder in a thread until the block ends."""
    with open_store(uri) as store:
        found = Watched(store)
        stop = threading.Event()
        told = Watching(stop=stop, on_report=found.on_report, on_error=lambda _, error: found.errors.append(error))
        loaders = [MarkdownLoader(path) for path in paths or (folder,)]
        thread = threading.Thread(
            target=watch, args=(loaders, MarkdownSplitter(), store, told), kwargs={"leave_out": [Path(uri)]}
        )
        thread.start()
        try:
            yield found
        finally:
            found.hold.set()
            stop.set()
            thread.join()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {path.stem}\n\n{text}\n", "utf-8")


def test_it_follows_what_is_saved_renamed_and_removed(tmp_path: Path) -> None:
    """The database is in the folder, and its own changes are no reason for a run."""
    folder = tmp_path / "docs"
    write(folder / "a.md", "one")
    write(folder / "guide" / "deep" / "b.md", "two")
    with watching(folder, str(folder / "own.db")) as found:
        found.wait_for("a.md", "guide/deep/b.md")
        write(folder / "new" / "c.md", "three")
        found.wait_for("a.md", "guide/deep/b.md", "new/c.md")
        (folder / "a.md").rename(folder / "z.md")
        found.wait_for("z.md", "guide/deep/b.md", "new/c.md")
        shutil.rmtree(folder / "guide")
        found.wait_for("z.md", "new/c.md")


def test_a_burst_is_one_run(tmp_path: Path, lite_uri: str) -> None:
    """What changes while a run goes on is the next one, however much it is."""
    write(tmp_path / "a.md", "one")
    with watching(tmp_path, lite_uri) as found:
        found.hold.clear()
        wait_until(lambda: found.reports, "there is no first run")
        names = [f"burst{number}.md" for number in range(30)]
        for name in names:
            write(tmp_path / name, f"text {name}")
        found.hold.set()
        # The rows are there before the run has told of them.
        wait_until(lambda: sum(report.added for report in found.reports) == 31, "the burst is never indexed")
        assert found.sources() == {"a.md", *names}
        assert [report.added for report in found.reports if report.added] == [1, 30]


def test_a_file_that_fails_ends_nothing(tmp_path: Path, lite_uri: str) -> None:
    write(tmp_path / "a.md", "one")
    with watching(tmp_path, lite_uri) as found:
        found.wait_for("a.md")
        (tmp_path / "bad.md").write_bytes(b"\xff\xfe\x00")
        wait_until(lambda: any(report.failed for report in found.reports), "the file does not fail")
        write(tmp_path / "b.md", "two")
        found.wait_for("a.md", "b.md")
        (tmp_path / "bad.md").unlink()
        (tmp_path / "b.md").unlink()
        found.wait_for("a.md")


def test_what_is_in_the_way_of_all_files_is_told_and_tried_again(tmp_path: Path, lite_uri: str) -> None:
    (tmp_path / "docs").mkdir()
    with watching(tmp_path / "docs", lite_uri) as found:
        wait_until(lambda: found.errors, "an empty folder is no error")
        assert isinstance(found.errors[0], EmptySourceError)
        write(tmp_path / "docs" / "a.md", "one")
        found.wait_for("a.md")


def test_a_single_file_is_followed_through_its_editor(tmp_path: Path, lite_uri: str) -> None:
    """Many editors write another file, and put it in the place of the first."""
    write(tmp_path / "a.md", "one")
    with watching(tmp_path, lite_uri, tmp_path / "a.md") as found:
        found.wait_for("a.md")
        write(tmp_path / "b.md", "not asked for")
        write(tmp_path / "a.md.tmp", "two")
        (tmp_path / "a.md.tmp").replace(tmp_path / "a.md")
        wait_until(lambda: sum(report.added for report in found.reports) == 2, "the new text is never there")
        assert found.sources() == {"a.md"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.md", True),
        ("deep/er/b.rst", True),
        (".gitignore", True),
        ("deep/.milvusragignore", True),
        ("gone-folder", True),
        ("logo.png", False),
        (".git/HEAD", False),
        (".git", False),
        ("node_modules/x", False),
        (".a.md.swp", False),
    ],
)
def test_which_changes_concern_a_folder(tmp_path: Path, name: str, expected: bool) -> None:
    (tmp_path / "logo.png").touch()
    assert MarkdownLoader(tmp_path).concerns(tmp_path.resolve() / name) is expected


def test_what_is_not_on_this_machine_cannot_be_watched(lite_uri: str, tmp_path: Path) -> None:
    told = Watching(stop=threading.Event())
    with open_store(lite_uri) as store:
        for loader in (Pages({}), MarkdownLoader("https://docs.example.org/a.md")):
            with pytest.raises(InputError, match="Only files and folders"):
                watch([loader], MarkdownSplitter(), store, told, SyncOptions())
        with pytest.raises(InputError, match="There is no folder"):
            watch([MarkdownLoader(tmp_path / "no" / "such")], MarkdownSplitter(), store, told)
