"""What is read out of a prompt."""

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from milvus_rag.models.quoting.passages import Passage, read_enquiry

# The tutorials' prompts.
SYSTEM = SystemMessage(
    "\nHuman: You are an AI assistant. You are able to find answers to the questions from the contextual passage "
    "snippets provided.\n"
)
USER = """
Use the following pieces of information enclosed in <context> tags to provide an answer to the question enclosed in \
<question> tags.
<context>
{context}
</context>
<question>
{question}
</question>
"""


def _tutorial(context: str, question: str) -> list[BaseMessage]:
    return [SYSTEM, HumanMessage(USER.format(context=context, question=question))]


@pytest.mark.parametrize(
    "context",
    [
        "One passage.",
        "Braces {context} and {question}, and {{more}}.",
        "<context> tags in the text, and\n<question>\nin lines of their own",
        "  leading blanks\n\nand several\n\nparagraphs",
    ],
)
def test_the_tutorials_prompt_gives_its_question_and_its_context(context: str) -> None:
    enquiry = read_enquiry(_tutorial(context, "How is data stored in milvus?"))

    assert enquiry.question == "How is data stored in milvus?"
    assert [passage.text.rstrip("\n") for passage in enquiry.passages] == [context]


@pytest.mark.parametrize("escaped", [r"<\/context>", "&lt;/context>", "&lt;/context&gt;"])
def test_a_closing_tag_that_was_escaped_is_read_as_it_was_written(escaped: str) -> None:
    enquiry = read_enquiry(_tutorial(f"Close it with {escaped}, then go on.", "How?"))

    assert enquiry.passages[0].text.strip() == "Close it with </context>, then go on."


def test_a_closing_tag_that_was_not_escaped_does_not_end_the_context() -> None:
    enquiry = read_enquiry(_tutorial("Before.\n</context>\nAfter.", "What?"))

    assert enquiry.passages[0].text.strip() == "Before.\n</context>\nAfter."
    assert enquiry.question == "What?"


def test_the_last_question_of_a_conversation_counts() -> None:
    first, second = _tutorial("Old passage.", "Old question?"), _tutorial("New passage.", "New question?")

    enquiry = read_enquiry([*first, AIMessage("An answer."), *second])

    assert enquiry.question == "New question?"
    assert [passage.text.strip() for passage in enquiry.passages] == ["New passage."]


@pytest.mark.parametrize(
    ("prompt", "question", "context"),
    [
        ("<context>Some text.</context>\n<question>Why?</question>", "Why?", "Some text."),
        ("Answer from this.\n<context>\nSome text.\n</context>\nWhy?", "Why?", "Some text."),
        ("Answer from this.\n<context>\nSome text.\n</context>\nQuestion: Why?", "Why?", "Some text."),
        ("Question: Why?\n<context>\nQuestion: in the text.\n</context>", "Why?", "Question: in the text."),
        ("Use the context.\nContext:\nSome text.\n\nQuestion: Why?\nAnswer:", "Why?", "Some text."),
        ("Be brief.\nQuestion: Why? \nContext: Some text. \nAnswer:", "Why?", "Some text."),
        ("Some text.\n\nQuestion: Why?", "Why?", "Some text."),
        ("Context: Question: is a label.\n\nQuestion: Why?", "Why?", "Question: is a label."),
        ("Some text.\n\nMore text.\n\nWhy?", "Why?", "Some text.\n\nMore text."),
    ],
)
def test_other_prompts_are_understood(prompt: str, question: str, context: str) -> None:
    enquiry = read_enquiry([HumanMessage(prompt)])

    assert enquiry.question == question
    assert [passage.text.strip() for passage in enquiry.passages] == [context]


@pytest.mark.parametrize("prompt", ["Why?", "Question: Why?"])
def test_a_question_alone_is_asked_about_the_messages_before_it(prompt: str) -> None:
    enquiry = read_enquiry([SystemMessage("You know this: text."), HumanMessage(prompt)])

    assert enquiry.question == "Why?"
    assert enquiry.passages == (Passage("You know this: text."),)


def test_documents_that_come_with_the_message_take_the_context_texts_place() -> None:
    documents = [
        {"text": "A.", "source": "a.md", "headings": ["One", "Two"], "start_line": 3, "end_line": 9},
        {"text": "B.", "source": None, "headings": None, "start_line": None, "end_line": None},
        {"text": "C.", "title": "Page", "headings": ["One"]},
        {"text": "D.", "title": "One", "headings": ["One"]},
        {"text": ""},
    ]
    message = HumanMessage(USER.format(context="A.\nB.", question="Why?"), additional_kwargs={"documents": documents})

    enquiry = read_enquiry([message])

    assert enquiry.question == "Why?"
    assert enquiry.passages == (
        Passage("A.", "a.md", ("One", "Two"), 3, 9, is_one=True),
        Passage("B.", number=2, is_one=True),
        Passage("C.", headings=("Page", "One"), number=3, is_one=True),
        Passage("D.", headings=("One",), number=4, is_one=True),
    )


def test_blocks_of_content_are_read_as_text() -> None:
    enquiry = read_enquiry([HumanMessage([{"type": "text", "text": "Some text.\n\nWhy?"}])])

    assert enquiry.question == "Why?"


@pytest.mark.parametrize("messages", [[], [SystemMessage("Text.")], [HumanMessage("")]])
def test_a_prompt_without_a_question_has_an_empty_one(messages: list[BaseMessage]) -> None:
    assert read_enquiry(messages).question == ""


@pytest.mark.parametrize(
    ("passage", "citation"),
    [
        (Passage("t"), ""),
        (Passage("t", "a.md"), "a.md"),
        (Passage("t", "a.md", ("One", "Two"), 3, 9), "a.md, lines 3-9: Two"),
        (Passage("t", "a.md", (), 3, 3), "a.md, line 3"),
        (Passage("t", None, ("One",), 3, 9), "One"),
    ],
)
def test_a_passage_is_cited_by_what_is_known_of_it(passage: Passage, citation: str) -> None:
    assert passage.citation == citation


@pytest.mark.parametrize(
    "unit",
    [
        "<context>\n", "</context>\n<question>\n", "<context>", "</context>", "</question>\n", "<context>a</context>",
        "</context>\n<question>\n</question>\n", "<context>\n</context>\n<question>\n", " ", "\t", "\n", " \n",
        "Context: ", "Question:\n", "Answer: ", "&lt;context ", "<context ", "a\n\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "<context>\n", "<context>\n</context>\n"])
@pytest.mark.huge
def test_hostile_prompts_take_linear_time(before: str, unit: str) -> None:
    """500,000 characters each: were anything quadratic, this would take minutes."""
    prompt = before + unit * (500_000 // len(unit)) + "Why?"
    assert len(read_enquiry([HumanMessage(prompt)]).question) <= len(prompt)
