"""The model that quotes, behind prompts of other people's apps: it quotes the documents, never the prompt."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate

from milvus_rag import chat_model
from milvus_rag.errors import InputError

PASSAGES = "Tomatoes are watered every second evening in July.\n\nRoses are cut back in March, above an eye."
QUESTION = "How often are tomatoes watered in July?"
ANSWER = "Tomatoes are watered every second evening in July."
# Its words match the question better than the passages do; PROMPT is in no passage.
ROLE = (
    "PROMPT: you are a clerk who knows how often tomatoes are watered in July. Answer users from the notes, or say so."
)

SHAPES = {
    "bare, below the instruction": [("system", ROLE + "\n\n{p}"), ("human", "{q}")],
    "a label in other words": [("system", ROLE + "\n\nRelevant excerpts:\n{p}"), ("human", "{q}")],
    "a bold label": [("system", ROLE + "\n\n**Search results:**\n{p}"), ("human", "{q}")],
    "a line that introduces them": [("system", ROLE + " Here is what the notes below say:\n{p}"), ("human", "{q}")],
    "tags of another name": [("system", ROLE + "\n<retrieved_notes>\n{p}\n</retrieved_notes>"), ("human", "{q}")],
    "tags each": [
        (
            "human",
            ROLE
            + "\n<docs>\n<doc id='1'><source>PROMPT.md</source>\n{p}\n</doc>\n</docs>\n<user_query>{q}</user_query>",
        )
    ],
    "a rule": [("system", ROLE + "\n=====\n{p}\n====="), ("human", "{q}")],
    "a message of its own": [("system", ROLE), ("human", "Notes:\n{p}"), ("human", "{q}")],
    "a message of its own, bare": [("system", ROLE), ("human", "{p}"), ("human", "{q}")],
    "two system messages": [("system", ROLE), ("system", "Background information:\n{p}"), ("human", "{q}")],
    "headings": [("human", "## Task\n" + ROLE + "\n\n## Documents\n{p}\n\n## User question\n{q}\n\n## Answer")],
    "the question first": [("human", ROLE + "\n\nUser question: {q}\n\nRetrieved documents:\n{p}\n\nYour answer:")],
    "notes before an unmarked question": [("human", ROLE + "\n\nSources:\n{p}\n\n{q}")],
    "one line above": [("human", ROLE + "\n{p}\n\nQuery: {q}")],
    "a conversation before": [
        ("system", ROLE + "\n\n{p}"),
        ("human", "PROMPT tomatoes, how often watered in July?"),
        ("ai", "PROMPT tomatoes watered in July, how often?"),
        ("human", "{q}"),
    ],
    "an instruction behind": [("human", "Passages:\n{p}\n\nQuestion: {q}\nAnswer:")],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_only_the_passages_are_quoted(shape: str) -> None:
    prompt = ChatPromptTemplate.from_messages(SHAPES[shape]).invoke({"p": PASSAGES, "q": QUESTION})

    answer = chat_model("local").invoke(prompt).text

    assert f"> {ANSWER}" in answer
    assert "PROMPT" not in answer
    assert QUESTION not in answer


def test_an_instruction_alone_is_nothing_to_answer_from() -> None:
    answer = chat_model("local").invoke([SystemMessage(ROLE), HumanMessage(QUESTION)]).text

    assert "PROMPT" not in answer
    assert ">" not in answer


def test_headings_of_a_document_are_no_labels() -> None:
    document = "# Garden\n\nTomatoes are watered every second evening in July.\n\n## References\n\nA book of gardens."

    answer = chat_model("local").invoke(f"{document}\n\n{QUESTION}").text

    assert f"> {ANSWER}" in answer


class TestTools:
    CALL = AIMessage("", tool_calls=[{"name": "notes", "args": {"query": "tomatoes"}, "id": "1"}])

    def test_it_answers_from_what_tools_gave(self) -> None:
        given = ToolMessage(PASSAGES, tool_call_id="1")

        answer = chat_model("local").invoke([SystemMessage(ROLE), HumanMessage(QUESTION), self.CALL, given]).text

        assert f"> {ANSWER}" in answer
        assert "PROMPT" not in answer

    def test_what_a_tool_failed_with_is_not_quoted(self) -> None:
        failed = ToolMessage("How often are tomatoes watered in July? is too long.", tool_call_id="1", status="error")

        answer = chat_model("local").invoke([HumanMessage(QUESTION), self.CALL, failed]).text

        assert "too long" not in answer

    def test_it_calls_none_and_says_what_does(self) -> None:
        with pytest.raises(InputError, match=r"calls no tools.*chat_model\('gemini'\)"):
            chat_model("local").bind_tools([])
        with pytest.raises(InputError, match="fills in no structure"):
            chat_model("local").with_structured_output({"title": "A", "type": "object"})


@pytest.mark.parametrize(
    "unit", ["<docs>", "<docs ", "notes ", "Notes:\n", "# Sources\n", "a. ", " \t", "<doc></doc>", "**", "---\n"]
)
@pytest.mark.huge
def test_a_prompt_of_one_thing_takes_linear_time(unit: str) -> None:
    """200,000 characters: were anything quadratic, this would take minutes."""
    prompt = unit * (200_000 // len(unit)) + "\n\nWhy?"

    assert chat_model("local").invoke([SystemMessage(prompt), HumanMessage(prompt)]).text
