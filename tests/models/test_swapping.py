"""Several chat models behind one switch."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda

from milvus_rag import rag_chain
from milvus_rag.errors import InputError, MissingKeyError, UnknownProviderError
from milvus_rag.models.chat import chat_model, swappable_chat_model
from support.gemini_server import GeminiServer
from support.model_server import ModelServer
from support.openai_server import OpenAIServer


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModelServer]]:
    """Three providers, each named by its answers."""
    with (
        GeminiServer(answer=lambda system, user: "from gemini") as gemini,
        OpenAIServer(answer=lambda system, user: "from fireworks") as fireworks,
        OpenAIServer(answer=lambda system, user: "from lepton") as lepton,
    ):
        by_name = {"gemini": gemini, "fireworks": fireworks, "lepton": lepton}
        for name, server in by_name.items():
            for variable, value in server.environment(name).items():
                monkeypatch.setenv(variable, value)
        yield by_name  # type: ignore[misc]  # a dict of subclasses


def chain() -> Runnable[str, str]:
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
    return {"question": str} | prompt | swappable_chat_model("gemini", "fireworks", "lepton") | StrOutputParser()


def test_one_chain_asked_three_times_reaches_three_servers(servers: dict[str, ModelServer]) -> None:
    one = chain()
    for name in servers:
        assert one.invoke("?", {"configurable": {"llm": name}}) == f"from {name}"
    assert {name: len(server.requests) for name, server in servers.items()} == dict.fromkeys(servers, 1)


def test_the_switch_works_in_every_way_of_asking(servers: dict[str, ModelServer]) -> None:
    one, config = chain(), {"configurable": {"llm": "lepton"}}

    async def later() -> tuple[str, str]:
        return await one.ainvoke("?", config), "".join([piece async for piece in one.astream("?", config)])

    assert "".join(one.stream("?", config)) == "from lepton"
    assert asyncio.run(later()) == ("from lepton", "from lepton")
    assert one.batch(["?", "?"], config) == ["from lepton"] * 2
    assert asyncio.run(one.abatch(["?", "?"], config)) == ["from lepton"] * 2
    assert one.with_config(configurable={"llm": "gemini"}).invoke("?") == "from gemini"


def test_streams_piece_by_piece(servers: dict[str, ModelServer]) -> None:
    pieces = list(swappable_chat_model("fireworks", "gemini").stream("?"))
    assert len([piece for piece in pieces if piece.text]) > 0
    assert len(pieces) > 1


def test_the_default_is_the_first_or_the_one_that_is_named(servers: dict[str, ModelServer]) -> None:
    assert swappable_chat_model("gemini", "fireworks").invoke("?").text == "from gemini"
    assert swappable_chat_model("gemini", "fireworks", default="fireworks").invoke("?").text == "from fireworks"
    assert swappable_chat_model("gemini").invoke("?", {"configurable": {"llm": None}}).text == "from gemini"


def test_one_missing_key_does_not_stop_the_others(
    servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GEMINI_API_KEY")
    model = swappable_chat_model("gemini", "fireworks", "lepton")
    with pytest.raises(MissingKeyError, match="GEMINI_API_KEY"):
        model.invoke("?")
    assert model.invoke("?", {"configurable": {"llm": "fireworks"}}).text == "from fireworks"
    monkeypatch.setenv("GEMINI_API_KEY", servers["gemini"].key or "")
    assert model.invoke("?").text == "from gemini"


def test_each_model_is_made_once_at_first_use(servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counting(spec: str, **arguments: object) -> object:
        made.append(spec)
        return chat_model(spec, **arguments)  # type: ignore[arg-type]  # passed through

    monkeypatch.setattr("milvus_rag.models.chat.chat_model", counting)
    model = swappable_chat_model("gemini", "fireworks", "lepton")
    assert made == []
    threads = [threading.Thread(target=model.invoke, args=("?",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["gemini"]
    assert len(servers["gemini"].requests) == 8


def test_an_unknown_choice_lists_the_known_ones() -> None:
    model = swappable_chat_model("gemini", "fireworks:some/model")
    with pytest.raises(InputError, match=r"'gpt'.*gemini, fireworks:some/model"):
        model.invoke("?", {"configurable": {"llm": "gpt"}})


def test_a_playground_can_show_the_choices_as_a_menu() -> None:
    one = chain()
    schema = one.config_schema(include=["configurable"]).model_json_schema()
    text = str(schema)
    assert all(name in text for name in ("gemini", "fireworks", "lepton"))
    [spec] = [spec for spec in one.config_specs if spec.id == "llm"]
    assert {choice.value for choice in spec.annotation} == {"gemini", "fireworks", "lepton"}
    assert spec.default == "gemini"


def test_a_choice_of_the_schema_is_understood(servers: dict[str, ModelServer]) -> None:
    model = swappable_chat_model("gemini", "fireworks")
    [spec] = [spec for spec in model.config_specs if spec.id == "llm"]
    choice = next(choice for choice in spec.annotation if choice.value == "fireworks")
    assert model.invoke("?", {"configurable": {"llm": choice}}).text == "from fireworks"


def test_two_switches_in_one_process_keep_their_own_menus() -> None:
    switches = [swappable_chat_model("gemini", "fireworks"), swappable_chat_model("gemini", "lepton")]
    menus = [{choice.value for choice in switch.config_specs[0].annotation} for switch in switches]
    assert menus == [{"gemini", "fireworks"}, {"gemini", "lepton"}]


def test_schemas_and_graph_need_no_model() -> None:
    """A server describes its chain before anybody has set a key."""
    one = chain()
    assert one.get_input_schema() is not None
    assert one.get_output_schema() is not None
    assert swappable_chat_model("gemini", "fireworks").get_input_schema().model_json_schema()
    assert one.get_graph().nodes


def test_options_apply_to_every_model(servers: dict[str, ModelServer]) -> None:
    model = swappable_chat_model("gemini", "fireworks", temperature=0.25)
    for name in ("gemini", "fireworks"):
        model.invoke("?", {"configurable": {"llm": name}})
        assert b"0.25" in servers[name].requests[0].raw


def test_objects_can_be_choices_too(servers: dict[str, ModelServer]) -> None:
    mine = FakeListChatModel(responses=["from me"], name="mine")
    model = swappable_chat_model("gemini", mine)
    assert model.invoke("?", {"configurable": {"llm": "mine"}}).text == "from me"


def test_tools_can_be_bound(servers: dict[str, ModelServer]) -> None:
    def multiply(a: int, b: int) -> int:
        """Multiply two numbers."""
        return a * b

    assert swappable_chat_model("gemini").bind_tools([multiply]).invoke("?").text == "from gemini"
    assert b"multiply" in servers["gemini"].requests[0].raw


def test_events_are_those_of_the_model(servers: dict[str, ModelServer]) -> None:
    async def names() -> list[str]:
        return [event["event"] async for event in chain().astream_events("?", version="v2")]

    events = asyncio.run(names())
    assert "on_chat_model_stream" in events
    assert events.count("on_chat_model_end") == 1


@pytest.mark.parametrize(
    ("specs", "arguments", "kind", "words"),
    [
        ((), {}, InputError, "at least one"),
        (("gemini", "gemini"), {}, InputError, "given twice"),
        (("gemini",), {"default": "fireworks"}, InputError, "'fireworks' is none of gemini"),
        (("gemini", "nobody"), {}, UnknownProviderError, "'nobody'"),
        (("gemini", "fireworks"), {"api_key": "k"}, InputError, "api_key would go to every provider"),
    ],
)
def test_mistakes_are_told_at_once(
    specs: tuple[str, ...], arguments: dict[str, str], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        swappable_chat_model(*specs, **arguments)  # type: ignore[arg-type]  # a test of wrong values


class _Endless(FakeListChatModel):
    """Answers until it is told to stop."""

    name: str = "endless"
    ended: list[str]

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk("more"))
        finally:
            self.ended.append("stream")

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk("more"))
        finally:
            self.ended.append("astream")


@pytest.mark.parametrize("in_chain", [False, True])
def test_a_stream_that_is_closed_closes_the_models(in_chain: bool) -> None:
    """At once: until a collector comes by, the provider would go on writing, and be paid for it."""
    model = _Endless(responses=[], ended=[])
    switch = swappable_chat_model(model)
    chain = rag_chain(RunnableLambda(lambda _: [Document("d")]), switch) if in_chain else switch

    async def leave() -> None:
        pieces: Any = chain.astream("?")
        for _ in range(5):
            await anext(pieces)
        await pieces.aclose()
        assert model.ended == ["astream"]

    asyncio.run(leave())
    pieces: Any = chain.stream("?")
    for _ in range(5):
        next(pieces)
    pieces.close()
    assert model.ended == ["astream", "stream"]
