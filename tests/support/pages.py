"""Small sources for the tests of indexing, embeddings that count, and what a collection holds."""

import hashlib
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import TextSplitter

from milvus_rag import MarkdownLoader, MilvusStore, open_store, sync
from milvus_rag.chunk_keys import RECORD_KEY, VERSION_KEY

DIMENSION = 8


class Pages(BaseLoader):
    """Texts by source, loaded in order of their names.

    Attributes:
        pages: The texts; those of an exception are raised, or reported to `on_error`.
        root: Names them all.
        read: Sources that were loaded.
    """

    def __init__(
        self,
        pages: Mapping[str, str | Exception],
        root: str = "pages",
        *,
        covers: Callable[[str], bool] = lambda _: True,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.pages = pages
        self.root = root
        self.on_error: Callable[[Exception], None] | None = None
        self.read: list[str] = []
        self._covers = covers
        self._metadata = metadata or {}

    def covers(self, source: str) -> bool:
        """Whether a source would be one of these."""
        return self._covers(source)

    def sources(self) -> Iterator[str]:
        """All names."""
        yield from self.pages

    def lazy_load(self) -> Iterator[Document]:
        for source, text in sorted(self.pages.items()):
            self.read.append(source)
            if not isinstance(text, Exception):
                yield Document(text, metadata={"source": source, **self._metadata})
            elif self.on_error is None:
                raise text
            else:
                self.on_error(text)


class Lines(TextSplitter):
    """One chunk a line; blank ones are left out."""

    fingerprint = "lines"

    def split_text(self, text: str) -> list[str]:
        return [line for line in text.split("\n") if line.strip()]


class CountingEmbeddings(Embeddings):
    """Vectors that are a digest of the text: equal texts have equal ones, different texts hardly ever.

    Attributes:
        texts: All that was embedded, in order.
        batches: How many texts each request had.
        wrong: What is raised for a text, or what a whole answer is put in place of; see `embed_documents`.
    """

    def __init__(self, dimension: int = DIMENSION, model: str = "counting") -> None:
        self.dimension = dimension
        self.model = model
        self.texts: list[str] = []
        self.batches: list[int] = []
        self.wrong: Callable[[list[str]], list[list[float]] | None] = lambda _: None
        self._lock = threading.Lock()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._lock:
            self.batches.append(len(texts))
        answer = self.wrong(texts)
        if answer is None:
            answer = [self.vector(text) for text in texts]
            with self._lock:
                self.texts += texts
        return answer

    def embed_query(self, text: str) -> list[float]:
        return self.vector(text)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_lock", "wrong")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]
        vars(self).update(state)

    def vector(self, text: str) -> list[float]:
        """Of length 1, so that a text is nearest to itself."""
        digest = hashlib.sha256(f"{self.model}{text}".encode()).digest()
        values = [digest[i] / 127.5 - 1 for i in range(self.dimension)]
        length = math.hypot(*values)
        return [value / length for value in values]


def open_pages(uri: str, embedding: Embeddings | None, collection: str = "pages") -> MilvusStore:
    """A store with all that the server can: full-text search too, but on an old server."""
    return open_store(uri, embedding=embedding, collection=collection, full_text=not uri.startswith("http"))


def sync_part(docs: Path, uri: str, collection: str, number: int, count: int) -> None:
    """Sync a part of a folder; runs in processes of their own, several at once."""
    with open_pages(uri, CountingEmbeddings(), collection) as store:
        report = sync(MarkdownLoader(docs, shard=(number, count)), Lines(), store, batch_size=7)
        assert not report.failed
        assert report.embedded <= report.added


def snapshot(store: MilvusStore) -> dict[str, dict[str, Any]]:
    """Every row by id, whole: text, metadata, vector, terms. Vectors are rounded as float32 is."""
    layout = store.collection.existing()
    fields = [*layout.document_fields, *filter(None, [layout.vector_field, layout.terms_field])]
    rows = [row for batch in store.collection.rows().iterate("", fields) for row in batch]
    found = {row[layout.primary_field]: {key: value for key, value in row.items() if key != "$meta"} for row in rows}
    assert len(found) == len(rows), "an id is there twice"
    for row in found.values():
        if layout.vector_field:
            row[layout.vector_field] = [round(float(value), 6) for value in row[layout.vector_field]]
    return found


def written(folder: Path, pages: Mapping[str, str]) -> Path:
    """A new folder with pages in it."""
    folder.mkdir()
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def contents(store: MilvusStore) -> dict[str, dict[str, Any]]:
    """`snapshot`, without what a run notes for the next one, such as of which version a row was written."""
    noted = (VERSION_KEY, RECORD_KEY)
    return {
        row_id: {key: value for key, value in row.items() if key not in noted}
        for row_id, row in snapshot(store).items()
    }


def places(store: MilvusStore) -> set[tuple[str, int, str]]:
    """Source, position and text of every row."""
    rows = snapshot(store).values() if store.exists else ()
    return {(row["source"], row["chunk"], row["text"]) for row in rows}


def chunks_of(pages: Mapping[str, str]) -> set[tuple[str, int, str]]:
    """What `places` is to be for pages that are cut into lines."""
    return {
        (source, position, line)
        for source, text in pages.items()
        for position, line in enumerate(Lines().split_text(text))
    }
