"""What is embedded and what BM25 counts is the text, not the markup."""

import asyncio
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from milvus_rag import MarkdownSplitter, MarkerSplitter, open_store, sync
from milvus_rag.loaders.markdown import MarkdownLoader
from milvus_rag.stores.searched_text import cuts_terms, embedded_text, index_terms
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


def chinese(length: int, of: int = 20_000) -> str:
    """Characters one after the other, of which so many are different; hardly a pair of them comes twice."""
    return "".join(chr(0x4E00 + at * at * 7919 % of) for at in range(length))


@pytest.mark.parametrize("term", ["中文", "последний", "naïve", "हिन्दी", "𠀀𠀁", "\u0f00"])
def test_a_term_beyond_ascii_is_a_short_word_of_its_own(term: str) -> None:
    (name,) = index_terms(term, "none").split()

    assert name.isascii()
    assert name.isalnum()
    assert name == name.lower()
    assert len(name) == 6
    assert name[0].isdigit()
    assert name == index_terms(term, "none")


def test_terms_beyond_ascii_have_different_names() -> None:
    pairs = [first + second for first in chinese(200) for second in chinese(200)]

    assert len({index_terms(pair, "none") for pair in pairs}) > 0.999 * len(set(pairs))


def test_the_end_of_a_long_chinese_text_is_among_the_terms() -> None:
    """One that repeats itself, as texts do: what comes again gives way to what is new."""
    text = f"{chinese(6000) * 3}最后鱼饼"

    terms = index_terms(text, "none")

    assert len(terms) <= 65_535
    assert set(index_terms("鱼饼", "none").split()) <= set(terms.split())
    assert not cuts_terms(text, "none")


def test_a_text_that_has_too_many_terms_is_known() -> None:
    assert cuts_terms(chinese(15_000), "none")
    assert not cuts_terms(chinese(9_000), "none")
    assert not cuts_terms("wordy " * 20_000, "none")


def test_a_sync_tells_of_texts_that_are_not_found_by_all_their_words(lite_uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, length in (("long.md", 15_000), ("longer.md", 16_000), ("short.md", 5_000)):
        (folder / name).write_text(chinese(length) + name)
    with open_store(lite_uri, language="none") as store:
        for dry_run in (True, False):
            (note,) = sync(MarkdownLoader(folder), MarkerSplitter(), store, dry_run=dry_run).notes
            assert note.startswith("2 sources have chunks with more different words")
            assert "long.md, longer.md" in note
        assert sync(MarkdownLoader(folder), MarkerSplitter(), store).notes == []


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
