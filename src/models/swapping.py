"""Chat models that are made at first use, and the switch between them."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from enum import StrEnum
from functools import cached_property
from typing import Any, cast

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AnyMessage
from langchain_core.prompt_values import ChatPromptValueConcrete, StringPromptValue
from langchain_core.runnables import (
    ConfigurableFieldSpec,
    Runnable,
    RunnableConfig,
    RunnableSerializable,
    ensure_config,
)
from langchain_core.runnables.configurable import RunnableConfigurableAlternatives
from pydantic import Field, PrivateAttr

from ..errors import InputError


class LazyChatModel(RunnableSerializable[LanguageModelInput, AIMessage]):
    """A chat model that is made when it is first used, once, whichever thread comes first.

    It leaves no trace of its own: callbacks and events are those of the model.
    """

    make: Callable[[], BaseChatModel] = Field(exclude=True, repr=False)
    """Makes the model. What it raises is raised by each call until it succeeds."""

    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)
    _made: BaseChatModel | None = PrivateAttr(default=None)

    @property
    def model(self) -> BaseChatModel:
        """The model itself."""
        with self._lock:
            if self._made is None:
                self._made = self.make()
            return self._made

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What a chat model takes."""
        return str | StringPromptValue | ChatPromptValueConcrete | list[AnyMessage]

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """What a chat model answers."""
        return AnyMessage

    def bind_tools(self, tools: Any, **kwargs: Any) -> Runnable[LanguageModelInput, AIMessage]:
        """Make the model, with tools."""
        return self.model.bind_tools(tools, **kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """Make the model, with answers of a schema."""
        return self.model.with_structured_output(schema, **kwargs)

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Ask the model."""
        return self.model.invoke(input, config, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Ask the model."""
        return await self.model.ainvoke(input, config, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessage]:
        """Ask the model, for an answer in pieces."""
        yield from self.model.stream(input, config, **kwargs)

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessage]:
        """Ask the model, for an answer in pieces."""
        chunks: Any = self.model.astream(input, config, **kwargs)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk


class SwappableChatModel(RunnableConfigurableAlternatives[LanguageModelInput, AIMessage]):
    """LangChain's configurable alternatives, with an error that lists the choices."""

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds connections, so it cannot be loaded from a description."""
        return False

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[AIMessage]:
        """Ask the chosen model, for an answer in pieces; LangChain's own goes on when nobody listens any more."""
        model, config = self.prepare(config)
        chunks: Any = model.astream(input, config, **kwargs)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The choice, as a menu. LangChain's own would be that of any other switch in this process with the same id."""
        which = self.which
        return [
            ConfigurableFieldSpec(
                id=which.id,
                name=which.name,
                description=which.description,
                annotation=self._choices,
                default=self.default_key,
                is_shared=which.is_shared,
            )
        ]

    @cached_property
    def _choices(self) -> type[StrEnum]:
        # mypy takes the call that makes an enumeration for one that makes a member.
        return cast("type[StrEnum]", StrEnum(self.which.name or self.which.id, [(name, name) for name in self._names]))

    @property
    def _names(self) -> list[str]:
        return [self.default_key, *self.alternatives]

    def _prepare(
        self, config: RunnableConfig | None = None
    ) -> tuple[Runnable[LanguageModelInput, AIMessage], RunnableConfig]:
        config = ensure_config(config)
        chosen = config.get("configurable", {}).get(self.which.id)
        if chosen is None:
            return self.default, config
        if chosen not in self._names:
            raise InputError(f"There is no chat model {str(chosen)!r} here. Choose one of: {', '.join(self._names)}.")
        return super()._prepare(config)
