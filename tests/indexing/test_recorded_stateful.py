"""Whatever happens to files and rows between runs, a run leaves what one that compares everything would leave.

Runs die at any write, somebody else deletes rows, a backup is restored, another loader shares rows: what a collection
recorded of its sources before must not keep a run from putting any of that right.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, open_store, sync
from milvus_rag.chunk_keys import RECORD_KEY, VERSION_KEY
from milvus_rag.stores.collection_rows import CollectionRows
from support.pages import CountingEmbeddings, Lines, Pages, snapshot

OTHERS = {f"other/{number}.md": "what only others have" for number in range(3)}
FILES = ("a.md", "b.md", "sub/a.md", "sub/c.md")

files = st.sampled_from(FILES)
texts = st.lists(st.sampled_from(["one", "two", "", "# three"]), min_size=1, max_size=4).map("\n".join)
numbers = st.integers(0, 100)
runs = st.sampled_from(["all", "all", "all", "sub", "file", "shard 1", "shard 2", "glob", "tagged"])


class Killed(BaseException):
    """The process would be gone."""


class WholeLines(Lines):
    """Cuts as `Lines` does, and says which one it is by itself."""

    fingerprint = "whole lines"


class Pairs(Lines):
    """Two lines a chunk."""

    fingerprint = "pairs"

    def split_text(self, text: str) -> list[str]:
        lines = super().split_text(text)
        return ["\n".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]


class Tagged(MarkdownLoader):
    """Of somebody's own: the same files, under the same name, with other metadata."""

    def lazy_load(self) -> Iterator[Document]:
        for document in super().lazy_load():
            document.metadata["tag"] = "mine"
            yield document


@contextmanager
def dying(after: int) -> Iterator[None]:
    """Every write after so many raises, as if the process were killed there."""
    write, left = CollectionRows._write_once, [after]

    def until_dead(self: CollectionRows, call: Callable[[], Any], *args: Any, **options: Any) -> Any:
        if left[0] <= 0:
            raise Killed
        left[0] -= 1
        return write(self, call, *args, **options)

    with patch.object(CollectionRows, "_write_once", until_dead):
        yield


class Recording(RuleBasedStateMachine):
    """A folder, and a collection that others touch too."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Path(tempfile.mkdtemp(prefix="recorded-"))
        self.docs = self.work / "docs"
        self.splitter: Lines = WholeLines()
        self.backup: list[dict[str, Any]] = []
        self.store: MilvusStore = open_store(self.work / "index.db", embedding=CountingEmbeddings(), full_text=False)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.work)

    @initialize()
    def first(self) -> None:
        for name in FILES[:3]:
            self.edit(name, "write", "one\ntwo\none")
        sync(MarkdownLoader(self.docs), self.splitter, self.store)

    # --- what happens to files

    @rule(name=files, change=st.sampled_from(["write", "write", "write", "garble", "delete"]), text=texts)
    def edit(self, name: str, change: str, text: str) -> None:
        file = self.docs / name
        file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        if change != "delete":
            file.write_bytes(text.encode() if change == "write" else b"\xff\xfe\xd8")

    # --- what others do to rows

    @rule(what=st.sampled_from(["delete", "delete", "back up", "restore", "share", "leave", "cut"]), chosen=numbers)
    def others(self, what: str, chosen: int) -> None:
        rows = self.store.collection.rows()
        if what == "delete":
            ids = sorted(snapshot(self.store))
            rows.delete([ids[chosen % len(ids)]] if ids else [])
        elif what == "back up":
            self.backup = [row for batch in rows.iterate("", rows.all_fields) for row in batch]
        elif what == "restore":
            rows.delete_where(rows.layout.matches_all)
            rows.upsert(self.backup)
        elif what == "cut":
            self.splitter = Pairs() if isinstance(self.splitter, WholeLines) else WholeLines()
        else:
            # It has rows of its own, so that it is not taken for this folder at another place.
            shared = {"a.md": "one"} if what == "share" else {}
            sync(Pages({**OTHERS, **shared}, metadata={"title": "another"}), Lines(), self.store)

    # --- what is synced

    @rule(kind=runs, after=st.integers(0, 4))
    def dies(self, kind: str, after: int) -> None:
        loader = self._loader(kind)
        if loader is None:
            return
        try:
            with dying(after):
                sync(loader, self.splitter, self.store, batch_size=1)
        except Killed:
            pass

    @rule(kind=runs)
    def runs(self, kind: str) -> None:
        self.leaves_what_a_run_that_compares_all_leaves(kind)

    @rule()
    def runs_over_all(self) -> None:
        self.leaves_what_a_run_that_compares_all_leaves("all")

    def leaves_what_a_run_that_compares_all_leaves(self, kind: str) -> None:
        loader = self._loader(kind)
        if loader is None:
            return
        report = sync(loader, self.splitter, self.store)
        assert report.added + report.moved + report.unchanged == len(self._chunks(loader))
        compared = sync(loader, self.splitter, self.store, verify=True, dry_run=True)
        assert (compared.added, compared.moved, compared.removed, compared.pruned) == (0, 0, 0, [])
        assert compared.unchanged == report.added + report.moved + report.unchanged
        assert (compared.sources, compared.failed) == (report.sources, report.failed)
        before = self._rows()
        again = sync(loader, self.splitter, self.store)
        assert (again.added, again.moved, again.removed, again.unchanged) == (0, 0, 0, compared.unchanged)
        assert self._rows() == before

    def _rows(self) -> dict[str, dict[str, Any]]:
        """All but what is recorded: a row that another loader has no more is recorded one run later."""
        hidden = (VERSION_KEY, RECORD_KEY)
        return {
            row_id: {key: value for key, value in row.items() if key not in hidden}
            for row_id, row in snapshot(self.store).items()
        }

    def _loader(self, kind: str) -> MarkdownLoader | None:
        """None where there is nothing to load."""
        name, _, number = kind.partition(" ")
        path = {"sub": self.docs / "sub", "file": self.docs / "a.md"}.get(name, self.docs)
        if not any(place.is_file() for place in (path, *path.glob("**/*.md"))):
            return None
        if name == "glob" and not any(path.glob("*.md")):
            return None
        made = Tagged if name == "tagged" else MarkdownLoader
        return made(
            path,
            "*.md" if name == "glob" else (),
            shard=(int(number), 2) if number else None,
            on_error=lambda _: None,
        )

    def _chunks(self, loader: MarkdownLoader) -> list[str]:
        return [text for document in loader.lazy_load() for text in self.splitter.split_text(document.page_content)]


TestRecording = pytest.mark.huge(Recording.TestCase)
TestRecording.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
