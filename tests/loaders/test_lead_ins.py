"""A piece that was cut off says what leads to it, and is searched and quoted with it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag import ExtractiveChatModel, MarkdownSplitter
from milvus_rag.chains.prompts import rag_messages
from milvus_rag.stores.searched_text import embedded_as, embedded_text, index_terms
from support.markdown_texts import MARKDOWN

ITEMS = "\n".join(f"    - knob {n}: turns the wheel number {n}" for n in range(20))
ROWS = "\n".join(f"<tr><td>knob{n}</td><td>{n * 7}</td></tr>" for n in range(30))
CODE = "\n".join(f"turn({n})" for n in range(80))


def pieces(page: str, size: int = 300) -> list[Document]:
    return MarkdownSplitter(chunk_size=size).create_documents([page], [{"source": "a.md"}])


@pytest.mark.parametrize(
    ("page", "lead_in"),
    [
        (f"# L\n\n1. For the red lamp:\n{ITEMS}\n", "1. For the red lamp:"),
        (f"# L\n\nThere are lamps. Choose one:\n\n- Red:\n{ITEMS}\n", "Choose one:\n- Red:"),
        ("# L\n\nThe knobs are:\n\n" + ITEMS.replace("    -", "-"), "The knobs are:"),
        (f"# C\n\nTurn it so:\n\n```py\n{CODE}\n```\n", "Turn it so:"),
        (
            f"# T\n\n<table>\n<thead>\n<tr><th>Knob</th><th>Turns</th></tr>\n</thead>\n{ROWS}\n</table>\n",
            "<tr><th>Knob</th><th>Turns</th></tr>",
        ),
        (f"# T\n\n<table>\n<tr>\n<th>Knob</th>\n<th>Turns</th>\n</tr>\n{ROWS}\n</table>\n",
         "<tr> <th>Knob</th> <th>Turns</th> </tr>"),
    ],
)  # fmt: skip
def test_a_piece_says_what_leads_to_it(page: str, lead_in: str) -> None:
    first, second, *_ = pieces(page)
    assert "lead_in" not in first.metadata
    assert second.metadata["lead_in"] == lead_in


@pytest.mark.parametrize(
    "page",
    ["# P\n\n" + "A long story. " * 60, "# P\n\nText:\n\n" + "Another. " * 80, f"# C\n\nText.\n\n```\n{CODE}\n```"],
)
def test_what_nothing_leads_to_says_nothing(page: str) -> None:
    assert all("lead_in" not in piece.metadata for piece in pieces(page))


def test_behind_a_table_its_header_leads_to_nothing() -> None:
    *_, last = pieces(f"<table>\n<tr><th>Knob</th></tr>\n{ROWS}\n</table>\n\nText behind. " + "Much of it. " * 20)
    assert "lead_in" not in last.metadata


def test_it_is_searched_and_quoted_with_the_piece_and_is_no_part_of_it() -> None:
    page = f"# L\n\n1. For the red lamp:\n{ITEMS}\n2. For the blue lamp:\n{ITEMS}\n"
    piece = next(piece for piece in pieces(page) if "blue" in piece.metadata.get("lead_in", ""))
    assert "blue" not in piece.page_content
    assert "For the blue lamp:" in embedded_text(piece.page_content, piece.metadata)
    assert "blue" in index_terms(piece.page_content, "english", piece.metadata).split()
    assert embedded_as(piece.page_content, piece.metadata) == "plain text 3"
    answer = str(ExtractiveChatModel().invoke(rag_messages("Which knobs has the blue lamp?", [piece])).content)
    assert "> 2. For the blue lamp:\n>     - knob" in answer


@settings(deadline=None)
@given(MARKDOWN, st.integers(20, 200))
def test_what_leads_to_a_piece_stands_before_it(text: str, size: int) -> None:
    for piece in MarkdownSplitter(chunk_size=size).create_documents([text]):
        before = text[: piece.metadata["start_index"]].split("\n")
        for line in piece.metadata.get("lead_in", "").split("\n"):
            assert not line or any(line in whole for whole in (*before, " ".join(" ".join(before).split())))


@pytest.mark.parametrize("unit", ["<table>\n", "<table><tr>\n", "- a:\n", "  - b\n", "a:\n\n- b\n\n"])
@pytest.mark.huge
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    """200,000 characters each: were anything quadratic, this would take many minutes."""
    assert pieces(unit * (200_000 // len(unit)))
