"""A small handbook in Milvus Lite, which the tests of this folder only read."""

from collections.abc import Iterator

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MarkdownSplitter, MilvusStore, open_store, sync
from support.word_embeddings import WordEmbeddings

PAGES = {
    "ops/backup.md": """# Backup

## Schedule

The nightly backup starts at two in the morning and keeps seven copies.

## Restore

To restore, run `restore_collection` with the name of the copy.

## Errors

Error E1042 says that the bucket is full. Delete old copies.
""",
    "ops/limits.md": """# Limits

## Vectors

A vector has at most 32768 dimensions.

## Names

A collection name has at most 255 characters. Letters, digits and underscores are allowed.
""",
    "guide/search.md": """# Search

## Paging

Ask for the next page with `page_token`. A page holds one hundred hits.

## Ranking

Hits are ranked by how near their vectors are to the question's vector.
""",
}


class _Pages(BaseLoader):
    """A loader of the pages above."""

    root = "handbook"

    def lazy_load(self) -> Iterator[Document]:
        for source, text in PAGES.items():
            yield Document(text, metadata={"source": source, "area": source.split("/")[0]})


@pytest.fixture(scope="session")
def handbook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """Three pages in seven chunks, with vectors and full-text search."""
    uri = str(tmp_path_factory.mktemp("handbook") / "handbook.db")
    with open_store(uri, embedding=WordEmbeddings()) as store:
        sync(_Pages(), MarkdownSplitter(), store)
        yield store


@pytest.fixture(scope="session")
def words_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """The same pages without vectors."""
    uri = str(tmp_path_factory.mktemp("words") / "words.db")
    with open_store(uri) as store:
        sync(_Pages(), MarkdownSplitter(), store)
        yield store


@pytest.fixture(scope="session")
def vectors_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """The same pages without full-text search."""
    uri = str(tmp_path_factory.mktemp("vectors") / "vectors.db")
    with open_store(uri, embedding=WordEmbeddings(), full_text=False) as store:
        sync(_Pages(), MarkdownSplitter(), store)
        yield store
