"""MarkdownSplitter: chunks by headings, cut between blocks, nothing lost."""

import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag.errors import InputError
from milvus_rag.loaders.splitters import MarkdownSplitter
from milvus_rag.markdown.blocks import MAX_HEADING, Kind
from milvus_rag.markdown.front_matter import front_matter_length
from milvus_rag.markdown.page import read_page
from support.markdown_texts import MARKDOWN, WORDS


def chunks(text: str, **parameters: int | bool) -> list[Document]:
    return MarkdownSplitter(**parameters).create_documents([text])  # type: ignore[arg-type]  # two types in one dict


def body(chunk: Document) -> str:
    return chunk.page_content[chunk.metadata["body_start"] :]


def bodies(text: str, **parameters: int | bool) -> list[str]:
    return [body(chunk) for chunk in chunks(text, **parameters)]


def dense(text: str) -> str:
    return "".join(text.split())


PAGE = """---
title: Operational FAQ
---

Before any heading.

# Operational FAQ

## Ports {#ports}

### How do I change the port?

Edit **milvus.yaml**.

### Empty one

## Next ##
text
"""


def test_a_chunk_is_the_path_of_headings_and_the_text_below_them() -> None:
    assert [(chunk.page_content, chunk.metadata) for chunk in chunks(PAGE)] == [
        (
            "Operational FAQ\n\nBefore any heading.",
            {"headings": [], "start_line": 5, "end_line": 5, "start_index": PAGE.index("Before"), "body_start": 17},
        ),
        (
            "Operational FAQ > Ports > How do I change the port?\n\nEdit **milvus.yaml**.",
            {
                "headings": ["Operational FAQ", "Ports", "How do I change the port?"],
                "start_line": 13,
                "end_line": 13,
                "start_index": PAGE.index("Edit"),
                "body_start": 53,
            },
        ),
        (
            "Operational FAQ > Ports > Empty one",
            {
                "headings": ["Operational FAQ", "Ports", "Empty one"],
                "start_line": 15,
                "end_line": 15,
                "start_index": PAGE.index("### Empty"),
                "body_start": 35,
            },
        ),
        (
            "Operational FAQ > Next\n\ntext",
            {
                "headings": ["Operational FAQ", "Next"],
                "start_line": 18,
                "end_line": 18,
                "start_index": PAGE.index("text\n"),
                "body_start": 24,
            },
        ),
    ]


def test_the_title_comes_first_unless_it_is_the_first_heading() -> None:
    splitter = MarkdownSplitter()
    text = "# Heading\n\ntext"
    for title, path in [("Page", "Page > Heading"), ("heading", "Heading"), ("", "Heading"), (2024, "2024 > Heading")]:
        (chunk,) = splitter.create_documents([text], [{"title": title, "source": "a.md"}])
        assert chunk.page_content == f"{path}\n\ntext"
        assert chunk.metadata["title"] == title
        assert chunk.metadata["source"] == "a.md"
    (chunk,) = MarkdownSplitter(title=False).create_documents([text], [{"title": "Page"}])
    assert chunk.page_content == "Heading\n\ntext"


def test_without_paths_heading_lines_stay_in_the_text() -> None:
    assert [chunk.page_content for chunk in chunks(PAGE, heading_path=False)] == [
        "Before any heading.",
        "# Operational FAQ\n\n## Ports {#ports}\n\n### How do I change the port?\n\nEdit **milvus.yaml**.",
        "### Empty one",
        "## Next ##\ntext",
    ]
    assert chunks(PAGE, heading_path=False)[1].metadata["headings"] == [
        "Operational FAQ",
        "Ports",
        "How do I change the port?",
    ]


def test_small_neighbours_under_one_heading_are_joined_where_wanted() -> None:
    text = "# Page\n\n## A\n\na\n\n## B\n\n## C\n\n### C1\n\nc1\n\n### C2\n\nc2\n\n## D\n\n" + "d " * 40
    assert [chunk.page_content for chunk in chunks(text, min_chunk_size=50)] == [
        "Page\n\n## A\n\na\n\n## B",
        "Page > C\n\n### C1\n\nc1\n\n### C2\n\nc2",
        "Page > D\n\n" + "d " * 40,
    ]
    # not beyond the size of a chunk
    joined = "# A\n\naaaa\n\n# B\n\nbbbb\n\n# C\n\ncccc"
    assert bodies(joined, min_chunk_size=20, chunk_size=20) == ["# A\n\naaaa\n\n# B\n\nbbbb", "cccc"]


