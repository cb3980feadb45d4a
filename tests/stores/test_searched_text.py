"""What is embedded and what BM25 counts is the text, not the markup."""

import asyncio
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from milvus_rag import MarkdownSplitter, MarkerSplitter, open_store, sync
from milvus_rag.loaders.markdown import MarkdownLoader
from milvus_rag.stores.searched_text import embedded_text, index_terms
from support.embedding import hashed_words

PAGE = "# Limits\n\nSee [the *pods*](deploy/values.yaml).\n\n<table><tr><td>Shards</td><td>16</td></tr></table>\n"


class Recording(Embeddings):
    """Remembers what it is given."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        self.texts += texts
        return [hashed_words(text, 32) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return hashed_words(text, 32)


def chunk() -> Document:
    return MarkdownSplitter().create_documents([PAGE])[0]


def test_a_markdown_chunk_is_embedded_without_its_markup() -> None:
    document = chunk()

    text = embedded_text(document.page_content, document.metadata)

    assert text.split() == ["Limits", "See", "the", "*pods*.", "Shards", "16"]


def test_any_other_text_is_embedded_as_it_is() -> None:
    assert embedded_text(PAGE, {}) == PAGE
    assert embedded_text(PAGE, None) == PAGE
    assert embedded_text(PAGE, {"body_start": "8"}) == PAGE


def test_a_chunk_of_nothing_but_markup_is_embedded_as_it_is() -> None:
    """Providers refuse an empty text."""
    assert embedded_text("![](layers.png)", {"body_start": 0}) == "![](layers.png)"


def test_titles_count_twice_among_the_terms() -> None:
    document = chunk()

    terms = index_terms(document.page_content, "english", document.metadata).split()

    assert terms.count("limit") == 2
    assert terms.count("shard") == 1
    assert not {"table", "td", "deploy"} & set(terms)


def test_the_file_a_link_points_to_stays_findable() -> None:
    document = chunk()

    assert "valuesyaml" in index_terms(document.page_content, "english", document.metadata).split()


def test_terms_of_any_other_text_are_made_of_all_of_it() -> None:
    assert {"td", "deployvaluesyaml"} <= set(index_terms(PAGE, "english").split())


def test_terms_are_cut_to_what_milvus_keeps_between_two_of_them() -> None:
    terms = index_terms("wordy " * 20_000, "none", {"body_start": 6})

    assert len(terms) <= 65_535
    assert set(terms.split()) == {"wordy"}


def test_all_ways_into_a_store_embed_the_same_text(lite_uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "limits.md").write_text(PAGE)
    document = chunk()
    expected = embedded_text(document.page_content, document.metadata)
    for name, add in (
        ("added", lambda store: store.add_documents([document])),
        ("async", lambda store: asyncio.run(store.aadd_documents([document]))),
        ("synced", lambda store: sync(MarkdownLoader(folder), MarkdownSplitter(), store)),
    ):
        embedding = Recording()
        with open_store(lite_uri, embedding=embedding, collection=name) as store:
            add(store)
            stored = store.search_by_metadata({})

        assert embedding.texts == [expected], name
        assert [row.page_content for row in stored] == [document.page_content], name


@pytest.mark.parametrize("splitter", [MarkerSplitter(), MarkerSplitter("\n\n")])
def test_the_tutorials_chunks_are_embedded_to_the_byte(lite_uri: str, splitter: MarkerSplitter) -> None:
    embedding = Recording()
    with open_store(lite_uri, embedding=embedding) as store:
        store.add_documents(splitter.create_documents([PAGE]))

    assert embedding.texts == [text for text in PAGE.split(splitter._marker) if text.strip()]
