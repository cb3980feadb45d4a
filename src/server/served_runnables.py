"""The chain as it is served: its retriever and its chat model, watched."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing
from copy import copy
from functools import partial
from typing import Any, Literal, TypeVar, cast

from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import run_in_executor
from langchain_core.runnables.utils import ConfigurableFieldSpec

from ..chains.neighbours import Filter
from ..chains.rag import REWRITING_TAG
from ..chains.retrieval import MilvusRetriever
from ..configured_models import configured_chat_model
from ..errors import MilvusRagError, StoreError, StoreUnavailableError
from ..models.chat import SWITCH, is_extractive, swappable_chat_model
from ..models.providers.table import parse_spec
from ..models.swapping import SwappableChatModel
from .index import Index
from .metrics import Metrics
from .request_record import current_record
from .settings import ServerSettings

T = TypeVar("T")


class ServedRetriever(Runnable[str, list[Document]]):
    """The index as a retriever: searches it, looks after it, counts.

    It declares no configurable keys, so that no request brings a filter or a k of its own.

    Args:
        index: What is searched.
        metrics: Where searches are counted.
    """

    def __init__(self, index: Index, metrics: Metrics) -> None:
        self._index = index
        self._metrics = metrics

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The passages for a question, best first."""
        begin = time.perf_counter()
        try:
            documents = self._index.retriever().invoke(input, config)
        except StoreError as exc:
            self._index.failed(exc)
            if isinstance(exc, StoreUnavailableError):
                raise
            documents = self._index.retriever().invoke(input, config)
        if not documents:
            self._index.check()
        return self._noted(documents, begin)

    async def ainvoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The passages for a question, best first."""
        return await self.search(input, config)

    async def search(
        self, question: str, config: RunnableConfig | None = None, *, k: int | None = None, filter: Filter = None
    ) -> list[Document]:
        """The passages for a question, best first; so many, of those that a filter matches."""
        begin = time.perf_counter()
        documents = await self.using(lambda retriever: retriever.ainvoke(question, config, k=k, filter=filter))
        if not documents:
            # An empty answer is true only where there is a collection.
            await run_in_executor(None, self._index.check)
        return self._noted(documents, begin)

    async def using(self, ask: Callable[[MilvusRetriever], Awaitable[T]]) -> T:
        """Ask the index something, and look after it where that fails."""
        retriever = await self._retriever()
        try:
            return await ask(retriever)
        except StoreError as exc:
            self._index.failed(exc)
            if isinstance(exc, StoreUnavailableError):
                raise
            # Not an outage: a collection that was released or rebuilt is there again after a second look.
            return await ask(await self._retriever())

    async def _retriever(self) -> MilvusRetriever:
        retriever = self._index.current
        return await run_in_executor(None, self._index.retriever) if retriever is None else retriever

    def _noted(self, documents: list[Document], begin: float) -> list[Document]:
        self._metrics.search_seconds.observe(time.perf_counter() - begin)
        self._metrics.hits.inc(len(documents))
        record = current_record.get()
        if record is not None:
            record.note_hits(len(documents))
        return documents


class ServedChat(Runnable[LanguageModelInput, AIMessage]):
    """The switch between the chat models that the operator allows, with a clock.

    Args:
        models: The switch, see `swappable_chat_model`.
        names: The models' names, first the one that answers where a request does not say.
        index: Whose language the passages are in, for the model that compares words.
        metrics: Where answers are counted.
    """

    def __init__(self, models: SwappableChatModel, names: tuple[str, ...], index: Index, metrics: Metrics) -> None:
        self.names = names
        self._models = models
        self._index = index
        self._metrics = metrics
        self._extractive = frozenset(name for name in names if is_extractive(name))
        self._answer_options: Mapping[str, Any] = {}

    def warm_up(self) -> list[str]:
        """Make the models, whose libraries take seconds to import; says which of them cannot be used, and why."""
        problems = []
        for name, lazy in self._models.models.items():
            try:
                _ = lazy.model
            except MilvusRagError as exc:
                problems.append(f"The chat model {name} cannot be used: {exc}")
        return problems

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The switch; by name, where LangChain's own has an enumeration that it cannot write down itself."""
        names = cast("Any", Literal)[self.names]
        (switch,) = self._models.config_specs
        return [switch._replace(annotation=names, default=self.names[0])]

    def answering_with(self, options: Mapping[str, Any]) -> "ServedChat":
        """The same models, whose answers are asked for with these arguments; the question to search for is not."""
        bound = copy(self)
        bound._answer_options = options
        return bound

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        """Ask the model."""
        call = self._begin(config, kwargs)
        message: AIMessage = self._models.invoke(input, config, **call.options)
        call.note(message)
        call.end()
        return message

    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        """Ask the model."""
        call = self._begin(config, kwargs)
        message: AIMessage = await self._models.ainvoke(input, config, **call.options)
        call.note(message)
        call.end()
        return message

    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> Iterator[AIMessage]:
        """Ask the model, for an answer in pieces."""
        call = self._begin(config, kwargs)
        for chunk in self._models.stream(input, config, **call.options):
            call.note(chunk)
            yield chunk
        call.end()

    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any | None
    ) -> AsyncIterator[AIMessage]:
        """Ask the model, for an answer in pieces."""
        call = self._begin(config, kwargs)
        begun = False
        chunks: Any = self._models.astream(input, config, **call.options)
        async with aclosing(chunks):
            async for chunk in chunks:
                if not begun and chunk.text:
                    begun = True
                    self._metrics.first_token_seconds.labels(call.name).observe(call.seconds)
                call.note(chunk)
                yield chunk
        call.end()

    def _begin(self, config: RunnableConfig | None, given: Mapping[str, Any]) -> "_ModelCall":
        given_config: Mapping[str, Any] = config or {}
        name = str((given_config.get("configurable") or {}).get(SWITCH) or self.names[0])
        is_answer = REWRITING_TAG not in (given_config.get("tags") or ())
        # For each call, since the index may be made, or rebuilt in another language, while the server runs.
        own = {"language": self._index.language} if name in self._extractive else {}
        options = {**own, **(self._answer_options if is_answer else {}), **given}
        return _ModelCall(name, options, self._metrics, is_answer=is_answer)