def test_a_long_section_is_cut_between_paragraphs() -> None:
    paragraphs = [f"{number} " + "word " * 15 + "\nnext line" for number in range(6)]
    found = bodies("# H\n\n" + "\n\n".join(paragraphs), chunk_size=200)
    assert found == ["\n\n".join(paragraphs[i : i + 2]) for i in (0, 2, 4)]


def test_a_long_paragraph_is_cut_between_lines_and_a_long_line_behind_sentences_or_words() -> None:
    lines = [f"line {number} of a paragraph" for number in range(10)]
    assert bodies("\n".join(lines), chunk_size=60) == ["\n".join(lines[i : i + 2]) for i in range(0, 10, 2)]
    assert bodies("A first sentence here. A second one. And a third.", chunk_size=40) == [
        "A first sentence here. A second one. ",
        "And a third.",
    ]
    assert bodies("all of these words without any end", chunk_size=16) == ["all of these ", "words without ", "any end"]
    assert bodies("x" * 25, chunk_size=10) == ["x" * 10, "x" * 10, "x" * 5]
    assert bodies("첫 문장입니다。둘째 문장입니다。", chunk_size=12) == ["첫 문장입니다。", "둘째 문장입니다。"]


@pytest.mark.parametrize(
    "block", ["```python\n{}\n\n    x = 1\n```", "~~~\n{}\n\n# no heading\n~~~", "| h |\n|---|\n| {} |\n| 2 |"]
)
@pytest.mark.parametrize("before", [0, 10, 80, 150])
def test_a_fence_or_a_table_that_fits_is_never_cut(block: str, before: int) -> None:
    whole = block.format("y" * 60)
    for size in (len(whole), len(whole) + 1, 120):
        found = bodies(f"# H\n\n{'w ' * (before // 2)}\n\n{whole}\n\n{'text ' * 30}", chunk_size=size)
        assert sum(whole in text for text in found) == 1
        assert all(len(text) <= size for text in found)


def test_a_long_block_takes_a_short_introduction_along() -> None:
    code = "```\n" + "\n".join(f"command {number}" for number in range(20)) + "\n```"
    first, *_ = bodies(f"# H\n\nRun this:\n\n{code}", chunk_size=100)
    assert first.startswith("Run this:\n\n```\ncommand 0\n")
    first, *_ = bodies(f"# H\n\n{'A longer paragraph. ' * 3}\n\n{code}", chunk_size=100)
    assert first == "A longer paragraph. " * 3


def test_a_table_that_must_be_cut_repeats_its_header_and_names_its_rows() -> None:
    header = "| Name | Meaning |\n| ---- | ------- |"
    rows = [f"| key{number} | value {number} |" for number in range(9)]
    text = "# T\n\n" + "\n".join([header, *rows]) + "\n\nAfter."
    found = chunks(text, chunk_size=100)
    assert [chunk.page_content for chunk in found] == [
        "T\n\n" + "\n".join([header, *rows[:3]]),
        "T\n\n" + "\n".join([header, *rows[3:6]]),
        "T\n\n" + "\n".join([header, *rows[6:9]]),
        "T\n\nAfter.",
    ]
    assert [(chunk.metadata["start_line"], chunk.metadata["end_line"]) for chunk in found] == [
        (3, 7), (8, 10), (11, 13), (15, 15)
    ]  # fmt: skip
    assert [body(chunk) for chunk in found[1:3]] == ["\n".join(rows[3:6]), "\n".join(rows[6:9])]


def test_a_header_that_takes_most_of_a_chunk_is_not_repeated() -> None:
    rows = [f"| {number} |" for number in range(30)]
    text = "| " + "long header " * 5 + "|\n|---|\n" + "\n".join(rows)
    found = chunks(text, chunk_size=100)
    assert all(len(chunk.page_content) <= 100 for chunk in found)
    assert dense("".join(chunk.page_content for chunk in found)) == dense(text)


