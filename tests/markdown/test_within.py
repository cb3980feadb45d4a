"""What a cut piece stands in, and that it is read as the page is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag import ExtractiveChatModel, MarkdownSplitter
from milvus_rag.chains.neighbours import _text_of
from milvus_rag.chains.prompts import rag_messages
from milvus_rag.indexing.chunks import read_chunks
from milvus_rag.markdown.blocks import scan_blocks
from milvus_rag.markdown.plain_text import plain_text
from milvus_rag.markdown.quotable import quotables
from milvus_rag.markdown.within import closing_of, markdown_start, scan_piece
from milvus_rag.stores.searched_text import embedded_as, embedded_text

CODE = "\n".join(f"call_{n}(**options)  # `no` <b>markup</b> of call {n}" for n in range(12))
PAGE = f"# Guide\n\n```python\n{CODE}\n```\n\nThe port is [19530](ports.md). Cats purr.\n"
LIST = "1. First\n\n    ```sh\n    {code}\n    ```\n\n    Then **go** on.\n\n2. Second".format(
    code=CODE.replace("\n", "\n    ")
)


def chunks(page: str, **parameters: int) -> list[Document]:
    return MarkdownSplitter(**parameters).create_documents([page], [{"source": "a.md"}])


def readings(lines: list[str], blocks: object) -> list[str]:
    """Of each line, whether it is code; that the headings of a page are cut is another matter."""
    names = [""] * len(lines)
    for block in blocks:  # type: ignore[attr-defined]  # an iterator of blocks
        for number in range(block.start, block.end):
            names[number] = ("code" if block.is_code else "other") if lines[number].strip("> ") else ""
    return names


@pytest.mark.parametrize(
    ("page", "within"),
    [
        (PAGE, "```python\n"),
        (LIST, "1. \u2026\n\n    ```sh\n"),
        (f"- ~~~ x\n  {CODE}".replace("\ncall", "\n  call"), "- ~~~ x\n"),
        (f"> ```c\n> {CODE}".replace("\ncall", "\n> call"), "> ```c\n"),
        ("- item\n\n  " + "word " * 90 + "\n  " + "word " * 90, "- \u2026\n\n"),
        (f"<!--\n{CODE}\n-->", "<!--\n"),
        ("| " + "long " * 60 + "|\n|---|\n" + "| row |\n" * 90, "|\n|-|\n"),
        ("Text. " * 100, "\u2026"),
    ],
)
def test_a_piece_says_what_it_stands_in(page: str, within: str) -> None:
    first, *others = chunks(page, chunk_size=260)
    assert "within" not in first.metadata
    assert within in [piece.metadata.get("within") for piece in others]


def test_a_long_opening_line_is_cut() -> None:
    found = [piece.metadata["within"] for piece in chunks(f"``` {'x' * 900}\n{CODE}\n```")[1:]]
    assert found
    assert all(len(within) < 300 for within in found)


def test_a_state_is_short_however_deep_a_list_is() -> None:
    page = "\n".join(f"{'  ' * depth}- item" for depth in range(400))
    assert max(len(piece.metadata.get("within", "")) for piece in chunks(page)) < 1300


@pytest.mark.parametrize(
    "before", ["", "```", "```\n", "- ", "- ```\n  ", "<!-- ", "# ", "    ", "- a\tb ", "> ", "<pre>", "- " * 999]
)
@pytest.mark.huge
def test_a_long_line_of_any_kind_is_cut_in_linear_time(before: str) -> None:
    """Five megabytes: were each piece to look at all of the line, this would take minutes."""
    found = chunks(before + "word " * 1_000_000)
    assert len(found) > 4_000
    assert max(len(piece.metadata.get("within", "")) for piece in found) < 2_100


@pytest.mark.parametrize("opening", ["- item\n\n  ```\n", "- ```\n"])
def test_code_that_somebody_forgot_to_indent_is_code_in_every_further_piece(opening: str) -> None:
    page = f"{opening}{CODE}\n  ```\n\n  The **port**."
    pieces = chunks(page, chunk_size=200)
    assert len(pieces) > 2
    for piece in pieces[1:]:
        lines = piece.page_content.split("\n")
        code = [
            line for block in scan_piece(lines, piece.metadata["within"]) for line in lines[block.code] if block.is_code
        ]
        assert code == [line for line in lines if line.startswith("call_")]


_LINES = st.sampled_from(
    ["text", "", "", "    four", "     five", "- item", "  two", "1. one", "  - nested", "    - four", "-   wide",
     "```", "```py", "~~~", "  ```", "> quote", "> ```", "> code", "    ```x", "word " * 20, "x = `**y**` # z",
     "<!-- c -->", "!!! note", '=== "tab"']
)  # fmt: skip


@settings(deadline=None, max_examples=400)
@given(st.lists(_LINES, max_size=24).map("\n".join), st.sampled_from([60, 80, 120]))
def test_each_line_of_a_piece_is_code_where_it_is_code_in_the_page(page: str, size: int) -> None:
    lines = page.split("\n")
    whole = readings(lines, scan_blocks(lines))
    for chunk in MarkdownSplitter(chunk_size=size, heading_path=False).create_documents([page]):
        place = chunk.metadata
        own = chunk.page_content.split("\n")
        expected = whole[place["start_line"] - 1 : place["end_line"]]
        assert readings(own, scan_piece(own, place.get("within", ""))) == expected, place


def test_what_stands_in_code_is_searched_as_code_and_what_stands_behind_it_as_prose() -> None:
    *_, last = chunks(PAGE, chunk_size=260)
    searched = embedded_text(last.page_content, last.metadata)

    assert "call_11(**options)  # `no` <b>markup</b> of call 11" in searched
    assert searched.endswith("The port is 19530. Cats purr.")
    assert "```" not in searched


def test_what_stands_behind_code_is_quoted_alone() -> None:
    *_, last = chunks(PAGE, chunk_size=260)
    answer = str(ExtractiveChatModel().invoke(rag_messages("Which port is it?", [last])).content)

    assert "\n> The port is [19530](ports.md). Cats purr.\n" in answer
    assert "`" not in answer


@pytest.mark.parametrize("at", [1, 2, -1])
def test_code_from_the_middle_of_a_fence_is_quoted_as_code(at: int) -> None:
    piece = chunks(PAGE, chunk_size=260)[at]
    answer = str(ExtractiveChatModel().invoke(rag_messages("What is the markup of call options?", [piece])).content)

    quoted = answer.split("> ```python\n")[1]
    assert quoted.count("> ```") == 1
    assert "> call_" in quoted.split("> ```")[0]


def test_titles_are_no_markdown() -> None:
    text = "Guide > ``` and <!-- of it\n\nThe **port** is 19530."
    start = markdown_start(text, text.index("The"))

    assert plain_text(text, start=start).endswith("\n\nThe port is 19530.")
    assert [piece.text for piece in quotables(text, start=start)][-1] == "The **port** is 19530."


@pytest.mark.parametrize(
    ("text", "within", "closing"),
    [
        ("a\n\n```py\nx", "", "```"),
        ("x\n\n~~~", "~~~~~ c\n", "~~~~~"),
        ("x\n```", "```\n", ""),
        ("  x\n  ```\ny", "- \u2026\n\n  ```\n", ""),
        ("  x", "- \u2026\n\n  ```\n", "```"),
        ("<!-- x", "", "-->"),
        ("text", "", ""),
        ("", "", ""),
    ],
)
def test_what_is_open_at_the_end_is_closed(text: str, within: str, closing: str) -> None:
    assert closing_of(text, within=within) == closing


def test_pieces_of_code_that_are_joined_over_a_gap_are_code_each() -> None:
    page = chunks(PAGE, chunk_size=160)
    for at, chunk in enumerate(page):
        chunk.metadata["chunk"] = at
    parts = [page[1], page[3], page[-1]]
    lines = _text_of(parts).split("\n")

    blocks = list(scan_piece(lines[2:], page[1].metadata["within"]))
    code = [line for block in blocks if block.is_code for line in lines[2:][block.code]]
    assert code == [line for part in parts for line in part.page_content.split("\n") if line.startswith("call_")]
    assert lines[-1] == "The port is [19530](ports.md). Cats purr."


def test_only_what_is_read_in_another_way_is_embedded_anew() -> None:
    """What was stored before pieces said what they stand in keeps its vectors, save those that were read wrongly."""
    for text, metadata, version in [
        ("Text with **markup**.", {}, 1),
        ("- a\n\n    more **text** of it", {}, 1),
        ("plain code\n```\n\nno markup", {"within": "```\n"}, 1),
        ("words", {"within": "- \u2026\n\n"}, 1),
        ("call(**options)\n```", {"within": "```\n"}, 2),
        ("code\n```\n\n**prose**", {"within": "```\n"}, 2),
        ("Text:\n\n    call(**options)", {}, 2),
    ]:
        assert embedded_as(text, {"body_start": 0, **metadata}) == f"plain text {version}", text
    assert embedded_as("call(**options)", {"within": "```\n"}) == "text"


def test_a_state_that_changes_no_vector_changes_no_digest() -> None:
    def digest(**metadata: object) -> str:
        (chunk,) = read_chunks("a.md", [Document("words", metadata={"source": "a.md", "body_start": 0, **metadata})])
        return chunk.digest

    assert digest(within="- \u2026\n\n") == digest()
