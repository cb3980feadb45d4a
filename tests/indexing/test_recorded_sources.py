"""What a collection records of its sources: what need not be read is not, and nothing else is left unread for it."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, SyncReport, open_store, sync
from milvus_rag.chunk_keys import RECORD_KEY, ROOT_KEY, VERSION_KEY
from milvus_rag.indexing import recording
from milvus_rag.indexing.source_records import decoded
from milvus_rag.loaders import file_facts, kinds
from milvus_rag.stores.collection_rows import CollectionRows
from support.pages import CountingEmbeddings, Lines, Pages, places, snapshot

PAGES = {"a.md": "one\ntwo\nthree", "b.md": "four\nfive", "sub/c.md": "six"}


class WatchedLines(Lines):
    """Says what it was given."""

    fingerprint = "watched lines"

    def __init__(self) -> None:
        super().__init__()
        self.given: list[str] = []

    def transform_documents(self, documents: Sequence[Document], **_: Any) -> Sequence[Document]:
        self.given += [document.metadata["source"] for document in documents]
        return self.split_documents(documents)


class Tagged(MarkdownLoader):
    """Of somebody's own: the same files, under the same name, with other metadata."""

    def lazy_load(self) -> Iterator[Document]:
        for document in super().lazy_load():
            document.metadata["tag"] = "mine"
            yield document


class Swapped(MarkdownLoader):
    """Of somebody's own: lines are in another order."""

    def lazy_load(self) -> Iterator[Document]:
        for document in super().lazy_load():
            document.page_content = document.page_content.replace("two\nthree", "three\ntwo")
            yield document


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    return folder


_everywhere = pytest.mark.parametrize(
    "store", ["lite", pytest.param("server", marks=pytest.mark.server)], indirect=True
)


@pytest.fixture
def store(request: pytest.FixtureRequest, collection_name: str) -> Iterator[MilvusStore]:
    uri = request.getfixturevalue(f"{getattr(request, 'param', 'lite')}_uri")
    with open_store(uri, embedding=CountingEmbeddings(), collection=collection_name, full_text=False) as opened:
        yield opened
        opened.drop()


@pytest.fixture
def splitter() -> WatchedLines:
    return WatchedLines()


Run = Callable[..., SyncReport]


@pytest.fixture
def run(docs: Path, store: MilvusStore, splitter: WatchedLines) -> Run:
    """Sync, and say in `splitter.given` what was read."""

    def run(loader: MarkdownLoader | None = None, *, verify: bool = False, dry_run: bool = False) -> SyncReport:
        splitter.given.clear()
        return sync(loader or MarkdownLoader(docs), splitter, store, verify=verify, dry_run=dry_run)

    return run


def _as_before(store: MilvusStore) -> None:
    """As rows were before anything was recorded of their sources."""
    store.collection.rows().rewrite(
        lambda row: {key: value for key, value in row.items() if key not in (VERSION_KEY, RECORD_KEY, "$meta")}
    )


def records(store: MilvusStore) -> dict[str, str]:
    """What is recorded, by source."""
    return {row["source"]: row[RECORD_KEY] for row in snapshot(store).values() if RECORD_KEY in row}


@_everywhere
def test_what_did_not_change_is_not_read_and_counts_as_before(
    run: Run, docs: Path, store: MilvusStore, splitter: WatchedLines
) -> None:
    assert run().added == 6
    first = snapshot(store)
    again = run()
    assert splitter.given == []
    assert (again.sources, again.unchanged, again.changed, again.notes) == (3, 6, False, [])
    assert snapshot(store) == first
    (docs / "a.md").write_text("one\nnew\nthree")
    changed = run()
    assert splitter.given == ["a.md"]
    assert (changed.sources, changed.added, changed.unchanged, changed.removed) == (3, 1, 5, 1)
    (docs / "b.md").unlink()
    gone = run()
    assert splitter.given == []
    assert (gone.pruned, gone.removed, gone.unchanged) == (["b.md"], 2, 4)
    assert run(verify=True).unchanged == 4
    assert splitter.given == ["a.md", "sub/c.md"]


