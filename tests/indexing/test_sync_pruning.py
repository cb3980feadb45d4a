"""What a sync removes: sources that are gone from what it loads, and nothing that anybody else stored."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, open_store, sync
from milvus_rag.chunk_keys import ROOT_KEY
from milvus_rag.indexing.identity import LoaderIdentity, identify
from milvus_rag.indexing.known_roots import KnownRoot, key_of
from milvus_rag.indexing.loader_traits import place_of
from milvus_rag.indexing.scope import Scope
from milvus_rag.indexing.splitting import splitter_fingerprint
from milvus_rag.indexing.sync import SyncProgress
from milvus_rag.stores.collection_rows import CollectionRows
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places, snapshot, written


def may_have_moved(place: str | None, here: str | None) -> bool:
    known = [KnownRoot(key=key_of("other"), root="other", place=place)]
    return Scope(root="root", identity=LoaderIdentity(name="root", place=here), known=known).may_be_relocated("other")


def root_of(loader: BaseLoader) -> tuple[str, bool]:
    identity = identify(loader)
    return identity.name, identity.is_known


FIRST = {"a.md": "one\ntwo", "b.md": "three"}
SECOND = {"x.md": "four", "y.md": "five"}


@pytest.fixture(params=["lite_uri", pytest.param("core_uri", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, collection_name: str) -> Iterator[MilvusStore]:
    uri = request.getfixturevalue(request.param)
    with open_store(uri, embedding=CountingEmbeddings(), collection=collection_name, full_text=False) as opened:
        yield opened
        opened.drop()


class TestTwoFoldersInOneCollection:
    def test_leave_each_other_alone(self, store: MilvusStore) -> None:
        sync(Pages(FIRST, "first"), Lines(), store)
        sync(Pages(SECOND, "second"), Lines(), store)
        assert places(store) == chunks_of(FIRST) | chunks_of(SECOND)
        report = sync(Pages({"a.md": "one"}, "first"), Lines(), store)
        assert report.pruned == ["b.md"]
        assert places(store) == chunks_of({"a.md": "one"}) | chunks_of(SECOND)

    def test_keep_both_files_of_one_name_and_say_so(self, store: MilvusStore) -> None:
        sync(Pages({**FIRST, "README.md": "of the first"}, "first"), Lines(), store)
        report = sync(Pages({**SECOND, "README.md": "of the second"}, "second"), Lines(), store)
        assert report.removed == 0
        assert "README.md" in report.notes[0]
        again = sync(Pages({**SECOND, "README.md": "of the second"}, "second"), Lines(), store)
        assert (again.removed, again.changed, again.notes) == (0, False, [])
        texts = {text for source, _, text in places(store) if source == "README.md"}
        assert texts == {"of the first", "of the second"}

    def test_are_one_folder_that_was_moved_when_half_of_it_is_the_same(self, store: MilvusStore) -> None:
        """As where every run checks the files out into another folder."""
        pages = {f"{i}.md": f"text {i}" for i in range(10)}
        sync(Pages(pages, "checkout 1"), Lines(), store)
        sync(Pages(SECOND, "second"), Lines(), store)
        changed = {**{f"{i}.md": f"text {i}" for i in range(8)}, "8.md": "changed"}
        report = sync(Pages(changed, "checkout 2"), Lines(), store)
        assert (report.added, report.moved, report.embedded) == (1, 8, 1)
        assert report.pruned == ["9.md"]
        (note,) = report.notes
        assert note.startswith("Taken for the folder checkout 1 at another place")
        assert note.endswith("1 files that are gone from it were removed: 9.md.")
        assert places(store) == chunks_of(changed) | chunks_of(SECOND)

    def test_do_not_lose_what_was_added_by_hand(self, store: MilvusStore) -> None:
        store.add_documents([
            Document("by hand", metadata={"source": "a.md", "chunk": 0}),
            Document("too", metadata={"source": "z.md", "chunk": 0}),
        ])  # fmt: skip
        sync(Pages(FIRST), Lines(), store)
        sync(Pages({"a.md": "other"}), Lines(), store)
        assert places(store) == {("a.md", 0, "other"), ("a.md", 0, "by hand"), ("z.md", 0, "too")}


def roots(store: MilvusStore) -> dict[str, Any]:
    """Who has a row, by its text."""
    return {row["text"]: row[ROOT_KEY] for row in snapshot(store).values()}


class TestAChunkThatTwoFoldersShare:
    FIRST: ClassVar = {"LICENSE.md": "terms\nand conditions", **FIRST}
    SECOND: ClassVar = {"LICENSE.md": "terms\nand conditions", **SECOND, "z.md": "six"}

    def test_remembers_both(self, store: MilvusStore) -> None:
        sync(Pages(self.FIRST, "first"), Lines(), store)
        assert roots(store)["terms"] == ["first"]
        sync(Pages(self.SECOND, "second"), Lines(), store)
        assert roots(store)["terms"] == ["first", "second"]
        assert roots(store)["one"] == ["first"]

    def test_is_written_once(self, store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
        both = ((self.FIRST, "first"), (self.SECOND, "second"))
        for pages, root in both:
            sync(Pages(pages, root), Lines(), store)
        monkeypatch.setattr(CollectionRows, "upsert", None)
        monkeypatch.setattr(CollectionRows, "delete", None)
        for pages, root in both:
            assert not sync(Pages(pages, root), Lines(), store).changed

    def test_moves_for_both(self, store: MilvusStore) -> None:
        """What it is stored as anew has both too."""
        sync(Pages(self.FIRST, "first"), Lines(), store)
        sync(Pages({"LICENSE.md": "title\nterms\nand conditions", **SECOND}, "second"), Lines(), store)
        assert roots(store)["terms"] == ["first", "second"]
        sync(Pages(SECOND, "second"), Lines(), store)
        assert roots(store)["terms"] == ["first"]

    def test_may_be_one_of_an_older_row_which_has_one_name(self, store: MilvusStore) -> None:
        sync(Pages(self.FIRST, "first"), Lines(), store)
        store.collection.rows().rewrite(lambda row: {**row, ROOT_KEY: "first"})
        assert not sync(Pages(self.FIRST, "first"), Lines(), store).changed
        sync(Pages(self.SECOND, "second"), Lines(), store)
        assert roots(store)["terms"] == ["first", "second"]
        sync(Pages(FIRST, "first"), Lines(), store)
        assert roots(store)["terms"] == ["second"]
        assert places(store) == chunks_of(FIRST) | chunks_of(self.SECOND)

    @pytest.mark.parametrize("fatal", ["rewrite_by_id", "delete"])
    def test_is_set_right_by_the_run_after_one_that_died(
        self, store: MilvusStore, monkeypatch: pytest.MonkeyPatch, fatal: str
    ) -> None:
        def die(*_: object) -> None:
            raise SystemError

        sync(Pages(self.FIRST, "first"), Lines(), store)
        sync(Pages({**self.SECOND, "gone.md": "ten"}, "second"), Lines(), store)
        for pages in (SECOND, self.SECOND):
            with monkeypatch.context() as patch:
                patch.setattr(CollectionRows, fatal, die)
                with pytest.raises(SystemError):
                    sync(Pages(pages, "second"), Lines(), store)
            assert chunks_of(self.FIRST) | chunks_of(SECOND) <= places(store)
            sync(Pages(pages, "second"), Lines(), store)
            assert places(store) == chunks_of(self.FIRST) | chunks_of(pages)
            assert roots(store)["terms"] == (["first", "second"] if "LICENSE.md" in pages else ["first"])


class TestFoldersOfWhichHalfIsTheSame:
    """As docs-v1 and docs-v2, or a checkout and the next one."""

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        folders = (tmp_path / "v1", tmp_path / "v2")
        for folder in folders:
            folder.mkdir()
            for i in range(6):
                (folder / f"{i}.md").write_text(f"text {i}")
            (folder / f"0 only {folder.name}.md").write_text(f"only in {folder.name}")
            (folder / "both.md").write_text(f"of {folder.name}")
        return folders

    def texts(self, store: MilvusStore) -> set[str]:
        return {text for _, _, text in places(store)}

    def test_are_two_while_both_are_there(self, store: MilvusStore, folders: tuple[Path, Path]) -> None:
        for folder in (*folders, *folders):
            report = sync(MarkdownLoader(folder), Lines(), store)
            assert (report.removed, report.pruned) == (0, [])
        same = {f"text {i}" for i in range(6)}
        assert self.texts(store) == same | {"only in v1", "only in v2", "of v1", "of v2"}

    def test_are_two_although_the_run_of_the_other_died(self, store: MilvusStore, folders: tuple[Path, Path]) -> None:
        """Where its files are is known before its first row is there."""

        def die(progress: SyncProgress) -> None:
            if progress.chunks_done > 1:
                raise SystemError

        with pytest.raises(SystemError):
            sync(MarkdownLoader(folders[0]), Lines(), store, batch_size=1, max_concurrency=1, on_progress=die)
        stored = self.texts(store)
        assert stored
        assert sync(MarkdownLoader(folders[1]), Lines(), store).removed == 0
        assert stored < self.texts(store)

    def test_are_one_that_was_moved_when_the_other_is_gone(
        self, store: MilvusStore, folders: tuple[Path, Path]
    ) -> None:
        old, new = folders
        sync(MarkdownLoader(old), Lines(), store)
        shutil.rmtree(old)
        report = sync(MarkdownLoader(new), Lines(), store, dry_run=True)
        assert report.pruned == ["0 only v1.md"]
        report = sync(MarkdownLoader(new), Lines(), store)
        assert report.pruned == ["0 only v1.md"]
        (note,) = report.notes
        assert note.startswith(f"Taken for the folder {old} at another place")
        assert "1 files that are gone from it were removed: 0 only v1.md" in note
        assert self.texts(store) == {f"text {i}" for i in range(6)} | {"only in v2", "of v2"}
        assert sync(MarkdownLoader(new), Lines(), store).notes == []

    def test_are_one_where_a_link_leads_to_the_next_one(self, store: MilvusStore, folders: tuple[Path, Path]) -> None:
        """As deployments switch releases: the link is the place, whatever it leads to."""
        link = folders[0].parent / "current"
        for folder in folders:
            link.unlink(missing_ok=True)
            link.symlink_to(folder)
            report = sync(MarkdownLoader(link), Lines(), store)
        assert report.pruned == ["0 only v1.md"]
        assert report.notes == []
        assert self.texts(store) == {f"text {i}" for i in range(6)} | {"only in v2", "of v2"}

    def test_are_one_that_was_moved_as_it_is(self, store: MilvusStore, folders: tuple[Path, Path]) -> None:
        old, new = folders[0], folders[0].with_name("moved")
        sync(MarkdownLoader(old), Lines(), store)
        old.rename(new)
        report = sync(MarkdownLoader(new), Lines(), store)
        assert (report.moved, report.removed) == (8, 0)
        assert {tuple(names) for names in roots(store).values()} == {(MarkdownLoader(new).root,)}
        assert "No file was removed" in report.notes[0]
        again = sync(MarkdownLoader(new), Lines(), store)
        assert (again.unchanged, again.changed, again.notes) == (8, False, [])


class TestAPlace:
    def test_of_files_is_where_they_are(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        assert place_of(MarkdownLoader("docs")) == place_of(MarkdownLoader("~/docs")) == str(tmp_path / "docs")
        assert place_of(_Foreign({}, file_path=Path("a.md"))) == str(tmp_path / "a.md")

    def test_of_a_url_is_not_told(self) -> None:
        place = place_of(MarkdownLoader("https://me:secret@example.com/docs.zip"))
        assert place == place_of(_Foreign({}, urls=["https://a"])) == "://"
        assert not may_have_moved(place, "/docs")

    def test_that_nobody_told_is_not_known(self) -> None:
        assert place_of(_Foreign({})) is None
        assert may_have_moved(None, "/docs")

    def test_is_left_when_nothing_is_there(self, tmp_path: Path) -> None:
        here, file = tmp_path / "here", tmp_path / "file"
        here.mkdir()
        file.touch()
        (tmp_path / "link").symlink_to(here)
        assert may_have_moved(str(tmp_path / "gone"), str(here))
        assert may_have_moved(str(file / "below a file"), str(here))
        assert may_have_moved(str(tmp_path / "link"), str(here))
        assert not may_have_moved(str(tmp_path), str(here))
        assert not may_have_moved(str(here), None)
        assert not may_have_moved(str(here), str(tmp_path / "gone"))


class TestALoader:
    def test_prunes_only_what_it_covers(self, store: MilvusStore) -> None:
        sync(Pages({**FIRST, "en/c.md": "six"}), Lines(), store)
        report = sync(Pages({"a.md": "one\ntwo"}, covers=lambda source: "/" not in source), Lines(), store)
        assert report.pruned == ["b.md"]
        assert ("en/c.md", 0, "six") in places(store)

    def test_prunes_nothing_when_it_is_told_so(self, store: MilvusStore) -> None:
        sync(Pages(FIRST), Lines(), store)
        report = sync(Pages({"a.md": "two"}), Lines(), store, prune=False)
        assert (report.pruned, report.removed) == ([], 1)
        assert places(store) == {("a.md", 0, "two"), ("b.md", 0, "three")}

    def test_of_a_glob_prunes_only_files_of_this_glob(self, store: MilvusStore, tmp_path: Path) -> None:
        for name in ("a.md", "en/b.md", "en/c.md"):
            (tmp_path / "docs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "docs" / name).write_text(f"text of {name}")
        sync(MarkdownLoader(tmp_path / "docs"), Lines(), store)
        (tmp_path / "docs" / "a.md").unlink()
        (tmp_path / "docs" / "en" / "b.md").unlink()
        report = sync(MarkdownLoader(tmp_path / "docs", "en/*.md"), Lines(), store)
        assert report.pruned == ["en/b.md"]
        assert sync(MarkdownLoader(tmp_path / "docs"), Lines(), store).pruned == ["a.md"]

    def test_of_a_part_of_the_files_prunes_only_its_part(self, store: MilvusStore, tmp_path: Path) -> None:
        docs = tmp_path / "docs"
        docs.mkdir()
        pages = {f"{i}.md": f"text {i}" for i in range(12)}
        for name, text in pages.items():
            (docs / name).write_text(text)
        parts = [MarkdownLoader(docs, shard=(number, 3)) for number in (1, 2, 3)]
        for part in parts:
            assert sync(part, Lines(), store).pruned == []
        assert places(store) == chunks_of(pages)
        for name in ("1.md", "2.md", "3.md", "4.md"):
            (docs / name).unlink()
            del pages[name]
        pruned = [set(sync(part, Lines(), store).pruned) for part in parts]
        assert set().union(*pruned) == {"1.md", "2.md", "3.md", "4.md"}
        assert sum(map(len, pruned)) == 4
        assert places(store) == chunks_of(pages)


class _Foreign(BaseLoader):
    """A loader of another package, which says nothing of itself but perhaps a path."""

    def __init__(self, pages: dict[str, str], **attributes: object) -> None:
        self._pages = pages
        vars(self).update(attributes)

    def lazy_load(self) -> Iterator[Document]:
        for source, text in self._pages.items():
            yield Document(text, metadata={"source": source})


class TestALoaderOfAnotherPackage:
    def test_is_told_from_others_by_its_path(self, store: MilvusStore) -> None:
        sync(_Foreign(FIRST, path="first"), Lines(), store)
        sync(_Foreign(SECOND, path="second"), Lines(), store)
        report = sync(_Foreign({"a.md": "one\ntwo"}, path="first"), Lines(), store)
        assert report.pruned == ["b.md"]
        assert places(store) == chunks_of({"a.md": "one\ntwo"}) | chunks_of(SECOND)

    def test_without_a_path_prunes_nothing(self, store: MilvusStore) -> None:
        sync(_Foreign(FIRST), Lines(), store)
        report = sync(_Foreign({"a.md": "one\ntwo"}), Lines(), store)
        assert report.pruned == []
        assert "not known that they are this loader" in report.notes[0]
        assert places(store) == chunks_of(FIRST)

    def test_that_gives_nothing_prunes_nothing(self, store: MilvusStore) -> None:
        """More likely the disk is not there than that all files are gone."""
        sync(_Foreign(FIRST, path="first"), Lines(), store)
        report = sync(_Foreign({}, path="first"), Lines(), store)
        assert "gave nothing" in report.notes[0]
        assert places(store) == chunks_of(FIRST)

    @pytest.mark.parametrize(
        "attributes",
        [{"path": "docs"}, {"file_path": Path("docs")}, {"web_paths": ["https://a"]}, {"urls": ("https://a",)}],
    )
    def test_has_a_name_made_of_where_it_loads_from(self, attributes: dict[str, object]) -> None:
        name, is_rooted = root_of(_Foreign({}, **attributes))
        assert name.startswith("_Foreign:")
        assert is_rooted
        assert root_of(_Foreign({}, **attributes)) == (name, True)
        assert root_of(_Foreign({}, path="others"))[0] != name

    def test_has_another_name_in_another_working_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        here = root_of(_Foreign({}, path="docs"))
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert root_of(_Foreign({}, path="docs")) != here
        assert root_of(_Foreign({}, path="s3://bucket")) == root_of(_Foreign({}, path="s3://bucket"))


def test_a_splitter_of_another_package_is_known_by_its_sizes() -> None:
    assert splitter_fingerprint(Lines()) == "lines"
    splitter = SimpleNamespace(_chunk_size=100, _chunk_overlap=7)
    assert splitter_fingerprint(splitter) == "SimpleNamespace(chunk_size=100, chunk_overlap=7)"  # type: ignore[arg-type]  # has what is asked for


class TestFilesThatAreLeftOut:
    """They are there, so they stay; and whoever expects them to go is told."""

    NOTE = "1 files that glob and exclude leave out this time were indexed before"

    @pytest.fixture
    def folder(self, tmp_path: Path, store: MilvusStore) -> Path:
        folder = written(tmp_path / "docs", {"a.md": "one", "drafts/d.md": "two"})
        sync(MarkdownLoader(folder), Lines(), store)
        return folder

    @pytest.mark.parametrize("chosen", [{"exclude": ("drafts",)}, {"glob": "*.md"}])
    def test_a_note_says_so(self, folder: Path, store: MilvusStore, chosen: dict[str, Any]) -> None:
        for _ in range(2):
            (note,) = sync(MarkdownLoader(folder, **chosen), Lines(), store).notes
            assert note.startswith(self.NOTE)
            assert ": drafts/d.md. " in note
        assert places(store) == chunks_of({"a.md": "one", "drafts/d.md": "two"})

    def test_not_of_a_part_of_the_folder_nor_of_a_shard(self, folder: Path, store: MilvusStore) -> None:
        parts = [folder / "a.md", folder / "drafts"]
        assert [sync(MarkdownLoader(part), Lines(), store).notes for part in parts] == [[], []]
        for number in (1, 2):
            report = sync(MarkdownLoader(folder, exclude=("drafts",)), Lines(), store, shard=(number, 2), prune=False)
            assert report.notes == []

    def test_not_of_what_is_gone(self, folder: Path, store: MilvusStore) -> None:
        (folder / "drafts" / "d.md").unlink()
        assert sync(MarkdownLoader(folder, exclude=("drafts",)), Lines(), store).notes == []


class TestANameOfTwoFolders:
    def test_is_told_where_both_are_there(self, store: MilvusStore, tmp_path: Path) -> None:
        one = written(tmp_path / "one", {"a.md": "one", "both.md": "three"})
        two = written(tmp_path / "two", {"b.md": "two", "both.md": "three"})
        sync(MarkdownLoader(one), Lines(), store, scope="handbook")
        report = sync(MarkdownLoader(two), Lines(), store, scope="handbook")

        assert report.pruned == ["a.md"]
        (note,) = report.notes
        assert note.startswith(f"By its name this is what was indexed from {one}, which is still there: 1 files")
        # The next run is of the same place.
        assert sync(MarkdownLoader(two), Lines(), store, scope="handbook").notes == []

    def test_is_the_same_folder_where_one_is_gone(self, store: MilvusStore, tmp_path: Path) -> None:
        one = written(tmp_path / "one", {"a.md": "one", "b.md": "two"})
        sync(MarkdownLoader(one), Lines(), store, scope="handbook")
        (one / "a.md").unlink()
        two = one.rename(tmp_path / "two")
        report = sync(MarkdownLoader(two), Lines(), store, scope="handbook")
        assert (report.pruned, report.notes) == (["a.md"], [])
