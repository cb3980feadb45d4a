"""LangChain's own agent, with a model behind HTTP that looks things up in the notes, and does it wrongly at times."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, create_retriever_tool
from pydantic import BaseModel

from milvus_rag import (
    MilvusStore,
    chat_model,
    embedding_model,
    milvus_retriever,
    open_store,
    swappable_chat_model,
)
from milvus_rag.errors import InputError, InputTooLargeError
from support.faults import too_large
from support.notes import NOTES
from support.scripted_chat import ScriptedChat, Turn

SPOKEN = "Every second evening, in July."


@pytest.fixture
def search(notes: MilvusStore) -> BaseTool:
    return create_retriever_tool(milvus_retriever(notes, k=1), "notes", "Search the notes.")


def model_of(server: ScriptedChat) -> BaseChatModel:
    return chat_model("openai:scripted", base_url=server.base_url, api_key=server.key, max_retries=0)


def asked(agent: Any, question: str = "When are tomatoes watered?", **config: Any) -> list[tuple[str, str]]:
    state = agent.invoke({"messages": [("human", question)]}, config or None)
    return [(message.type, message.text) for message in state["messages"]]


def test_it_answers_from_what_it_found(search: BaseTool) -> None:
    with ScriptedChat(("notes", {"query": "tomatoes in July"}), SPOKEN) as server:
        said = asked(create_agent(model_of(server), [search]))

    assert [kind for kind, _ in said] == ["human", "ai", "tool", "ai"]
    assert said[2][1] == "Tomatoes are watered every second evening in July."
    assert said[3][1] == SPOKEN
    assert ("tool", said[2][1]) in server.told()
    assert server.violations == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"query": ""}, "The question is empty"),
        ({"query": " \n"}, "The question is empty"),
        ({"question": "tomatoes"}, "query"),
        ({"query": 3}, "valid string"),
    ],
)
async def test_a_bad_call_is_told_to_the_model_which_goes_on(search: BaseTool, arguments: Any, words: str) -> None:
    turns: tuple[Turn, ...] = (("notes", arguments), ("notes", {"query": "tomatoes"}), SPOKEN)
    with ScriptedChat(*turns) as server:
        said = asked(create_agent(model_of(server), [search]))
    with ScriptedChat(*turns) as server:
        state = await create_agent(model_of(server), [search]).ainvoke({"messages": [("human", "Tomatoes?")]})

    assert said[-1] == ("ai", SPOKEN)
    assert state["messages"][-1].text == SPOKEN
    failed, found = [text for role, text in server.told() if role == "tool"][-2:]
    assert words in failed
    assert found == "Tomatoes are watered every second evening in July."


def test_a_question_without_end_is_searched_for(search: BaseTool) -> None:
    with ScriptedChat(("notes", {"query": "tomatoes " * 20_000}), SPOKEN) as server:
        said = asked(create_agent(model_of(server), [search]))

    assert said[2][1] == "Tomatoes are watered every second evening in July."


def test_a_question_that_the_embedding_model_refuses(tmp_path: Path) -> None:
    """Its limit is known to the provider alone; to the model it is told as its own mistake."""
    with ScriptedChat(("notes", {"query": "tomatoes " * 9_000}), ("notes", {"query": "tomatoes"}), SPOKEN) as server:
        embedding = embedding_model("openai:e", base_url=server.base_url, api_key=server.key)
        with open_store(str(tmp_path / "dense.db"), embedding=embedding) as store:
            store.add_documents(NOTES)
            retriever = milvus_retriever(store, k=1)
            server.fail(too_large(), on="embed")
            said = asked(create_agent(model_of(server), [create_retriever_tool(retriever, "notes", "The notes.")]))
            server.fail(too_large(), on="embed")
            with pytest.raises(InputTooLargeError, match="too large"):
                retriever.invoke("tomatoes")

    assert "too large" in said[2][1]
    assert "Tomatoes are watered" in said[4][1]
    assert said[5] == ("ai", SPOKEN)


def test_a_tool_that_is_not_there(search: BaseTool) -> None:
    with ScriptedChat(("mails", {"query": "tomatoes"}), SPOKEN) as server:
        said = asked(create_agent(model_of(server), [search]))

    assert "mails is not a valid tool" in said[2][1]
    assert said[3][1] == SPOKEN


def test_the_model_that_quotes_says_that_it_is_none_for_agents(search: BaseTool) -> None:
    with pytest.raises(InputError, match="calls no tools"):
        asked(create_agent(chat_model("local"), [search]))


class Watering(BaseModel):
    """When a plant is watered."""

    plant: str
    month: str


class TestSeveralModelsBehindOneSwitch:
    @pytest.fixture
    def servers(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ScriptedChat]]:
        by_name = {
            name: ScriptedChat(("notes", {"query": "tomatoes"}), f"says {name}") for name in ("openai", "lepton")
        }
        with by_name["openai"] as one, by_name["lepton"] as other:
            for name, server in (("openai", one), ("lepton", other)):
                for variable, value in server.environment(name).items():
                    monkeypatch.setenv(variable, value)
            yield by_name

    def test_an_agent_asks_the_one_that_the_call_chooses(
        self, servers: dict[str, ScriptedChat], search: BaseTool
    ) -> None:
        model = swappable_chat_model("openai:a", "lepton:b")
        agent = create_agent(model, [search])

        assert asked(agent, configurable={"llm": "lepton:b"})[-1] == ("ai", "says lepton")
        assert [body["tools"][0]["function"]["name"] for body in servers["lepton"].chats] == ["notes", "notes"]
        assert servers["openai"].chats == []
        assert asked(agent)[-1] == ("ai", "says openai")

    async def test_tools_are_bound_to_the_one_that_is_chosen(
        self, servers: dict[str, ScriptedChat], search: BaseTool
    ) -> None:
        bound = swappable_chat_model("openai:a", "lepton:b").bind_tools([search])
        config: Any = {"configurable": {"llm": "lepton:b"}}

        assert bound.invoke("?", config).tool_calls[0]["name"] == "notes"
        assert (await bound.ainvoke("?", config)).text == "says lepton"
        assert "".join([part.text async for part in bound.astream("?", config)]) == "says lepton"
        assert bound.batch(["?", "?"], [config, {}])[0].text == "says lepton"
        assert [spec.id for spec in bound.config_specs] == ["llm"]
        with pytest.raises(InputError, match="no chat model 'c'"):
            bound.invoke("?", {"configurable": {"llm": "c"}})

    def test_answers_of_a_schema_come_from_the_one_that_is_chosen(self, servers: dict[str, ScriptedChat]) -> None:
        servers["lepton"]._turns = ['{"plant": "tomato", "month": "July"}']
        written = swappable_chat_model("openai:a", "lepton:b").with_structured_output(Watering, method="json_schema")

        answer = written.invoke("When?", {"configurable": {"llm": "lepton:b"}})

        assert answer == Watering(plant="tomato", month="July")
        assert servers["lepton"].chats[0]["response_format"]["type"] == "json_schema"

    def test_it_is_a_chat_model_for_what_asks_by_other_methods(self, servers: dict[str, ScriptedChat]) -> None:
        from langchain_core.prompt_values import StringPromptValue

        servers["openai"]._turns = ["says openai"]
        model = swappable_chat_model("openai:a", "lepton:b")

        assert isinstance(model, BaseChatModel)
        assert model.generate_prompt([StringPromptValue(text="?")]).generations[0][0].text == "says openai"
        assert model.with_fallbacks([chat_model("local")]).invoke("?").text == "says openai"
        assert model.with_retry().invoke("?").text == "says openai"