def test_code_and_nested_lists_keep_every_character() -> None:
    code = "```python\ndef f():\n\treturn {\n\n        'a':  1,   \n    }\n```"
    nested = "- a\n  - b\n\n      deep code\n    1.  c  \n\n  - d"
    text = f"# H\n\n{code}\n\n{nested}\n"
    assert bodies(text) == [f"{code}\n\n{nested}"]
    assert "\n".join(bodies(text, chunk_size=30)).replace("\n", "") == f"{code}{nested}".replace("\n", "")


def test_blank_lines_of_code_that_is_cut_are_kept() -> None:
    code = "```\n" + "\n\n\n".join(f"command {number}" for number in range(8)) + "\n```"
    assert "\n".join(bodies(code, chunk_size=40)) == code


def test_a_heading_too_long_for_a_path_is_part_of_the_text_too() -> None:
    heading = "# " + "word " * 100
    first, second = chunks(f"{heading}\n\ntext\n\n## Sub\n\nmore")
    assert first.metadata["headings"] == [heading[2 : 2 + MAX_HEADING]]
    assert body(first) == f"{heading}\n\ntext"
    assert len(second.page_content) < MAX_HEADING + 20


@pytest.mark.parametrize("text", ["", "\n \n\t\n", "---\nid: x\n---\n", "#\n\n##"])
def test_a_text_without_content_has_no_chunks(text: str) -> None:
    assert chunks(text) == []


def test_carriage_returns_are_kept_and_disturb_nothing() -> None:
    text = "---\r\ntitle: T\r\n---\r\n# H\r\n\r\na\r\nb\r\n```\r\n# no\r\n```\r\n"
    (chunk,) = chunks(text)
    assert chunk.page_content == "T > H\n\na\r\nb\r\n```\r\n# no\r\n```\r"


def test_all_ways_to_split_agree_and_keep_metadata_apart() -> None:
    splitter = MarkdownSplitter()
    document = Document(page_content=PAGE, metadata={"source": "a.md", "front_matter": {"tags": ["x"]}})
    split = splitter.split_documents([document])
    assert splitter.transform_documents([document]) == split
    assert splitter.create_documents([PAGE], [document.metadata]) == split
    assert splitter.split_text(PAGE) == [chunk.page_content for chunk in split]
    split[0].metadata["front_matter"]["tags"].append("y")
    assert split[1].metadata["front_matter"] == document.metadata["front_matter"] == {"tags": ["x"]}


def test_the_fingerprint_tells_splitters_apart() -> None:
    variants = [
        MarkdownSplitter(),
        MarkdownSplitter(chunk_size=500),
        MarkdownSplitter(min_chunk_size=100),
        MarkdownSplitter(heading_path=False),
        MarkdownSplitter(title=False),
    ]
    assert len({splitter.fingerprint for splitter in variants}) == len(variants)
    assert MarkdownSplitter().fingerprint == (
        "markdown/2:chunk_size=1200,min_chunk_size=0,heading_path=True,title=True"
    )


@pytest.mark.parametrize("parameters", [{"chunk_size": 0}, {"min_chunk_size": -1}, {"min_chunk_size": 1201}])
def test_sizes_out_of_range_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"chunk_size is -?\d+"):
        chunks("", **parameters)


PARAMETERS = st.fixed_dictionaries(
    {
        "chunk_size": st.integers(1, 400),
        "heading_path": st.booleans(),
        "title": st.booleans(),
        "joins_small": st.booleans(),
    }
)


def splitter_of(parameters: dict[str, int]) -> MarkdownSplitter:
    return MarkdownSplitter(
        chunk_size=parameters["chunk_size"],
        min_chunk_size=parameters["chunk_size"] // 2 if parameters["joins_small"] else 0,
        heading_path=bool(parameters["heading_path"]),
        title=bool(parameters["title"]),
    )


@settings(deadline=None, max_examples=300)
@given(MARKDOWN, PARAMETERS)
def test_every_chunk_is_found_where_it_says(text: str, parameters: dict[str, int]) -> None:
    lines = text.split("\n")
    last_index = 0
    for chunk in splitter_of(parameters).create_documents([text]):
        place = chunk.metadata
        found = body(chunk)
        named = lines[place["start_line"] - 1 : place["end_line"]]
        assert text[place["start_index"] :].startswith(found)
        assert found in "\n".join(named)
        assert text.count("\n", 0, place["start_index"]) == place["start_line"] - 1
        assert len(named) == found.count("\n") + 1 or not found
        assert place["start_index"] >= last_index
        last_index = place["start_index"] + len(found)


