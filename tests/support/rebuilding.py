"""An index that tests rebuild, by its name."""

from collections.abc import Mapping
from typing import Any

import pytest

from milvus_rag import MilvusStore, SyncReport, sync
from milvus_rag.indexing.rebuild import rebuild

from .pages import CountingEmbeddings, Lines, Pages, chunks_of, open_pages, places, snapshot


class Index:
    """An index by its name, wherever it is."""

    def __init__(self, uri: str, name: str) -> None:
        self.uri = uri
        self.name = name
        self.embedding = CountingEmbeddings()

    def open(self, name: str | None = None) -> MilvusStore:
        return open_pages(self.uri, self.embedding, name or self.name)

    def sync(self, pages: dict[str, str]) -> SyncReport:
        with self.open() as store:
            return sync(Pages(pages), Lines(), store)

    def rebuild(self, pages: Any, root: str = "pages", **options: Any) -> SyncReport:
        (report,) = rebuild([Pages(pages, root)], Lines(), self.open, collection=self.name, **options)
        return report

    @property
    def places(self) -> set[tuple[str, int, str]]:
        with self.open() as store:
            return places(store)

    @property
    def collections(self) -> list[str]:
        """All that there are for this index, by what follows its name."""
        with self.open("other") as store:
            return sorted(
                name.removeprefix(self.name) for name in store.client.list_collections() if name.startswith(self.name)
            )

    def check(self, pages: Mapping[str, str]) -> None:
        """Assert that all rows are there, each once, with vectors of this embedding."""
        with self.open() as store:
            rows = snapshot(store).values()
        assert sorted((row["source"], row["chunk"], row["text"]) for row in rows) == sorted(chunks_of(pages))
        for row in rows:
            assert row["vector"] == pytest.approx(self.embedding.vector(row["text"]), abs=1e-5), row["text"]

    def drop(self) -> None:
        with self.open("other") as store:
            store.collection.sibling(self.name).drop()
            for name in self.collections:
                store.client.drop_collection(self.name + name)