class _ModelCall:
    """A call of a model, watched: how long it takes, what it uses, why it ends.

    Args:
        name: The model's.
        options: Its arguments.
        metrics: Where it is counted.
        is_answer: Whether it is the answer that is asked for, or the question to search for.
    """

    def __init__(self, name: str, options: Mapping[str, Any], metrics: Metrics, *, is_answer: bool) -> None:
        self.name = name
        self.options: dict[str, Any] = dict(options)
        self._metrics = metrics
        self._is_answer = is_answer
        self._begin = time.perf_counter()
        self._record = current_record.get()
        if self._record is not None:
            self._record.note_model(name)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._begin

    def note(self, message: AIMessage) -> None:
        """Count what an answer, or a piece of one, says of itself."""
        usage = message.usage_metadata
        if usage is not None:
            self._metrics.tokens.labels(self.name, "in").inc(usage["input_tokens"])
            self._metrics.tokens.labels(self.name, "out").inc(usage["output_tokens"])
        if self._record is None:
            return
        if usage is not None:
            self._record.note_tokens(usage["input_tokens"], usage["output_tokens"])
        if self._is_answer and (reason := message.response_metadata.get("finish_reason")):
            self._record.finish_reason = str(reason)

    def end(self) -> None:
        """Take note that all of it is there."""
        self._metrics.model_seconds.labels(self.name).observe(self.seconds)


def served_chat(settings: ServerSettings, index: Index, metrics: Metrics) -> ServedChat:
    """The chat models that the operator allows, the default first.

    Raises:
        UnknownProviderError: There is no such provider.
    """
    specs = (settings.chat_spec, *settings.allowed_llms)
    names = tuple(dict.fromkeys(parse_spec(spec).name for spec in specs))
    models = swappable_chat_model(*names, default=names[0], make=partial(configured_chat_model, settings))
    return ServedChat(cast("SwappableChatModel", models), names, index, metrics)