def test_a_dry_run_and_a_part_of_a_folder_read_as_little(
    run: Run, docs: Path, store: MilvusStore, splitter: WatchedLines
) -> None:
    run()
    (docs / "a.md").write_text("one\nnew\nthree")
    before = snapshot(store)
    assert run(dry_run=True).added == 1
    assert splitter.given == ["a.md"]
    assert snapshot(store) == before
    run()
    for loader in (MarkdownLoader(docs, "*.md"), MarkdownLoader(docs, shard=(1, 2)), MarkdownLoader(docs / "a.md")):
        assert not run(loader).changed
        assert splitter.given == []
    # Its pages have other names for those who load it alone, and perhaps other titles.
    assert run(MarkdownLoader(docs / "sub")).unchanged == 1
    assert len(places(store)) == 6


@_everywhere
def test_rows_that_somebody_deletes_are_stored_again(run: Run, store: MilvusStore, splitter: WatchedLines) -> None:
    run()
    whole = places(store)
    for row_id, row in snapshot(store).items():
        store.collection.rows().delete([row_id])
        assert run().added == 1
        assert splitter.given == [row["source"]]
        assert places(store) == whole


def test_a_run_that_died_before_a_row_was_stored_has_recorded_nothing_that_counts(
    run: Run, docs: Path, store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    text = (docs / "a.md").read_text()
    # All chunks are moved, and some of the rows are not written; then the file is as it was.
    (docs / "a.md").write_text(f"one\nnew\n{text}")
    write = CollectionRows.upsert

    def but_the_last(self: CollectionRows, rows: list[dict[str, object]]) -> list[str]:
        write(self, [row for row in rows if row["text"] == "three"])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(CollectionRows, "upsert", but_the_last)
        with pytest.raises(KeyboardInterrupt):
            run()
    (docs / "a.md").write_text(text)
    assert run().moved == 1
    assert not run(verify=True).changed


def test_a_chunk_that_fails_is_tried_again_in_each_run(
    run: Run, docs: Path, store: MilvusStore, splitter: WatchedLines
) -> None:
    (docs / "a.md").write_text(f"one\n{'x' * 70_000}")
    assert len(run().failed) == len(run().failed) == 1
    assert splitter.given == ["a.md"]


def test_another_loader_of_the_same_files_is_no_reason_to_leave_its_rows(
    run: Run, docs: Path, splitter: WatchedLines
) -> None:
    run()
    assert run(Tagged(docs)).moved == 6
    assert splitter.given == sorted(PAGES)
    assert not run(Tagged(docs)).changed
    assert splitter.given == sorted(PAGES)
    assert run().moved == 6
    assert not run().changed
    assert splitter.given == []


def test_rows_that_another_root_had_too_are_looked_at(
    run: Run, docs: Path, store: MilvusStore, splitter: WatchedLines
) -> None:
    run()
    others = {f"other/{number}.md": "what only others have" for number in range(9)}
    theirs = {"title": "theirs"}
    sync(Pages({**others, "a.md": "two"}, metadata=theirs), Lines(), store)
    # The row is as theirs, position and all, until they have it no more.
    assert run().moved == 1
    assert splitter.given == ["a.md"]
    sync(Pages({**others, "a.md": "two"}, metadata=theirs), Lines(), store)
    sync(Pages(others, metadata=theirs), Lines(), store)
    assert run().moved == 1
    assert not run(verify=True).changed


def test_a_loader_that_tells_no_versions_leaves_none_that_an_old_row_has(
    run: Run, docs: Path, store: MilvusStore
) -> None:
    run()
    _as_before(store)
    run()
    # Of a row of the version before, nothing says which version of its source it is of.
    assert run(Swapped(docs)).moved == 2
    assert run().moved == 2
    assert not run(verify=True).changed


def test_a_folder_that_has_rows_with_another_looks_whether_that_is_still_there(
    run: Run, docs: Path, store: MilvusStore, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    run()
    shutil.copytree(docs, copy)
    run(MarkdownLoader(copy))
    assert {len(row[ROOT_KEY]) for row in snapshot(store).values()} == {2}
    assert not run(MarkdownLoader(copy)).changed
    shutil.rmtree(docs)
    run(MarkdownLoader(copy))
    assert {tuple(row[ROOT_KEY]) for row in snapshot(store).values()} == {(MarkdownLoader(copy).root,)}


def test_a_page_that_has_another_title_when_it_is_loaded_alone_is_read(
    run: Run, docs: Path, store: MilvusStore
) -> None:
    (docs / "sub" / "index.md").write_text("an index")
    titles = []
    for path in (docs, docs / "sub", docs):
        assert run(MarkdownLoader(path)).failed == []
        titles.append(next(row["title"] for row in snapshot(store).values() if row["text"] == "an index"))
        assert not run(MarkdownLoader(path), verify=True).changed
    assert titles[0] == titles[2] != titles[1]


def test_another_splitter_release_or_converter_reads_all(
    run: Run, splitter: WatchedLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    monkeypatch.setattr(WatchedLines, "fingerprint", "other lines")
    assert not run().changed
    assert splitter.given == sorted(PAGES)
    monkeypatch.setattr(recording, "own_version", lambda: "another")
    assert not run().changed
    assert splitter.given == sorted(PAGES)
    monkeypatch.setattr(kinds, "_READING", -1)
    assert not run().changed
    assert splitter.given == sorted(PAGES)
    assert not run().changed
    assert splitter.given == []


def test_a_splitter_that_does_not_say_which_it_is_is_never_left_out(docs: Path, store: MilvusStore) -> None:
    class Own(WatchedLines):
        marker = "one"

        def split_text(self, text: str) -> list[str]:
            return [text.replace("one", self.marker)]

    own = Own()
    sync(MarkdownLoader(docs), own, store)
    own.marker = "1"
    assert sync(MarkdownLoader(docs), own, store).added == 1
    assert records(store) == {}


def test_rows_of_the_version_before_are_recorded_and_not_embedded_again(
    run: Run, store: MilvusStore, splitter: WatchedLines
) -> None:
    run()
    embedding = store.embedding
    assert isinstance(embedding, CountingEmbeddings)
    embedding.texts.clear()
    _as_before(store)
    assert records(store) == {}
    taken = run()
    assert (taken.unchanged, taken.changed, splitter.given) == (6, False, sorted(PAGES))
    assert not run().changed
    assert splitter.given == []
    assert embedding.texts == []


def test_a_file_that_its_times_prove_unchanged_is_not_even_opened(
    run: Run, docs: Path, store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = max((docs / name).stat().st_ctime_ns for name in PAGES)
    monkeypatch.setattr("time.time_ns", lambda: now + 10**10)
    run()
    assert all((record := decoded(value)) and record.facts for value in records(store).values())

    def refuse(path: Path) -> bytes:
        raise AssertionError(f"{path} was read")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", refuse)
        assert run().unchanged == 6
    # Other bytes, as many as before, and the time set back: only the time that no program sets tells.
    before = (docs / "b.md").stat()
    (docs / "b.md").write_text("four\nFIVE")
    os.utime(docs / "b.md", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run().added == 1


@pytest.mark.parametrize("age", [0, 10**9])
def test_a_file_that_changed_just_now_is_known_by_its_content_alone(
    docs: Path, monkeypatch: pytest.MonkeyPatch, age: int
) -> None:
    changed = (docs / "a.md").stat().st_ctime_ns
    monkeypatch.setattr("time.time_ns", lambda: changed + age)
    assert file_facts.file_facts(docs / "a.md", 100) is None
    monkeypatch.setattr("time.time_ns", lambda: changed + 10**10)
    assert file_facts.file_facts(docs / "a.md", 100)
    assert file_facts.file_facts(docs / "a.md", 3) is None
    assert file_facts.file_facts(docs / "sub", 10**6) is None
    assert file_facts.file_facts(docs / "none.md", 100) is None


def test_what_is_recorded_is_no_metadata(run: Run, store: MilvusStore) -> None:
    run()
    hit = store.similarity_search("six", k=1)[0]
    assert hit.metadata == {"source": "sub/c.md", "title": "c", "chunk": 0}
    assert store.count() == 6


@pytest.mark.parametrize("value", [None, 3, "", "a:b:1:2", "a:b:x:2:", "a:b:1:x:"])
def test_what_is_no_record_is_none(value: object) -> None:
    assert decoded(value) is None
