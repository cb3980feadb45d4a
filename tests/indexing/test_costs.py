"""What a run reads, and what a kill would cost: by counting, whatever the machine's speed."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import MarkdownLoader, open_store, sync
from milvus_rag.indexing.ledger import Ledger
from milvus_rag.stores.collection_rows import CollectionRows, Row
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places, written

WORKERS, BATCH = 8, 64
PAGES = {f"{page:02}.md": "\n".join(f"page {page} line {line}" for line in range(100)) for page in range(30)}


class _AtRisk:
    """Counts texts that were sent to be embedded and are not stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self.most = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._now += count
            self.most = max(self.most, self._now)


@pytest.mark.parametrize("slow", ["storing", "embedding", "neither"])
def test_a_kill_loses_about_a_request_a_worker(lite_uri: str, monkeypatch: pytest.MonkeyPatch, slow: str) -> None:
    at_risk, embedding = _AtRisk(), CountingEmbeddings()
    real = CollectionRows.upsert

    def embed(texts: list[str]) -> None:
        at_risk.add(len(texts))
        time.sleep(0.02 if slow == "embedding" else 0)

    def upsert(self: CollectionRows, rows: Sequence[Row]) -> list[str]:
        time.sleep(0.1 if slow == "storing" else 0)
        ids = real(self, rows)
        at_risk.add(-len(ids))
        return ids

    embedding.wrong = embed
    monkeypatch.setattr(CollectionRows, "upsert", upsert)
    with open_store(lite_uri, embedding=embedding, full_text=False) as store:
        report = sync(Pages(PAGES), Lines(), store, max_concurrency=WORKERS, batch_size=BATCH)
        assert report.added == len(chunks_of(PAGES))
        assert places(store) == chunks_of(PAGES)
    # One that is taken while there is room for one text may be a whole one.
    assert at_risk.most <= (WORKERS + 1) * BATCH


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The expressions of all questions for who has rows."""
    asked: list[str] = []
    real = Ledger.owned_rows

    def owned_rows(self: Ledger, expression: str = "") -> object:
        # It is asked only when somebody goes through the answer.
        def rows() -> object:
            asked.append(expression)
            yield from real(self, expression)

        return rows()

    monkeypatch.setattr(Ledger, "owned_rows", owned_rows)
    return asked


class TestAChange:
    def test_reads_the_rows_of_the_page_that_changed(self, lite_uri: str, asked: list[str]) -> None:
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            sync(Pages(PAGES), Lines(), store)
            sync(Pages({"other.md": "one\ntwo"}, "other"), Lines(), store)
            asked.clear()
            changed = {**PAGES, "07.md": "changed", "09.md": PAGES["09.md"] + "\nmore"}
            report = sync(Pages(changed), Lines(), store)
            assert (report.added, report.removed) == (2, 100)
            assert places(store) == chunks_of(changed) | chunks_of({"other.md": "one\ntwo"})
            (expression,) = asked
            assert 'source in ["07.md", "09.md"]' in expression or 'source in ["09.md", "07.md"]' in expression

    def test_reads_all_where_something_else_is_gone_too(self, lite_uri: str, asked: list[str]) -> None:
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            sync(Pages(PAGES), Lines(), store)
            asked.clear()
            changed = {name: text for name, text in {**PAGES, "07.md": "changed"}.items() if name != "08.md"}
            report = sync(Pages(changed), Lines(), store)
            assert (report.added, report.removed, report.pruned) == (1, 200, ["08.md"])
            assert places(store) == chunks_of(changed)
            assert asked[-1] == ""

    def test_reads_nothing_where_nothing_is_gone(self, lite_uri: str, asked: list[str]) -> None:
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            sync(Pages(PAGES), Lines(), store)
            asked.clear()
            assert sync(Pages({**PAGES, "new.md": "new"}), Lines(), store).added == 1
            assert asked == []

    def test_in_a_dry_run_is_counted_alike(self, lite_uri: str) -> None:
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            sync(Pages(PAGES), Lines(), store)
            changed = {**PAGES, "07.md": "changed"}
            dry = sync(Pages(changed), Lines(), store, dry_run=True)
            real = sync(Pages(changed), Lines(), store)
            assert (dry.added, dry.removed, dry.moved) == (real.added, real.removed, real.moved) == (1, 100, 0)


@pytest.mark.parametrize("uri", ["lite_uri", pytest.param("server_uri", marks=pytest.mark.server)])
def test_a_folder_inside_a_known_one_reads_the_rows_below_it(
    uri: str, request: pytest.FixtureRequest, collection_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = Ledger.source_rows

    def source_rows(self: Ledger, expression: str, root: str) -> object:
        found = real(self, expression, root)
        read.extend(found)
        return found

    monkeypatch.setattr(Ledger, "source_rows", source_rows)
    pages = {"a.md": "one", "sub/b.md": "two\nthree", "sub/deep/c.md": "four", "sub2/d.md": "five", "50%/e.md": "six"}
    folder = written(tmp_path / "docs", pages)
    opened: Any = {"embedding": CountingEmbeddings(), "full_text": False, "collection": collection_name}
    with open_store(request.getfixturevalue(uri), **opened) as store:
        sync(MarkdownLoader(folder), Lines(), store)
        (folder / "sub/b.md").write_text("two\nchanged")
        (folder / "sub/deep/c.md").unlink()
        report = sync(MarkdownLoader(folder / "sub"), Lines(), store)
        assert (report.added, report.removed, report.pruned) == (1, 2, ["sub/deep/c.md"])
        assert sorted(read) == ["sub/b.md", "sub/deep/c.md"]
        # Where not every Milvus reads the name as a pattern alike, all rows are read.
        read.clear()
        assert not sync(MarkdownLoader(folder / "50%"), Lines(), store).changed
        assert "a.md" in read
        del pages["sub/deep/c.md"]
        assert places(store) == chunks_of({**pages, "sub/b.md": "two\nchanged"})
        store.drop()
