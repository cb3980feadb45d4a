"""MarkerSplitter: the tutorials' splitter, to the byte."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag.errors import InputError
from milvus_rag.loaders.splitters import MarkerSplitter

TEXTS = st.lists(st.sampled_from(["# ", "## ", "#", "a", "b c", "\n", "\n\n", " ", "\t", "世界", "\r", "\u2028"])).map(
    "".join
)


def test_texts_places_and_metadata() -> None:
    text = "intro\n\n# One\n\nfirst\n\n### \n\n## Two\nsecond\n"
    split = MarkerSplitter().create_documents([text], [{"source": "a.md"}])
    assert [(chunk.page_content, chunk.metadata["start_line"], chunk.metadata["end_line"]) for chunk in split] == [
        ("intro\n\n", 1, 1),
        ("One\n\nfirst\n\n##", 3, 7),
        ("\n\n#", 9, 9),
        ("Two\nsecond\n", 9, 10),
    ]
    assert all(chunk.metadata["source"] == "a.md" for chunk in split)
    assert [text[chunk.metadata["start_index"] :].index(chunk.page_content) for chunk in split] == [0, 0, 0, 0]


@settings(deadline=None)
@given(TEXTS, st.sampled_from(["# ", "#", "\n", "a"]))
def test_texts_are_those_of_split_without_the_blank_ones(text: str, marker: str) -> None:
    splitter = MarkerSplitter(marker)
    assert splitter.split_text(text) == [chunk for chunk in text.split(marker) if chunk.strip()]


@settings(deadline=None)
@given(TEXTS)
def test_every_chunk_is_found_where_it_says(text: str) -> None:
    lines = text.split("\n")
    for chunk in MarkerSplitter().create_documents([text]):
        place = chunk.metadata
        assert text[place["start_index"] :].startswith(chunk.page_content)
        named = lines[place["start_line"] - 1 : place["end_line"]]
        assert chunk.page_content.strip() in "\n".join(named)
        assert len(named) == chunk.page_content.strip().count("\n") + 1


def test_all_ways_to_split_agree() -> None:
    splitter = MarkerSplitter()
    documents = [Document(page_content="a# b", metadata={"n": 1}), Document(page_content="c# d", metadata={"n": 2})]
    split = splitter.split_documents(documents)
    assert [(chunk.page_content, chunk.metadata["n"]) for chunk in split] == [("a", 1), ("b", 1), ("c", 2), ("d", 2)]
    assert splitter.transform_documents(documents) == split
    assert splitter.split_text("a# b") == ["a", "b"]


def test_an_empty_marker_is_refused() -> None:
    with pytest.raises(InputError, match="marker to split at is empty"):
        MarkerSplitter("")


def test_the_fingerprint_names_the_marker() -> None:
    assert MarkerSplitter().fingerprint == "marker/1:marker='# '"
    assert MarkerSplitter("## ").fingerprint != MarkerSplitter().fingerprint


@pytest.mark.shared
def test_the_tutorials_faq_has_72_chunks_equal_to_theirs(milvus_docs: Path) -> None:
    with zipfile.ZipFile(milvus_docs) as archive:
        pages = [archive.read(name).decode() for name in sorted(archive.namelist()) if name.startswith("en/faq/")]
    theirs = [chunk for page in pages for chunk in page.split("# ")]
    ours = MarkerSplitter().create_documents(pages)
    assert len(theirs) == 72
    assert [chunk.page_content for chunk in ours] == theirs
    assert ours[-1].metadata["start_index"] > 0
