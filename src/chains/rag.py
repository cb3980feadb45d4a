"""The chain: a question, its passages, an answer."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from operator import itemgetter
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.runnables import (
    AddableDict,
    Runnable,
    RunnableConfig,
    RunnableLambda,
    RunnablePassthrough,
    RunnableSerializable,
)
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import ConfigurableFieldSpec, get_unique_config_specs
from pydantic import ConfigDict
from typing_extensions import TypedDict

from ..errors import InputError
from ..extras import borrowed
from .prompts import SYSTEM_PROMPT, USER_PROMPT, rag_messages

# What LangChain gives subclasses of `Runnable` to run with callbacks and tracing; see docs/borrowed-names.md.
_RUN_METHODS = (
    "_call_with_config",
    "_acall_with_config",
    "_transform_stream_with_config",
    "_atransform_stream_with_config",
)

NO_CONTEXT_ANSWER = "The documents do not answer this question."


class RagInput(TypedDict):
    """What the chain takes; a bare string is taken for the question."""

    question: str


class RagOutput(TypedDict):
    """What the chain gives: the question, the passages (best first), and the answer."""

    question: str
    context: list[Document]
    answer: str


class RagChain(RunnableSerializable[str | RagInput, RagOutput]):
    """Retriever, prompt and chat model in a row. It is made by `rag_chain`, which documents the fields.

    A stream gives ``{"question": …}``, then ``{"context": …}``, then ``{"answer": …}`` token by token; its parts add up
    to the output. The same steps as a sequence of LangChain's runnables with ``RunnablePassthrough.assign`` would take
    4 ms of CPU a call, and a stream of that would go on calling the model after it is cancelled.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = "rag"
    retriever: Runnable[str, list[Document]]
    chat: Runnable[LanguageModelInput, BaseMessage]
    system_prompt: str = SYSTEM_PROMPT
    user_prompt: str = USER_PROMPT
    no_context_answer: str = NO_CONTEXT_ANSWER

    def model_post_init(self, context: Any, /) -> None:
        """Find out now, and not at the first question, whether LangChain still is what this chain stands on."""
        for name in _RUN_METHODS:
            borrowed(self, name, "langchain-core")

    @property
    def InputType(self) -> Any:  # noqa: N802 - LangChain's name
        """A string, or ``{"question": str}``."""
        return str | RagInput

    @property
    def OutputType(self) -> Any:  # noqa: N802 - LangChain's name
        """``{"question", "context", "answer"}``."""
        return RagOutput

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """The keys of ``config["configurable"]`` that the retriever and the chat model read."""
        return get_unique_config_specs([*self.retriever.config_specs, *self.chat.config_specs])

    def get_graph(self, config: RunnableConfig | None = None) -> Graph:
        """The steps as LangChain draws them: this chain does what that sequence of runnables would do."""
        passages: Runnable[Any, Any] = RunnableLambda(itemgetter("question")) | self.retriever
        # LangChain looks into what a lambda refers to; one that knew this chain would be drawn for ever.
        prompt: Runnable[Any, Any] = RunnableLambda(
            lambda parts: rag_messages(parts["question"], parts["context"]), name="prompt"
        )
        answer = prompt | self.chat | StrOutputParser()
        steps = RunnablePassthrough.assign(context=passages) | RunnablePassthrough.assign(answer=answer)
        return steps.get_graph(config)

    def invoke(self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any) -> RagOutput:
        """Answer a question."""
        _refuse(kwargs)
        return self._call_with_config(self._answer, input, config, run_type="chain")

    async def ainvoke(self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any) -> RagOutput:
        """Answer a question."""
        _refuse(kwargs)
        return await self._acall_with_config(self._aanswer, input, config, run_type="chain")

    def stream(self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[RagOutput]:
        """Answer a question in parts."""
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(
        self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[RagOutput]:
        """Answer a question in parts."""
        # Closed here, as below: a stream that is closed ends at once, and not with the garbage collector.
        parts: Any = self.atransform(_one(input), config, **kwargs)
        async with aclosing(parts):
            async for part in parts:
                yield part

    def transform(
        self, input: Iterator[str | RagInput], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[RagOutput]:
        """Answer, in parts, a question that may come in parts."""
        _refuse(kwargs)
        yield from self._transform_stream_with_config(input, self._parts, config, run_type="chain")

    async def atransform(
        self, input: AsyncIterator[str | RagInput], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[RagOutput]:
        """Answer, in parts, a question that may come in parts."""
        _refuse(kwargs)
        parts: Any = self._atransform_stream_with_config(input, self._aparts, config, run_type="chain")
        async with aclosing(parts):
            async for part in parts:
                yield part

    # --- the steps, sync and async: the same, but for the awaits

    def _answer(
        self, given: str | RagInput, run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> RagOutput:
        question = read_question(given)["question"]
        context = self.retriever.invoke(question, config)
        answer = self.no_context_answer
        if context:
            answer = _text_of(self.chat.invoke(self._messages(question, context), config))
        return {"question": question, "context": context, "answer": answer}

    async def _aanswer(
        self, given: str | RagInput, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> RagOutput:
        question = read_question(given)["question"]
        context = await self.retriever.ainvoke(question, config)
        answer = self.no_context_answer
        if context:
            answer = _text_of(await self.chat.ainvoke(self._messages(question, context), config))
        return {"question": question, "context": context, "answer": answer}

    def _parts(
        self, given: Iterator[str | RagInput], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[Any]:
        question = read_question(_joined(list(given)))["question"]
        yield AddableDict(question=question)
        context = self.retriever.invoke(question, config)
        yield AddableDict(context=context)
        if not context:
            yield AddableDict(answer=self.no_context_answer)
            return
        silent = True
        for chunk in self.chat.stream(self._messages(question, context), config):
            if text := _text_of(chunk):
                silent = False
                yield AddableDict(answer=text)
        if silent:
            yield AddableDict(answer="")

    async def _aparts(
        self, given: AsyncIterator[str | RagInput], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> AsyncIterator[Any]:
        question = read_question(_joined([part async for part in given]))["question"]
        yield AddableDict(question=question)
        context = await self.retriever.ainvoke(question, config)
        yield AddableDict(context=context)
        if not context:
            yield AddableDict(answer=self.no_context_answer)
            return
        silent = True
        chunks: Any = self.chat.astream(self._messages(question, context), config)
        # Closed here, so that the model call ends with the request and not with the garbage collector.
        async with aclosing(chunks):
            async for chunk in chunks:
                if text := _text_of(chunk):
                    silent = False
                    yield AddableDict(answer=text)
        if silent:
            yield AddableDict(answer="")

    def _messages(self, question: str, context: list[Document]) -> list[BaseMessage]:
        return rag_messages(question, context, system_prompt=self.system_prompt, user_prompt=self.user_prompt)


def rag_chain(
    retriever: Runnable[str, list[Document]],
    chat: Runnable[LanguageModelInput, BaseMessage],
    *,
    system_prompt: str = SYSTEM_PROMPT,
    user_prompt: str = USER_PROMPT,
    no_context_answer: str = NO_CONTEXT_ANSWER,
) -> Runnable[str | RagInput, RagOutput]:
    """Compose the tutorials' chain.

    A stream gives ``{"question": …}``, then ``{"context": …}``, then ``{"answer": …}`` token by token. When nothing is
    retrieved, the model is not called and the answer says that the documents do not answer.

    Args:
        retriever: Question to documents.
        chat: A chat model, or a runnable around one, such as `swappable_chat_model`.
        system_prompt: Sent as it is.
        user_prompt: With ``{context}`` and ``{question}``.
        no_context_answer: The answer when nothing is retrieved.

    Returns:
        A runnable from ``str`` or ``{"question": str}`` to ``{"question", "context", "answer"}``.

    Raises:
        InputError: The retriever or the model is no runnable, or the user prompt has no place for the passages or the
            question. When the chain is run: the question is empty, or is none.
    """
    for name, part in (("retriever", retriever), ("chat model", chat)):
        if not isinstance(part, Runnable):
            raise InputError(
                f"The chain's {name} is a LangChain runnable, as milvus_retriever and chat_model make them, "
                f"not {type(part).__name__}."
            )
    for place in ("{context}", "{question}"):
        if place not in user_prompt:
            raise InputError(f"The user prompt has no {place}, so the model would never see it.")
    return RagChain(
        retriever=retriever,
        chat=chat,
        system_prompt=system_prompt,
        user_prompt=user_prompt,
        no_context_answer=no_context_answer,
    )


def read_question(given: Any) -> RagInput:
    """Read the question from what a chain is given.

    Raises:
        InputError: There is none.
    """
    question = given.get("question") if isinstance(given, dict) else given
    if not isinstance(question, str):
        what = type(given).__name__
        if isinstance(given, dict):
            what = f"{{'question': {type(question).__name__}}}" if "question" in given else "a dict without one"
        raise InputError(f"The chain takes a question as text, or {{'question': text}}, not {what}.")
    if not question.strip():
        raise InputError("The question is empty.")
    return {"question": question}


def _joined(parts: list[Any]) -> Any:
    """What a step before the chain gave, put together as LangChain does."""
    if not parts:
        return None
    whole = parts[0]
    for part in parts[1:]:
        try:
            whole = whole + part
        except TypeError:
            # Such as plain dicts: each part is all that there is so far.
            whole = part
    return whole


def _refuse(kwargs: Mapping[str, Any]) -> None:
    """Refuse what a retriever or a model would take: it would not reach them."""
    if kwargs:
        raise InputError(
            f"The chain takes no {', '.join(kwargs)}. What a retriever reads goes into the config, e.g. "
            f"config={{'configurable': {{'k': 5}}}}; what a model takes is bound to it, e.g. chat.bind(stop=[…])."
        )


def _text_of(message: Any) -> str:
    return str(message.text) if isinstance(message, BaseMessage) else str(message)


async def _one(given: str | RagInput) -> AsyncIterator[str | RagInput]:
    yield given
