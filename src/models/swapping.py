"""Chat models that are made at first use, and the switch between them."""

import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from enum import StrEnum
from functools import cached_property
from typing import Any, cast

from langchain_core.callbacks import Callbacks
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult, LLMResult
from langchain_core.runnables import (
    ConfigurableField,
    ConfigurableFieldSpec,
    Runnable,
    RunnableConfig,
    RunnableSerializable,
    ensure_config,
)
from pydantic import ConfigDict, Field

from ..errors import InputError


class LazyChatModel:
    """A chat model that is made when it is first used, once, whichever thread comes first.

    Args:
        make: Makes the model. What it raises is raised by each use until it succeeds.
    """

    def __init__(self, make: Callable[[], BaseChatModel]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: BaseChatModel | None = None

    @property
    def model(self) -> BaseChatModel:
        """The model itself."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew where it arrives: connections and keys from the environment stay here.
        return LazyChatModel, (self._make,)


class _Chosen(RunnableSerializable[LanguageModelInput, Any]):
    """A runnable that is another one at each call. Callbacks and events are the other's alone."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds connections, so it cannot be loaded from a description."""
        return False

    @abstractmethod
    def chosen(self, config: RunnableConfig | None = None) -> Runnable[LanguageModelInput, Any]:
        """What a call goes to, by ``config["configurable"]`` of the call or of the run around it."""

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Ask the chosen model."""
        return self.chosen(config).invoke(input, config, **kwargs)

    async def ainvoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Ask the chosen model."""
        return await self.chosen(config).ainvoke(input, config, **kwargs)

    def stream(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        """Ask the chosen model, for an answer in pieces."""
        yield from self.chosen(config).stream(input, config, **kwargs)

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Ask the chosen model, for an answer in pieces."""
        chunks: Any = self.chosen(config).astream(input, config, **kwargs)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk


class SwappableChatModel(_Chosen, BaseChatModel):
    """One of several chat models at each call. It is made by `milvus_rag.swappable_chat_model`."""

    models: Mapping[str, LazyChatModel] = Field(exclude=True, repr=False)
    """By name."""

    default: str
    """The name of the one that is asked where a call does not say."""

    which: ConfigurableField
    """The key of ``config["configurable"]`` that a call chooses by."""

    def chosen(self, config: RunnableConfig | None = None) -> BaseChatModel:
        """The model that a call goes to.

        Raises:
            InputError: There is none of this name.
        """
        name = (ensure_config(config).get("configurable") or {}).get(self.which.id)
        if name is None:
            name = self.default
        if name not in self.models:
            raise InputError(f"There is no chat model {str(name)!r} here. Choose one of: {', '.join(self.models)}.")
        return self.models[name].model

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """The switch, with tools bound to whichever model a call chooses."""
        return _Prepared(models=self, method="bind_tools", arguments=(tools,), options=kwargs)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        """The switch, with answers of a schema from whichever model a call chooses."""
        return _Prepared(models=self, method="with_structured_output", arguments=(schema,), options=kwargs)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The choice, as a menu."""
        which = self.which
        return [
            ConfigurableFieldSpec(
                id=which.id,
                name=which.name,
                description=which.description,
                annotation=self._choices,
                default=self.default,
                is_shared=which.is_shared,
            )
        ]

    @cached_property
    def _choices(self) -> type[StrEnum]:
        # mypy takes the call that makes an enumeration for one that makes a member.
        return cast("type[StrEnum]", StrEnum(self.which.name or self.which.id, [(name, name) for name in self.models]))

    # --- what LangChain calls beside the methods of a runnable: the choice is that of the run around it

    @property
    def _llm_type(self) -> str:
        return "swappable"

    def generate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Callbacks = None, **kw: Any
    ) -> LLMResult:
        """Ask the chosen model about several lists of messages."""
        return self.chosen().generate(messages, stop, callbacks, **kw)

    async def agenerate(
        self, messages: list[list[BaseMessage]], stop: list[str] | None = None, callbacks: Callbacks = None, **kw: Any
    ) -> LLMResult:
        """Ask the chosen model about several lists of messages."""
        return await self.chosen().agenerate(messages, stop, callbacks, **kw)

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return self.chosen()._generate(messages, stop, run_manager, **kwargs)

    def stream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The chosen model's events."""
        return self.chosen(config).stream_events(input, config, **kwargs)

    def astream_events(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """The chosen model's events."""
        return self.chosen(config).astream_events(input, config, **kwargs)

    def get_num_tokens_from_messages(self, messages: list[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """The chosen model's count."""
        return self.chosen().get_num_tokens_from_messages(messages, tools)

    def get_token_ids(self, text: str) -> list[int]:
        """The chosen model's tokens."""
        return self.chosen().get_token_ids(text)


class _Prepared(_Chosen):
    """The chosen model after one of its own methods, such as ``bind_tools``, was called."""

    models: SwappableChatModel
    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The choice."""
        return self.models.config_specs

    def chosen(self, config: RunnableConfig | None = None) -> Runnable[LanguageModelInput, Any]:
        """The model with what was asked for."""
        prepared: Runnable[LanguageModelInput, Any] = getattr(self.models.chosen(config), self.method)(
            *self.arguments, **self.options
        )
        return prepared