@settings(deadline=None, max_examples=300)
@given(MARKDOWN, PARAMETERS)
def test_no_chunk_is_blank_and_none_is_too_long_without_its_path(text: str, parameters: dict[str, int]) -> None:
    for chunk in splitter_of(parameters).create_documents([text], [{"title": "Page"}]):
        assert chunk.page_content.strip()
        path = ["Page"] * parameters["title"] + chunk.metadata["headings"]
        before = len(" > ".join(path)) + 2 if path and parameters["heading_path"] else 0
        assert len(chunk.page_content) - before <= parameters["chunk_size"]


@settings(deadline=None, max_examples=300)
@given(MARKDOWN, PARAMETERS)
def test_no_character_of_the_body_is_lost_or_reordered(text: str, parameters: dict[str, int]) -> None:
    lines = text.split("\n")
    body_lines = front_matter_length(lines)
    found = splitter_of(parameters).create_documents([text])
    if not parameters["heading_path"]:
        assert dense("".join(map(body, found))) == dense("\n".join(lines[body_lines:]))
        return
    # What is in no chunk is the lines of headings, and each heading is in a path or in a text.
    kept = [False] * len(lines)
    for chunk in found:
        if body(chunk):
            for number in range(chunk.metadata["start_line"] - 1, chunk.metadata["end_line"]):
                kept[number] = True
    missing = {number for number in range(body_lines, len(lines)) if not kept[number] and lines[number].strip()}
    headings = [block for block in read_page(text).blocks if block.kind is Kind.HEADING]
    assert missing <= {number for block in headings for number in range(block.start, block.end)}
    seen = "\n".join(chunk.page_content for chunk in found)
    assert all(dense(block.heading) in dense(seen) for block in headings)


@settings(deadline=None, max_examples=200)
@given(st.lists(WORDS | st.sampled_from(["", "  x\ty  ", "| a |", "```", "* b", "1. c", "<!--"])), PARAMETERS)
def test_a_text_without_headings_is_kept_to_the_character(lines: list[str], parameters: dict[str, int]) -> None:
    text = "\n".join(lines)
    assert dense("".join(map(body, splitter_of(parameters).create_documents([text])))) == dense(text)


@pytest.mark.parametrize(
    "unit",
    [
        "- ```\n", "- ````\n```\n", "a <!--\n", "<!--\n", "a <!--\n--> <!--\n", "<pre>\n", "# [](\n", "|-", "|-\n",
        "- ", "* * ", "1. ", "a\n", "# a\n", "# a\n## b\n", "> ", "\t- ", "\n", "x", " ", "[", "<a ", "`", "\\",
    ],
)  # fmt: skip
@pytest.mark.huge
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    """200,000 characters each: were anything quadratic, this would take an hour."""
    text = unit * (200_000 // len(unit))
    assert dense("".join(bodies(text + "\nx", heading_path=False))) == dense(text + "x")


@pytest.mark.huge
def test_a_paragraph_that_is_underlined_again_and_again_takes_linear_time() -> None:
    """It is too long for a heading, and each line below it is one more underline of it."""
    text = "x" * 300 + "\n=====" * 150_000
    assert len("".join(bodies(text))) > 0.99 * len(text)


@pytest.mark.huge
def test_a_line_of_50_megabytes_is_cut() -> None:
    line = "word " * 10_000_000
    found = MarkdownSplitter().split_text(line)
    assert sum(map(len, found)) == len(line)
    assert max(map(len, found)) <= 1200


@pytest.mark.shared
def test_the_milvus_documentation_is_split_whole(milvus_docs: Path) -> None:
    splitter = MarkdownSplitter()
    with zipfile.ZipFile(milvus_docs) as archive:
        pages = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".md")}
    assert len(pages) == 224
    for source, text in pages.items():
        lines = text.split("\n")
        found = splitter.create_documents([text])
        kept = {n for chunk in found for n in range(chunk.metadata["start_line"] - 1, chunk.metadata["end_line"])}
        headings = {
            number
            for block in read_page(text).blocks
            if block.kind is Kind.HEADING
            for number in range(block.start, block.end)
        }
        lost = set(range(front_matter_length(lines), len(lines))) - kept - headings
        assert not "".join(lines[number] for number in lost).strip(), source
        for chunk in found:
            assert text[chunk.metadata["start_index"] :].startswith(body(chunk))
