"""Keys that stay secret, and connections that work in any event loop, over real HTTP."""

import asyncio
import logging
import threading
import traceback

import httpx
import pytest
from langchain_core.load import dumpd

from milvus_rag.errors import AuthenticationError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.providers.connections import Connections
from support.backends import MODES, Backend, Mode, ask
from support.faults import unauthorized
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer

QUESTION = "What is the answer to everything in the world"
ANSWER = f"You said: {QUESTION}"
EVERY_MODE = pytest.mark.parametrize("mode", MODES)


class TestSecrets:
    @EVERY_MODE
    def test_the_key_appears_nowhere(self, backend: Backend, caplog: pytest.LogCaptureFixture, mode: Mode) -> None:
        key = backend.server.key
        assert key
        chat = backend.chat()
        backend.server.fail(unauthorized(f"Incorrect API key provided: {key}. Find yours at …"))
        with caplog.at_level(logging.DEBUG), pytest.raises(AuthenticationError) as caught:
            ask(chat, QUESTION, mode)
        shown = "".join(traceback.format_exception(caught.value))
        assert "provided: ***" in shown
        assert key not in shown
        assert key not in caplog.text
        assert key not in f"{chat!r} {chat}"
        assert key not in str(dumpd(chat))

    def test_a_key_is_taken_from_the_environment(
        self, openai_server: OpenAIServer, gemini_server: GeminiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for server, provider in ((openai_server, "fireworks"), (openai_server, "lepton"), (gemini_server, "gemini")):
            for name, value in server.environment(provider).items():
                monkeypatch.setenv(name, value)
            assert ask(chat_model(provider), QUESTION) == ANSWER

    def test_other_vendors_variables_are_not_followed(
        self, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-for-openai-only")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
        monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:1/v1")
        monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
        assert ask(Backend("fireworks", openai_server).chat(), QUESTION) == ANSWER
        assert all("sk-for-openai-only" not in str(request.headers) for request in openai_server.requests)


class TestEventLoops:
    def test_one_object_works_in_one_loop_after_another(self, backend: Backend) -> None:
        chat = backend.chat()
        for _ in range(3):
            assert asyncio.run(chat.ainvoke(QUESTION)).text == ANSWER

    def test_one_object_works_in_many_loops_at_once(self, backend: Backend) -> None:
        chat, answers = backend.chat(), []

        def loop() -> None:
            async def several() -> list[str]:
                return [message.text for message in await asyncio.gather(*(chat.ainvoke(QUESTION) for _ in range(4)))]

            answers.extend(asyncio.run(several()))

        threads = [threading.Thread(target=loop) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [ANSWER] * 16

    def test_connections_are_kept_within_a_loop(self, backend: Backend) -> None:
        chat = backend.chat()

        async def twice() -> None:
            await chat.ainvoke(QUESTION)
            await chat.ainvoke(QUESTION)

        asyncio.run(twice())
        assert len({request.port for request in backend.server.requests}) == 1

    def test_many_at_once_are_spread_over_clients_which_are_used_again(self, backend: Backend) -> None:
        """After streams that were read, left early and refused, too: none of them counts as under way for ever."""
        client = Connections().async_client

        async def read(path: str, *, leave: bool = False) -> None:
            async with client.stream("GET", backend.server.root + path) as answer:
                if not leave:
                    await answer.aread()

        async def rounds() -> list[int]:
            opened = []
            for _ in range(3):
                await asyncio.gather(*(read("", leave=bool(i % 2)) for i in range(20)))
                await asyncio.gather(*(client.get(backend.server.root) for _ in range(20)))
                with pytest.raises(httpx.ConnectError):
                    await client.get("http://127.0.0.1:1/")
                [(clients, _)] = client._open.values()
                opened.append(len(clients))
                assert [one.requests for one in clients] == [0] * len(clients)
            return opened

        assert asyncio.run(rounds()) == [3, 3, 3]
        backend.server.violations.clear()  # a bare GET is no call of a provider's

    def test_a_closed_client_opens_again_when_it_is_needed(self, backend: Backend) -> None:
        client = Connections().async_client

        async def ask_and_close() -> None:
            for _ in range(2):
                await client.get(backend.server.root)
                await client.aclose()
            await client.aclose()

        asyncio.run(ask_and_close())
        assert len({request.port for request in backend.server.requests}) == 2
        backend.server.violations.clear()  # a bare GET is no call of a provider's

    def test_a_stream_that_is_left_early_leaves_nothing_open(self, backend: Backend) -> None:
        async def first() -> str:
            stream = backend.chat().astream(QUESTION)
            async for chunk in stream:
                if chunk.text:
                    await stream.aclose()  # type: ignore[attr-defined]  # LangChain's are async generators
                    return chunk.text
            return ""

        assert ANSWER.startswith(asyncio.run(first()))
