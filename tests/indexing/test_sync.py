"""What a sync does to a collection: on Milvus Lite with and without vectors and full-text search, and on servers."""

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter, MarkerSplitter, MilvusStore, SyncReport, open_store, sync
from milvus_rag.errors import CollectionSchemaError, InputError, LoaderError, SourceNotFoundError
from milvus_rag.indexing.sync import SyncProgress
from milvus_rag.stores.layout import VECTOR_FIELD
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places, snapshot

TEXTS = {"a.md": "one\ntwo\nthree", "b.md": "four\nfive", "dir/c.md": "six"}


@pytest.fixture
def embedding() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture(scope="module")
def server_collection(server_uri: str) -> Iterator[str]:
    """One for all: a server takes seconds to load one, and rows that are gone leave it as empty."""
    name = f"sync_{uuid.uuid4().hex}"
    yield name
    with open_store(server_uri, embedding=CountingEmbeddings(), collection=name, full_text=False) as store:
        store.drop()


@pytest.fixture(
    params=[
        "dense and full text",
        "dense",
        "full text",
        pytest.param("server", marks=pytest.mark.server),
        pytest.param("core, dense and full text", marks=pytest.mark.server),
    ]
)
def store(
    request: pytest.FixtureRequest, lite_uri: str, collection_name: str, embedding: CountingEmbeddings
) -> Iterator[MilvusStore]:
    """Every kind of store that there is."""
    kind = request.param
    on_server = kind == "server"
    uri = request.getfixturevalue(f"{kind.partition(',')[0]}_uri") if request.keywords.get("server") else lite_uri
    with open_store(
        uri,
        embedding=None if kind == "full text" else embedding,
        collection=request.getfixturevalue("server_collection") if on_server else collection_name,
        full_text="full text" in kind,
    ) as opened:
        if opened.exists:
            opened.delete(expr='pk != ""')
        yield opened
        if not on_server:
            opened.drop()


Run = Callable[..., SyncReport]


@pytest.fixture
def run(store: MilvusStore) -> Run:
    """Sync pages that are cut into lines."""

    def run(pages: dict[str, str], root: str = "pages", **options: object) -> SyncReport:
        return sync(Pages(pages, root), Lines(), store, **options)  # type: ignore[arg-type]  # of `sync`

    return run


def counts(report: SyncReport) -> dict[str, int]:
    names = ("added", "moved", "unchanged", "removed")
    return {name: value for name in names if (value := getattr(report, name))}


