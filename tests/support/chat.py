"""A chat model that remembers what it was sent, and one that has to be stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field


class ReplyChatModel(BaseChatModel):
    """Always answers the same, word by word when it streams.

    Attributes:
        reply: What it answers.
        sent: The messages of each call.
    """

    reply: str = "It is written in the handbook."
    sent: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "reply"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self.sent.append(messages)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.reply))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        self.sent.append(messages)
        for word in self.reply.split(" "):
            text = word if word == self.reply.split(" ")[0] else f" {word}"
            yield ChatGenerationChunk(message=AIMessageChunk(content=text))


class EndlessChatModel(ReplyChatModel):
    """Speaks until somebody stops it.

    Attributes:
        calls: ``"begun"`` and ``"ended"``, as it happens.
    """

    calls: list[str] = Field(default_factory=list)

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        self.calls.append("begun")
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk(content="and "))
        finally:
            self.calls.append("ended")

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        self.calls.append("begun")
        try:
            while True:
                yield ChatGenerationChunk(message=AIMessageChunk(content="and "))
                await asyncio.sleep(0)
        finally:
            self.calls.append("ended")
