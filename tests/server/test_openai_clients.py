"""OpenAI's own client and LangChain's ask a server that runs as a process of its own."""

from collections.abc import Iterator

import httpx
import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import SecretStr

from milvus_rag.models.quoting.chat import INTRODUCTION
from support.embedding import quote_context
from support.faults import Fault, failing
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer
from support.served import Served, serving

KEY = "correct-horse-battery-staple"
QUESTION = "Where is data stored?"
STORAGE = "Data is stored in object storage as segments."
ASKED: list[ChatCompletionMessageParam] = [{"role": "user", "content": QUESTION}]


def _answer(system: str, user: str) -> str:
    return QUESTION if "<conversation>" in user else quote_context(system, user)


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer(answer=_answer) as server:
        yield server


@pytest.fixture(scope="module")
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(index_uri: str, model: OpenAIServer, gemini: GeminiServer) -> Iterator[Served]:
    environment = {**model.environment("openai"), **gemini.environment(), "MILVUS_RAG_SERVER_KEY": KEY}
    allowed = ("--allow-llm", "openai:fake", "--allow-llm", "gemini")
    with serving(index_uri, *allowed, environment=environment) as served:
        yield served


@pytest.fixture
def client(server: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as opened:
        yield opened


def test_the_models_are_the_default_and_those_that_are_allowed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["milvus-rag", "local", "openai:fake", "gemini"]
    assert client.models.retrieve("openai:fake").owned_by == "milvus-rag"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-4o")
    assert caught.value.code == "model_not_found"


def test_a_question_is_answered_with_what_the_answer_stands_on(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="milvus-rag", messages=ASKED)
    (choice,) = completion.choices
    assert choice.message.content is not None
    assert choice.message.content.startswith(INTRODUCTION)
    assert "[1]" in choice.message.content
    assert choice.finish_reason == "stop"
    assert completion.model == "milvus-rag"
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens > 20
    assert completion.model_extra is not None
    grounds = completion.model_extra["milvus_rag"]
    assert grounds["passages"][0]["text"] == STORAGE
    assert (grounds["passages"][0]["source"], grounds["passages"][0]["start_line"]) == ("faq/storage.md", 3)
    assert grounds["citations"][0]["number"] == 1


@pytest.mark.parametrize("name", ["milvus-rag", "openai:fake", "gemini"])
def test_a_stream_adds_up_to_the_whole_answer(client: openai.OpenAI, name: str) -> None:
    whole = client.chat.completions.create(model=name, messages=ASKED, seed=1)
    chunks = list(
        client.chat.completions.create(
            model=name, messages=ASKED, seed=1, stream=True, stream_options={"include_usage": True}
        )
    )
    assert len({chunk.id for chunk in chunks}) == 1
    *before, last = chunks
    text = "".join(chunk.choices[0].delta.content or "" for chunk in before)
    assert text == whole.choices[0].message.content
    assert len(before) > 3
    assert before[0].choices[0].delta.role == "assistant"
    assert before[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None for chunk in before)
    assert before[-1].model_extra is not None
    assert before[-1].model_extra["milvus_rag"]["passages"][0]["text"] == STORAGE


def test_without_the_key_nobody_is_answered(server: Served) -> None:
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        stranger.chat.completions.create(model="milvus-rag", messages=ASKED)
    assert caught.value.code == "invalid_api_key"


def test_what_chooses_words_reaches_the_model(client: openai.OpenAI, model: OpenAIServer) -> None:
    model.requests.clear()
    client.chat.completions.create(
        model="openai:fake",
        messages=ASKED,
        temperature=0.25,
        top_p=0.5,
        presence_penalty=1,
        frequency_penalty=-1,
        seed=7,
        stop=["\n\n\n"],
        max_completion_tokens=100,
        user="somebody",
        store=True,
        metadata={"team": "docs"},
    )
    (request,) = model.requests
    expected = {
        "temperature": 0.25, "top_p": 0.5, "presence_penalty": 1.0, "frequency_penalty": -1.0, "seed": 7,
        "stop": ["\n\n\n"], "max_tokens": 100,
    }  # fmt: skip
    assert {name: request.body[name] for name in expected} == expected
    assert not request.body.keys() & {"user", "store", "metadata"}


def test_what_chooses_words_reaches_gemini_by_its_own_names(client: openai.OpenAI, gemini: GeminiServer) -> None:
    gemini.requests.clear()
    client.chat.completions.create(
        model="gemini", messages=ASKED, temperature=0.25, top_p=0.5, seed=7, stop="\n\n\n", max_tokens=100
    )
    (request,) = gemini.requests
    expected = {"temperature": 0.25, "topP": 0.5, "seed": 7, "stopSequences": ["\n\n\n"], "maxOutputTokens": 100}
    sent = request.body["generationConfig"]
    assert {name: sent[name] for name in expected} == expected


def test_a_conversation_is_the_history_and_the_system_instructs(client: openai.OpenAI, model: OpenAIServer) -> None:
    model.requests.clear()
    completion = client.chat.completions.create(
        model="openai:fake",
        messages=[
            {"role": "system", "content": ""},
            {"role": "developer", "content": "Answer like a pirate."},
            {"role": "user", "name": "Ada", "content": "How is data flushed?"},
            {"role": "assistant", "content": "From memory."},
            {
                "role": "user",
                "content": [{"type": "text", "text": "And where"}, {"type": "text", "text": "is it stored?"}],
            },
        ],
        max_tokens=50,
    )
    rewriting, answering = model.requests
    # A limit of the answer would cut off the question that is searched for.
    assert "stop" not in rewriting.body
    assert rewriting.body.get("max_tokens") != 50
    assert answering.body["max_tokens"] == 50
    roles = [message["role"] for message in answering.body["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    system, before, said, last = (message["content"] for message in answering.body["messages"])
    assert system.endswith("\n\nAnswer like a pirate.")
    assert (before, said) == ("How is data flushed?", "From memory.")
    assert "And where\nis it stored?" in last
    assert completion.model_extra is not None
    assert completion.model_extra["milvus_rag"]["search_question"] == QUESTION
    # Both requests are paid for.
    assert completion.usage is not None
    assert completion.usage.completion_tokens > len(QUESTION.split())


@pytest.mark.parametrize("name", ["milvus-rag", "openai:fake"])
def test_an_answer_ends_at_its_limit_and_says_so(client: openai.OpenAI, model: OpenAIServer, name: str) -> None:
    if name == "openai:fake":
        model.fail(Fault("length"), on="chat")
    completion = client.chat.completions.create(model=name, messages=ASKED, max_tokens=5)
    assert completion.choices[0].finish_reason == "length"
    if name == "milvus-rag":
        assert completion.choices[0].message.content == "No language model was used:"
        assert completion.usage is not None
        assert completion.usage.completion_tokens == 5


def test_the_model_that_quotes_stops_where_it_is_told(client: openai.OpenAI) -> None:
    completion = client.chat.completions.create(model="milvus-rag", messages=ASKED, stop=["model", ":"], temperature=0)
    assert completion.choices[0].message.content == "No language "


def test_a_model_that_fails_fails_in_openais_words(client: openai.OpenAI, model: OpenAIServer) -> None:
    model.fail(failing(401), on="chat")
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="openai:fake", messages=ASKED)
    assert caught.value.status_code == 503
    assert caught.value.type == "server_error"
    assert caught.value.request_id


async def test_the_async_client_streams_too(server: Served) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(model="milvus-rag", messages=ASKED, stream=True)
        chunks = [chunk async for chunk in stream]
    assert INTRODUCTION in "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_langchains_client_has_a_conversation(server: Served) -> None:
    with httpx.Client() as connection:
        chat = ChatOpenAI(
            model="milvus-rag",
            base_url=f"{server.url}/v1",
            api_key=SecretStr(KEY),
            temperature=0,
            http_client=connection,
            http_async_client=None,
            stream_usage=True,
            max_retries=0,
        )
        told = [SystemMessage("Be short."), HumanMessage("How is data flushed?"), AIMessage("From memory.")]
        answer = chat.invoke([*told, HumanMessage("Where is it stored?")])
        assert STORAGE in answer.text
        assert answer.response_metadata["finish_reason"] == "stop"
        streamed = list(chat.stream([HumanMessage(QUESTION)]))
        assert STORAGE in "".join(chunk.text for chunk in streamed)
        assert sum(chunk.usage_metadata["total_tokens"] for chunk in streamed if chunk.usage_metadata) > 20


def test_the_log_and_the_metrics_know_this_door(server: Served, client: openai.OpenAI) -> None:
    client.chat.completions.create(model="milvus-rag", messages=ASKED, extra_headers={"X-Request-ID": "door-1"})
    line = server.wait_for_line(id="door-1")
    assert (line["route"], line["status"], line["model"]) == ("/v1/chat/completions", 200, "local")
    assert line["tokens_out"] > 5
    assert line["hits"] == 2
    metrics = httpx.get(f"{server.url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    assert 'milvus_rag_requests_total{route="/v1/chat/completions",status="200"}' in metrics
    assert 'milvus_rag_model_tokens_total{direction="out",model="local"}' in metrics