class TestEverything:
    """On every kind of store."""

    def test_is_stored_and_then_left_alone(self, run: Run, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        report = run(TEXTS)
        assert counts(report) == {"added": 6}
        assert places(store) == chunks_of(TEXTS)
        assert sorted(embedding.texts) == (
            [] if store.embedding is None else sorted(["one", "two", "three", "four", "five", "six"])
        )
        assert (report.sources, report.embedded) == (3, len(embedding.texts))
        assert report.changed
        assert (report.failed, report.notes, report.pruned) == ([], [], [])
        assert (report.interrupted, report.dry_run) == (False, False)
        before = snapshot(store)
        again = run(TEXTS)
        assert counts(again) == {"unchanged": 6}
        assert (again.embedded, again.requests, again.changed) == (0, 0, False)
        assert snapshot(store) == before

    def test_that_changed_is_replaced(self, run: Run, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        run(TEXTS)
        before, embedding.texts = snapshot(store), []
        changed = {**TEXTS, "a.md": "zero\none\nthree\nmore"}
        report = run(changed)
        assert counts(report) == {"added": 2, "moved": 1, "unchanged": 4, "removed": 1}
        assert places(store) == chunks_of(changed)
        assert sorted(embedding.texts) == ([] if store.embedding is None else ["more", "zero"])
        for row_id, row in snapshot(store).items():
            assert row_id not in before or row.get(VECTOR_FIELD) == before[row_id].get(VECTOR_FIELD)

    def test_that_was_renamed_or_copied_costs_no_embedding(
        self, run: Run, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        run(TEXTS)
        vectors = {row["text"]: row.get(VECTOR_FIELD) for row in snapshot(store).values()}
        embedding.texts = []
        renamed = {"new/a.md": TEXTS["a.md"], "b.md": TEXTS["b.md"], "b copy.md": TEXTS["b.md"], "dir/c.md": "six"}
        report = run(renamed)
        assert places(store) == chunks_of(renamed)
        assert report.pruned == ["a.md"]
        assert counts(report) == {"added": 5, "unchanged": 3, "removed": 3}
        assert (embedding.texts, report.requests) == ([], 0)
        assert all(row.get(VECTOR_FIELD) == vectors[row["text"]] for row in snapshot(store).values())

    def test_that_was_cut_here_and_pasted_there_costs_no_embedding(
        self, run: Run, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        run(TEXTS)
        embedding.texts = []
        moved = {"a.md": "one\nthree", "b.md": "four\nfive", "dir/c.md": "six\ntwo"}
        run(moved)
        assert places(store) == chunks_of(moved)
        assert embedding.texts == []

    def test_that_is_gone_goes(self, run: Run, store: MilvusStore) -> None:
        run(TEXTS)
        report = run({"b.md": TEXTS["b.md"]})
        assert counts(report) == {"unchanged": 2, "removed": 4}
        assert report.pruned == ["a.md", "dir/c.md"]
        assert places(store) == chunks_of({"b.md": TEXTS["b.md"]})

    def test_of_a_source_goes_when_it_is_emptied(self, run: Run, store: MilvusStore) -> None:
        run(TEXTS)
        report = run({**TEXTS, "a.md": "\n \n"})
        assert counts(report) == {"unchanged": 3, "removed": 3}
        assert not report.pruned
        assert places(store) == chunks_of({**TEXTS, "a.md": ""})

    def test_is_stored_once_for_each_time_that_it_occurs(
        self, run: Run, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        repeated = {"a.md": "same\nother\nsame\nsame", "b.md": "same", "c.md": "other"}
        assert counts(run(repeated)) == {"added": 6}
        assert places(store) == chunks_of(repeated)
        assert sorted(embedding.texts) == ([] if store.embedding is None else ["other", "same"])
        fewer = {"a.md": "same\nother\nsame", "b.md": "same\nsame", "c.md": "other"}
        assert counts(run(fewer)) == {"added": 1, "unchanged": 5, "removed": 1}
        assert places(store) == chunks_of(fewer)

    def test_is_only_counted_in_a_dry_run(self, run: Run, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        report = run(TEXTS, dry_run=True)
        assert counts(report) == {"added": 6}
        assert report.dry_run
        assert store.count() == 0
        assert embedding.texts == []
        run(TEXTS)
        before, embedding.texts = snapshot(store), []
        # One new text twice, one known text, one that moved; b.md is gone, and a line of a.md too.
        report = run({"a.md": "three\none\nnew text", "d.md": "new text\nfour", "dir/c.md": "six"}, dry_run=True)
        assert counts(report) == {"added": 3, "moved": 2, "unchanged": 1, "removed": 3}
        assert report.pruned == ["b.md"]
        assert report.estimated_tokens == (0 if store.embedding is None else len("new text") // 4)
        assert (report.requests, embedding.texts) == (0, [])
        assert snapshot(store) == before

    def test_moves_with_metadata_that_changed(self, store: MilvusStore, embedding: CountingEmbeddings) -> None:
        sync(Pages(TEXTS, metadata={"title": "Old", "tag": "x"}), Lines(), store)
        vectors = {row_id: row.get(VECTOR_FIELD) for row_id, row in snapshot(store).items()}
        embedding.texts = []
        report = sync(Pages(TEXTS, metadata={"title": "New"}), Lines(), store)
        assert counts(report) == {"moved": 6}
        assert embedding.texts == []
        rows = snapshot(store)
        assert {row["title"] for row in rows.values()} == {"New"}
        assert not any("tag" in row for row in rows.values())
        assert {row_id: row.get(VECTOR_FIELD) for row_id, row in rows.items()} == vectors

    def test_that_two_folders_share_stays_until_both_gave_it_up(
        self, run: Run, store: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        shared = {"LICENSE.md": "terms\nand conditions"}
        first, second = {**TEXTS, **shared}, {"x.md": "seven\neight", "y.md": "nine", **shared}
        run(first, "first")
        embedding.texts = []
        assert counts(run(second, "second")) == {"added": 3, "moved": 2}
        assert sorted(embedding.texts) == ([] if store.embedding is None else ["eight", "nine", "seven"])
        before = snapshot(store)
        for pages, root in ((first, "first"), (second, "second")):
            again = run(pages, root)
            assert (counts(again), again.requests, again.notes) == ({"unchanged": len(chunks_of(pages))}, 0, [])
        assert snapshot(store) == before
        del second["LICENSE.md"]
        report = run(second, "second")
        assert (counts(report), report.pruned) == ({"unchanged": 3}, [])
        assert places(store) == chunks_of(first) | chunks_of(second)
        assert counts(run(TEXTS, "first")) == {"unchanged": 6, "removed": 2}
        assert places(store) == chunks_of(TEXTS) | chunks_of(second)

    def test_is_found_by_a_search(self, run: Run, store: MilvusStore) -> None:
        run(TEXTS)
        run({**TEXTS, "b.md": "four\nsomething else"})
        for question in ("three", "something else"):
            (document,) = store.similarity_search(question, k=1)
            assert document.page_content == question


@pytest.fixture
def lite(lite_uri: str, embedding: CountingEmbeddings) -> Iterator[MilvusStore]:
    """One kind is enough for what does not depend on it."""
    with open_store(lite_uri, embedding=embedding, full_text=False) as opened:
        yield opened


class TestReading:
    def test_takes_sources_one_after_the_other(self, lite: MilvusStore) -> None:
        class Twice(Pages):
            def lazy_load(self) -> Iterator[Document]:
                for source in ("a.md", "b.md", "a.md"):
                    yield Document("text", metadata={"source": source})

        with pytest.raises(InputError, match=r"'a\.md' twice"):
            sync(Twice({}), Lines(), lite)

    def test_needs_sources(self, lite: MilvusStore) -> None:
        with pytest.raises(InputError, match="source"):
            sync(Pages({"": "text"}), Lines(), lite)

    def test_follows_files(self, lite: MilvusStore, tmp_path: Path) -> None:
        docs = tmp_path / "docs"
        docs.mkdir()
        (docs / "a.md").write_text("# Top\n\n## One\n\ntext\n\n## Two\n\nmore\n")
        loader, splitter = MarkdownLoader(docs), MarkdownSplitter()
        assert counts(sync(loader, splitter, lite)) == {"added": 2}
        (docs / "a.md").write_text("# Top\n\n## Zero\n\nnew\n\n## One\n\ntext\n")
        (docs / "b.md").write_text("# Three\n")
        assert counts(sync(loader, splitter, lite)) == {"added": 2, "moved": 1, "removed": 1}
        (docs / "a.md").unlink()
        assert sync(loader, splitter, lite).pruned == ["a.md"]
        (document,) = lite.search_by_metadata({"source": "b.md"})
        assert (document.page_content, document.metadata["chunk"]) == ("Three", 0)


class TestOptions:
    @pytest.mark.parametrize("options", [{"max_concurrency": 0}, {"batch_size": 0}])
    def test_that_make_no_sense_are_refused(self, lite: MilvusStore, options: dict[str, int]) -> None:
        with pytest.raises(InputError, match="at least 1"):
            sync(Pages(TEXTS), Lines(), lite, **options)  # type: ignore[arg-type]  # of `sync`

    def test_the_batch_size_fills_requests_across_sources(
        self, lite: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        pages = {f"{i}.md": f"text {i}\nmore {i}\nlast {i}" for i in range(7)}
        report = sync(Pages(pages), Lines(), lite, batch_size=10, max_concurrency=1)
        assert embedding.batches == [10, 10, 1]
        assert (report.requests, report.embedded) == (3, 21)

    def test_a_batch_has_no_more_characters_than_the_embedding_takes(
        self, lite: MilvusStore, embedding: CountingEmbeddings
    ) -> None:
        embedding.max_batch_chars = 20  # type: ignore[attr-defined]  # what ours have
        sync(
            Pages({"a.md": "\n".join([*"abcdefg", "x" * 30, "y" * 15, "zzzz", "last"])}),
            Lines(),
            lite,
            max_concurrency=1,
        )
        assert embedding.batches == [7, 1, 2, 1]

    def test_a_dry_run_creates_nothing(self, lite: MilvusStore) -> None:
        sync(Pages(TEXTS), Lines(), lite, dry_run=True)
        assert lite.client.list_collections() == []

    def test_progress_is_told(self, lite: MilvusStore) -> None:
        told: list[SyncProgress] = []
        sync(Pages(TEXTS), Lines(), lite)
        sync(Pages({**TEXTS, "d.md": "seven"}), Lines(), lite, on_progress=told.append)
        assert told[-1] == SyncProgress(sources_read=4, sources_total=4, chunks_done=7)
        assert [progress.chunks_done for progress in told] == sorted(progress.chunks_done for progress in told)

    def test_progress_changes_nothing_about_a_file_that_has_no_name(self, lite: MilvusStore, tmp_path: Path) -> None:
        """It is counted without a word, and reported when it is read."""
        (tmp_path / "docs").mkdir()
        (tmp_path / "docs" / "a.md").write_text("one\n")
        Path(os.fsdecode(os.fsencode(tmp_path / "docs") + b"/\xff.md")).write_text("two\n")
        told: list[SyncProgress] = []
        errors: list[LoaderError] = []
        report = sync(MarkdownLoader(tmp_path / "docs"), Lines(), lite, on_progress=told.append)
        assert (report.added, len(report.failed)) == (1, 1)
        assert told[-1].sources_total == 1
        loader = MarkdownLoader(tmp_path / "docs", on_error=errors.append)
        assert len(sync(loader, Lines(), lite, on_progress=told.append).failed) == len(errors) == 1

    def test_progress_has_no_total_of_a_folder_that_is_not_there(self, lite: MilvusStore, tmp_path: Path) -> None:
        told: list[SyncProgress] = []
        with pytest.raises(SourceNotFoundError):
            sync(MarkdownLoader(tmp_path / "none"), Lines(), lite, on_progress=told.append)
        assert told == []


class TestWhatIsNoticed:
    def test_another_splitter(self, lite: MilvusStore) -> None:
        pages = {"a.md": "one # two\nthree"}
        sync(Pages(pages), Lines(), lite)
        report = sync(Pages(pages), MarkerSplitter(), lite)
        assert counts(report) == {"added": 2, "removed": 2}
        (note,) = report.notes
        assert "splitter changed from lines to marker/1" in note
        assert not sync(Pages(pages), MarkerSplitter(), lite).notes

    def test_not_that_another_folder_has_another_splitter(self, lite: MilvusStore) -> None:
        sync(Pages({"a.md": "one"}, "first"), Lines(), lite)
        assert not sync(Pages({"b.md": "two"}, "second"), MarkerSplitter(), lite).notes
        assert not sync(Pages({"a.md": "one"}, "first"), Lines(), lite).notes

    def test_another_text_analysis(self, lite_uri: str, embedding: CountingEmbeddings) -> None:
        """All rows are analysed anew, also those of other folders, and none is embedded."""
        with open_store(lite_uri, embedding=embedding) as store:
            sync(Pages({"a.md": "the stored data"}, "first"), Lines(), store)
            sync(Pages({"b.md": "more pages"}, "second"), Lines(), store)
            right, embedding.texts = snapshot(store), []
            rows = store.collection.rows()
            rows.rewrite(lambda row: {**row, "terms": "stale"})
            store.collection.set_properties({"analysis": {"language": "english", "version": 0}})
            assert snapshot(store) != right
            report = sync(Pages({"a.md": "the stored data"}, "first"), Lines(), store)
            assert counts(report) == {"unchanged": 1}
            assert "text analysis changed" in report.notes[0]
            assert embedding.texts == []
            assert snapshot(store) == right
            assert not sync(Pages({"a.md": "the stored data"}, "first"), Lines(), store).notes

    def test_a_collection_of_another_program(self, lite: MilvusStore) -> None:
        lite.client.create_collection(lite.collection_name, dimension=8, metric_type="IP")
        with pytest.raises(CollectionSchemaError, match="made by another program"):
            sync(Pages(TEXTS), Lines(), lite)


class TestFullTextOnMilvusLite:
    def test_is_fair_to_a_page_that_was_just_changed(self, lite_uri: str) -> None:
        """Lite weighs words by segment; in one of two rows every word would count as common."""
        pages = {f"{i}.md": f"page {i} tells of milvus and of number {i}" for i in range(300)}
        with open_store(lite_uri) as store:
            sync(Pages(pages), Lines(), store)
            pages["7.md"] = "page 7 tells of milvus and of pelicans, which milvus has none of"
            sync(Pages(pages), Lines(), store)
            best = store.similarity_search_with_score("pelicans", k=3)
            assert [document.metadata["source"] for document, _ in best] == ["7.md"]
            rare = best[0][1]
            common = store.similarity_search_with_score("milvus", k=1)[0][1]
            assert rare > 3 * common
            assert places(store) == chunks_of(pages)
