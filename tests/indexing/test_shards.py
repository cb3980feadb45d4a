"""Parts of what a loader gives, each synced by itself: together they are one sync, and what is gone goes at the end."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, SyncReport, open_store, prune, sync
from milvus_rag.errors import InputError, UnreadableFileError
from milvus_rag.indexing.report import Failure, SyncProgress
from milvus_rag.source_parts import is_in_shard
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places
from support.rebuilding import Index

PAGES = {f"{i}.md": f"text {i}\nand more {i}" for i in range(12)}
SHARDS = (1, 2, 3)


class Rows(BaseLoader):
    """A loader of another package, which knows of no parts and does not say what is its."""

    def __init__(self, pages: dict[str, str]) -> None:
        self.url = "https://docs.example.org/all"
        self._pages = pages

    def lazy_load(self) -> Iterator[Document]:
        for source, text in self._pages.items():
            yield Document(text, metadata={"source": source})


@pytest.fixture
def store(lite_uri: str) -> Iterator[MilvusStore]:
    with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as opened:
        yield opened


def write(folder: Path, pages: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text)
    return folder


def sync_shards(loader: BaseLoader, store: MilvusStore, **options: Any) -> list[SyncReport]:
    return [sync(loader, Lines(), store, shard=(number, len(SHARDS)), **options) for number in SHARDS]


class TestALoaderThatKnowsNoParts:
    def test_is_loaded_by_each_shard_which_keeps_its_own(self, store: MilvusStore) -> None:
        reports = sync_shards(Rows(PAGES), store)

        assert places(store) == chunks_of(PAGES)
        for number, report in zip(SHARDS, reports, strict=True):
            own = sum(is_in_shard(source, (number, len(SHARDS))) for source in PAGES)
            assert 0 < report.sources == own < len(PAGES)
            assert report.notes[0].startswith(f"{len(PAGES) - own} documents of other shards were loaded and left out")
        assert not any(report.changed for report in sync_shards(Rows(PAGES), store))

    def test_prunes_what_is_gone_of_its_own_shard_alone(self, store: MilvusStore) -> None:
        sync_shards(Rows(PAGES), store)
        left = {name: text for name, text in PAGES.items() if name not in ("3.md", "7.md")}

        pruned = [report.pruned for report in sync_shards(Rows(left), store)]

        assert sorted(chain.from_iterable(pruned)) == ["3.md", "7.md"]
        assert places(store) == chunks_of(left)

    def test_prunes_a_shard_of_which_nothing_is_left(self, store: MilvusStore) -> None:
        sync_shards(Rows(PAGES), store)
        left = {name: text for name, text in PAGES.items() if not is_in_shard(name, (2, 3))}

        report = sync(Rows(left), Lines(), store, shard=(2, 3))

        assert set(report.pruned) == PAGES.keys() - left.keys()
        assert places(store) == chunks_of(left)

    def test_is_counted_beforehand_by_its_own(self, store: MilvusStore) -> None:
        totals = []
        sync(Pages(PAGES), Lines(), store, shard=(1, 3), on_progress=lambda now: totals.append(now.sources_total))

        assert set(totals) == {sum(is_in_shard(source, (1, 3)) for source in PAGES)}


class TestALoaderThatKnowsParts:
    def test_reads_no_file_of_another(self, store: MilvusStore, tmp_path: Path) -> None:
        docs = write(tmp_path / "docs", PAGES)
        other = next(name for name in PAGES if not is_in_shard(name, (1, 3)))
        (docs / other).write_bytes(b"\xff\xfe\x00binary")

        assert sync(MarkdownLoader(docs), Lines(), store, shard=(1, 3)).failed == []

    def test_is_not_asked_for_two(self, store: MilvusStore, tmp_path: Path) -> None:
        loader = MarkdownLoader(write(tmp_path / "docs", PAGES), shard=(1, 3))

        assert sync(loader, Lines(), store, shard=(1, 3)).added
        with pytest.raises(InputError, match="for the shard"):
            sync(loader, Lines(), store, shard=(2, 3))

    @pytest.mark.parametrize("shard", [(0, 2), (3, 2), (1,), "1/2", (1.0, 2), (True, 2), [1, 2]])
    def test_refuses_what_is_none(self, store: MilvusStore, shard: Any) -> None:
        with pytest.raises(InputError, match="A shard is"):
            sync(Pages(PAGES), Lines(), store, shard=shard)


class TestTheLastStep:
    def test_finds_what_was_renamed_into_another_shard_stored(self, store: MilvusStore, tmp_path: Path) -> None:
        """Had its shard pruned it before, its texts would have been embedded again, and missed by readers meanwhile."""
        docs = write(tmp_path / "docs", PAGES)
        loader = MarkdownLoader(docs)
        sync_shards(loader, store)
        old = next(name for name in PAGES if is_in_shard(name, (1, 3)))
        new = next(f"new{i}.md" for i in range(99) if is_in_shard(f"new{i}.md", (3, 3)))
        (docs / old).rename(docs / new)

        reports = sync_shards(loader, store, prune=False)
        assert (sum(report.embedded for report in reports), sum(report.removed for report in reports)) == (0, 0)
        assert {old, new} <= {source for source, _, _ in places(store)}
        assert prune(loader, store, dry_run=True).pruned == [old]
        last = prune(loader, store)

        assert (last.pruned, last.removed, last.sources, last.added) == ([old], 2, len(PAGES), 0)
        now = {name: text for name, text in PAGES.items() if name != old} | {new: PAGES[old]}
        assert places(store) == chunks_of(now)
        assert not prune(loader, store).changed

    def test_leaves_other_folders_and_what_was_edited_alone(self, store: MilvusStore, tmp_path: Path) -> None:
        first, second = write(tmp_path / "first", PAGES), write(tmp_path / "second", {"x.md": "four", "y.md": "five"})
        for folder in (first, second):
            sync(MarkdownLoader(folder), Lines(), store)
        (first / "0.md").write_text("edited")
        (first / "1.md").unlink()
        (second / "x.md").unlink()

        assert prune(MarkdownLoader(first), store).pruned == ["1.md"]
        assert {"0.md", "x.md"} <= {source for source, _, _ in places(store)}

    def test_loads_what_does_not_list(self, store: MilvusStore) -> None:
        sync(Rows(PAGES), Lines(), store)
        left = {name: text for name, text in PAGES.items() if name != "5.md"}

        assert prune(Rows(left), store).pruned == ["5.md"]
        assert places(store) == chunks_of(left)
        nothing = prune(Rows({}), store)
        assert (nothing.pruned, nothing.notes[0]) == ([], "Nothing was pruned: the loader gave nothing.")

    def test_removes_nothing_where_something_could_not_be_read(self, store: MilvusStore) -> None:
        sync(Pages(PAGES), Lines(), store)
        broken = {name: text for name, text in PAGES.items() if name != "5.md"}

        report = prune(Pages(broken | {"6.md": UnreadableFileError("damaged")}), store)

        assert report.pruned == []
        assert report.notes[0].startswith("Nothing was pruned, since not all folders or pages could be read")
        assert [failure.reason for failure in report.failed] == ["damaged"]

    def test_of_nothing_is_nothing(self, store: MilvusStore) -> None:
        assert not prune(Pages(PAGES), store).changed


class TestARebuild:
    def test_of_parts_is_switched_to_by_the_whole_which_embeds_nothing_again(self, lite_uri: str) -> None:
        index = Index(lite_uri, "pages")
        index.sync({"old.md": "old"})
        for number in (2, 1):
            report = index.rebuild(PAGES, shard=(number, 2), drop_others=True)
            assert f"Part {number} of 2" in report.notes[-1]
        assert index.places == chunks_of({"old.md": "old"})
        before = len(index.embedding.texts)

        index.rebuild(PAGES, drop_others=True)

        assert index.places == chunks_of(PAGES)
        assert len(index.embedding.texts) == before
        # Its name says where the next one's parts meet.
        index.rebuild({"new.md": "new"}, shard=(1, 1), drop_others=True)
        index.rebuild({"new.md": "new"}, drop_others=True)
        assert index.places == chunks_of({"new.md": "new"})
        index.drop()

    def test_of_parts_meets_where_none_was_before(self, lite_uri: str) -> None:
        index = Index(lite_uri, "pages")
        for number in (1, 2):
            index.rebuild(PAGES, shard=(number, 2))
        index.rebuild(PAGES)

        assert index.places == chunks_of(PAGES)
        assert len(index.embedding.texts) == len(chunks_of(PAGES))
        index.drop()


def test_reports_and_progress_of_parts_are_one() -> None:
    first = SyncReport(sources=2, added=3, pruned=["b"], notes=["same"], seconds=2.0, failed=[Failure("x", "bad")])
    second = SyncReport(sources=1, removed=4, pruned=["a"], notes=["same", "other"], seconds=1.0, interrupted=True)

    both = SyncReport.merged([first, second])

    assert (both.sources, both.added, both.removed, both.seconds) == (3, 3, 4, 2.0)
    assert (both.pruned, both.notes, both.failed) == (["a", "b"], ["same", "other"], [Failure("x", "bad")])
    assert both.interrupted
    assert SyncReport.merged([]) == SyncReport()
    known = [SyncProgress(1, 4, 10), SyncProgress(2, 3, 5)]
    assert SyncProgress.merged(known) == SyncProgress(3, 7, 15)
    assert SyncProgress.merged([*known, SyncProgress(1, None, 1)]).sources_total is None
