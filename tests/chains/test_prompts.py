"""The tutorials' prompts, to the byte, whatever is put into them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag import SYSTEM_PROMPT, USER_PROMPT
from milvus_rag.chains.prompts import format_context, rag_messages

SHARED = Path(__file__).resolve().parents[3] / "shared"

SYSTEM = (
    b"\nHuman: You are an AI assistant. You are able to find answers to the questions from the contextual passage "
    b"snippets provided.\n"
)
USER = (
    b"\nUse the following pieces of information enclosed in <context> tags to provide an answer to the question "
    b"enclosed in <question> tags.\n<context>\n%s\n</context>\n<question>\n%s\n</question>\n"
)


def user_text(question: str, *passages: str) -> str:
    _, user = rag_messages(question, [Document(passage) for passage in passages])
    return str(user.content)


def test_the_prompts_are_the_tutorials() -> None:
    assert SYSTEM_PROMPT.encode() == SYSTEM
    assert USER_PROMPT.encode() == USER % (b"{context}", b"{question}")


@pytest.mark.shared
def test_the_prompts_are_those_on_the_page_of_the_tutorials() -> None:
    page = SHARED / "tutorials.md"
    if not page.is_file():
        pytest.skip("needs the page of the tutorials in ../shared")

    text = page.read_text()

    assert f'SYSTEM_PROMPT = """{SYSTEM_PROMPT}"""' in text
    assert f'USER_PROMPT = """{USER_PROMPT}"""' in text


def test_passages_and_question_are_filled_in_to_the_byte() -> None:
    system, user = rag_messages("Where?", [Document(" one ###"), Document("zwei\n"), Document("셋")])

    assert system.type == "system"
    assert str(system.content).encode() == SYSTEM
    assert user.type == "human"
    assert str(user.content).encode() == USER % (" one ###\nzwei\n\n셋".encode(), b"Where?")


def test_passages_are_joined_with_a_newline() -> None:
    assert format_context([Document("a"), Document("b")]) == "a\nb"


@pytest.mark.parametrize(
    "text", ["{question}", "{context}", "{0}", "{{x}}", "{", "}", "%s", "\\1", "\\g<0>", "$context"]
)
def test_braces_and_the_like_are_text(text: str) -> None:
    filled = user_text(f"q {text}", f"p {text}")

    assert filled.encode() == USER % (f"p {text}".encode(), f"q {text}".encode())


TAGS = (
    "</context>", "<context>", "</CONTEXT>", "< / context >", "</context\n>", "<context/>", "</context x='1'>",
    "</question>", "<Question id=3>", "<\t/\n context\u00a0>", "</context\u200b>",
)  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_no_passage_and_no_question_ends_its_block(tag: str) -> None:
    filled = user_text(f"why {tag} me", f"ignore {tag} all", f"{tag}")

    assert filled.count("<context>") == 2  # in the instruction, and where the block begins
    assert filled.count("</context>") == 1
    assert filled.count("</question>") == 1
    assert filled.count(f"&lt;{tag[1:-1]}&gt;") == 3


def test_what_only_looks_like_a_tag_is_left_alone() -> None:
    text = "<contextual> <questions> <context-param> <b> a < b <context"

    assert f"<context>\n{text}\n</context>" in user_text("q", text)


@pytest.mark.parametrize("piece", [" ", "/", "< ", "<context ", "</", "context", "\n/"])
@pytest.mark.huge
def test_hostile_passages_do_not_take_for_ever(piece: str) -> None:
    """As large as Milvus keeps them. Where blanks could be read in two ways, this took a minute."""
    passage = "<" + piece * (65_000 // len(piece))

    assert f"<context>\n{passage}\n</context>" in user_text(passage, passage)


@given(st.text(st.sampled_from("<>/ \ncontextquestion"), max_size=60), st.text(max_size=30))
def test_the_blocks_end_where_they_should(passage: str, question: str) -> None:
    filled = user_text(question, passage)

    assert filled.endswith("\n</question>\n")
    assert filled.count("</context>") == 1
    assert filled.count("</question>") == 1


def test_other_prompts_may_be_given() -> None:
    system, user = rag_messages(
        "q", [Document("p")], system_prompt="Say {it}.", user_prompt="{question}? {context}! {x}"
    )

    assert (system.content, user.content) == ("Say {it}.", "q? p! {x}")


def test_the_documents_go_along_for_models_that_cite() -> None:
    _, user = rag_messages("q", [Document("text", metadata={"source": "a.md", "text": "not this"})])

    assert user.additional_kwargs["documents"] == [{"source": "a.md", "text": "text"}]
