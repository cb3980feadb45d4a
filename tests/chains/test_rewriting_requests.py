"""What a conversation sends to a model server: one short request more, whose failure costs the answer nothing."""

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda

from milvus_rag import chat_model, rag_chain
from milvus_rag.chains.prompts import SYSTEM_PROMPT, USER_PROMPT
from milvus_rag.chains.rewriting import REWRITING_PROMPT
from support.faults import Fault, failing, rate_limited
from support.openai_server import OpenAIServer

FIRST, FOLLOW_UP = "What is a partition?", "And how do I delete it?"
ANSWER = "A part of a collection."
WRITTEN = "How do I delete a partition?"
BY_WORDS = "And how do I delete it? (partition)"
PASSAGE = "Call drop_partition."
HISTORY = [("human", FIRST), ("ai", ANSWER)]
CHATTER = (
    "That is a good question! A partition is a part of a collection. You can delete it with a call of the client. "
    "First release it, and then drop it. Shall I go on?"
)


def answers(written: str) -> Callable[[str, str], str]:
    """The question where one is asked for, else an answer."""
    return lambda system, _: written if system == REWRITING_PROMPT else "Drop it."


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer=answers(WRITTEN)) as running:
        yield running


class Asked:
    """A chain over a retriever of one passage and a model of a server."""

    def __init__(self, server: OpenAIServer, **options: Any) -> None:
        self.questions: list[str] = []
        self.server = server
        self.chat = chat_model("openai:m", base_url=server.base_url, api_key=server.key, backoff=0.01, **options)
        self.chain = rag_chain(RunnableLambda(self._retrieve), self.chat)

    def _retrieve(self, question: str) -> list[Document]:
        self.questions.append(question)
        return [Document(PASSAGE, metadata={"source": "a.md"})]

    def __call__(self, question: Any) -> dict[str, Any]:
        self.server.requests.clear()
        output: dict[str, Any] = self.chain.invoke(question)
        return output

    @property
    def sent(self) -> list[list[tuple[str, str]]]:
        """Role and text of the messages of each request."""
        return [[(m["role"], m["content"]) for m in request.body["messages"]] for request in self.server.requests]


def answering(*before: tuple[str, str], question: str) -> list[tuple[str, str]]:
    """The messages of the request that is answered."""
    return [("system", SYSTEM_PROMPT), *before, ("user", USER_PROMPT.format(context=PASSAGE, question=question))]


def test_without_a_history_the_one_request_is_the_tutorials(server: OpenAIServer) -> None:
    asked = Asked(server)
    for given in (FIRST, {"question": FIRST}, {"question": FIRST, "chat_history": []}):
        output = asked(given)
        (request,) = server.requests
        server.requests.clear()
        prompt = USER_PROMPT.format(context=PASSAGE, question=FIRST)
        asked.chat.invoke([SystemMessage(SYSTEM_PROMPT), HumanMessage(prompt)])
        assert request.raw == server.requests[0].raw
        assert output.keys() == {"question", "context", "answer"}


def test_with_one_there_are_two(server: OpenAIServer) -> None:
    asked = Asked(server)
    output = asked({"question": FOLLOW_UP, "chat_history": HISTORY})

    conversation = f"<conversation>\nUser: {FIRST}\nAssistant: {ANSWER}\n</conversation>"
    assert asked.sent == [
        [("system", REWRITING_PROMPT), ("user", f"{conversation}\n<question>\n{FOLLOW_UP}\n</question>")],
        answering(("user", FIRST), ("assistant", ANSWER), question=FOLLOW_UP),
    ]
    # The model of the call, asked in the same way.
    first, second = (request.body for request in server.requests)
    assert {k: v for k, v in first.items() if k != "messages"} == {k: v for k, v in second.items() if k != "messages"}
    assert asked.questions == [WRITTEN]
    assert output["search_question"] == WRITTEN
    assert output["answer"] == "Drop it."


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (rate_limited(), {}),
        (rate_limited(30), {}),
        (failing(503), {}),
        (failing(400), {}),
        (Fault("hang"), {"timeout": 0.5}),
        (Fault("reset"), {}),
        (Fault("cut stream"), {}),
        (Fault("garbled"), {}),
        (Fault("web page"), {}),
        (Fault("empty answer"), {}),
        (Fault("blocked"), {}),
        (Fault("stream error"), {}),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
)
def test_it_fails_and_the_answer_comes(
    server: OpenAIServer, caplog: pytest.LogCaptureFixture, fault: Fault, options: dict[str, Any]
) -> None:
    asked = Asked(server, **options)
    server.fail(fault)
    with caplog.at_level(logging.WARNING):
        output = asked({"question": FOLLOW_UP, "chat_history": HISTORY})

    assert output["answer"] == "Drop it."
    assert asked.questions == [output["search_question"]] == [BY_WORDS]
    # Asked once: who waits for an answer does not wait for its question to be tried again.
    assert [messages[0][1] for messages in asked.sent] == [REWRITING_PROMPT, SYSTEM_PROMPT]
    assert asked.sent[1] == answering(("user", FIRST), ("assistant", ANSWER), question=FOLLOW_UP)
    assert "The chat model wrote no question to search for" in caplog.text


@pytest.mark.parametrize("written", [CHATTER, "One.\nTwo.\nThree.", "<think>Hm", "   "])
def test_it_writes_something_else_and_the_answer_comes(written: str) -> None:
    with OpenAIServer(answer=answers(written)) as server:
        asked = Asked(server)
        output = asked({"question": FOLLOW_UP, "chat_history": HISTORY})
        assert output["answer"] == "Drop it."
        assert asked.questions == [BY_WORDS]
        assert len(server.requests) == 2


def test_what_streams_is_the_same(server: OpenAIServer) -> None:
    asked = Asked(server)
    parts = list(asked.chain.stream({"question": FOLLOW_UP, "chat_history": HISTORY}))
    assert "".join(part.get("answer", "") for part in parts) == "Drop it."
    assert [part["search_question"] for part in parts if "search_question" in part] == [WRITTEN]
    assert WRITTEN not in json.dumps([part.get("answer") for part in parts])
    assert len(server.requests) == 2
