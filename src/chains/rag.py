"""The chain: a question, its passages, an answer."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from operator import itemgetter
from typing import Any, Literal

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
from langchain_core.runnables.config import merge_configs
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import ConfigurableFieldSpec, get_unique_config_specs
from langchain_core.tools import BaseTool
from pydantic import ConfigDict

from ..attempts import one_attempt
from ..errors import InputError
from ..extras import borrowed
from ..text_analysis import check_language
from .answers import StreamedAnswer, read_answer, whole_answer
from .conversation import HISTORY_CHARS, HISTORY_TURNS
from .prompts import (
    CITING_SYSTEM_PROMPT,
    CITING_USER_PROMPT,
    SYSTEM_PROMPT,
    USER_PROMPT,
    rag_messages,
)
from .rag_types import RagInput, RagOutput, RagPart
from .tools import answering_tool
from .turn import NO_CONTEXT_ANSWER, Turn, TurnOptions

__all__ = ["NO_CONTEXT_ANSWER", "REWRITING_TAG", "RagChain", "RagInput", "RagOutput", "RagPart", "rag_chain"]

# What LangChain gives subclasses of `Runnable` to run with callbacks and tracing; see docs/borrowed-names.md.
_RUN_METHODS = (
    "_call_with_config",
    "_acall_with_config",
    "_transform_stream_with_config",
    "_atransform_stream_with_config",
)

# The run in which a model writes the question to search for.
REWRITING_TAG = "standalone_question"


class RagChain(RunnableSerializable[str | RagInput, RagOutput]):
    """Retriever, prompt and chat model in a row. It is made by `rag_chain`, which documents the fields.

    A stream gives ``{"question": …}``, ``{"search_question": …}`` where there is a history, ``{"context": …}``,
    ``{"answer": …}`` token by token, and ``{"citations": …}`` where they are asked for; its parts add up to the output.
    The same steps as a sequence of LangChain's runnables with ``RunnablePassthrough.assign`` would take
    4 ms of CPU a call, and a stream of that would go on calling the model after it is cancelled.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    name: str | None = "rag"
    retriever: Runnable[str, list[Document]]
    chat: Runnable[LanguageModelInput, BaseMessage]
    options: TurnOptions = TurnOptions()
    language: str | Callable[[], str] = "english"

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

    def as_tool(
        self, args_schema: Any = None, *, name: str | None = None, description: str | None = None, **kwargs: Any
    ) -> BaseTool:
        """A tool for agents: the answer is what the model reads, the chain's output is the artifact."""
        if args_schema is not None or kwargs:
            return super().as_tool(args_schema, name=name, description=description, **kwargs)
        return answering_tool(self, name=name, description=description)

    def invoke(self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any) -> RagOutput:
        """Answer a question."""
        _refuse(kwargs)
        return self._call_with_config(self._answer, input, config, run_type="chain")

    async def ainvoke(self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any) -> RagOutput:
        """Answer a question."""
        _refuse(kwargs)
        return await self._acall_with_config(self._aanswer, input, config, run_type="chain")

    def stream(  # type: ignore[override]  # LangChain says that the parts of an output have its type
        self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[RagPart]:
        """Answer a question in parts."""
        yield from self.transform(iter([input]), config, **kwargs)

    async def astream(  # type: ignore[override]  # see `stream`
        self, input: str | RagInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[RagPart]:
        """Answer a question in parts."""
        # Closed here, as below: a stream that is closed ends at once, and not with the garbage collector.
        parts: Any = self.atransform(_one(input), config, **kwargs)
        async with aclosing(parts):
            async for part in parts:
                yield part

    def transform(  # type: ignore[override]  # see `stream`
        self, input: Iterator[str | RagInput], config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[RagPart]:
        """Answer, in parts, a question that may come in parts."""
        _refuse(kwargs)
        parts: Any = self._transform_stream_with_config(input, self._parts, config, run_type="chain")
        yield from parts

    async def atransform(  # type: ignore[override]  # see `stream`
        self, input: AsyncIterator[str | RagInput], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[RagPart]:
        """Answer, in parts, a question that may come in parts."""
        _refuse(kwargs)
        parts: Any = self._atransform_stream_with_config(input, self._aparts, config, run_type="chain")
        async with aclosing(parts):
            async for part in parts:
                yield part

    # --- the steps, sync and async: the same, but for the awaits

    def _answer(self, given: Any, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Any:
        turn = self._turn(given)
        context = self.retriever.invoke(self._search_question(turn, config), config)
        answer: Any = turn.no_answer(context)
        if turn.is_answered_by(context):
            answer = whole_answer(turn, self.chat.invoke(turn.messages(context), config))
        return {"question": turn.question, **turn.searched, "context": context, "answer": answer, **turn.cited}

    async def _aanswer(self, given: Any, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Any:
        turn = self._turn(given)
        context = await self.retriever.ainvoke(await self._asearch_question(turn, config), config)
        answer: Any = turn.no_answer(context)
        if turn.is_answered_by(context):
            answer = whole_answer(turn, await self.chat.ainvoke(turn.messages(context), config))
        return {"question": turn.question, **turn.searched, "context": context, "answer": answer, **turn.cited}

    def _parts(
        self, given: Iterator[Any], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[Any]:
        turn = self._turn(_joined(list(given)))
        yield AddableDict(question=turn.question)
        question = self._search_question(turn, config)
        if turn.searched:
            yield AddableDict(turn.searched)
        context = self.retriever.invoke(question, config)
        yield AddableDict(context=context)
        is_answered = turn.is_answered_by(context)
        answered = StreamedAnswer(turn, "" if is_answered else turn.no_answer(context))
        if is_answered:
            for chunk in self.chat.stream(turn.messages(context), config):
                yield from answered.more(chunk)
        yield from answered.end()

    async def _aparts(
        self, given: AsyncIterator[Any], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> AsyncIterator[Any]:
        turn = self._turn(_joined([part async for part in given]))
        yield AddableDict(question=turn.question)
        question = await self._asearch_question(turn, config)
        if turn.searched:
            yield AddableDict(turn.searched)
        context = await self.retriever.ainvoke(question, config)
        yield AddableDict(context=context)
        is_answered = turn.is_answered_by(context)
        answered = StreamedAnswer(turn, "" if is_answered else turn.no_answer(context))
        if is_answered:
            chunks: Any = self.chat.astream(turn.messages(context), config)
            # Closed here, so that the model call ends with the request and not with the garbage collector.
            async with aclosing(chunks):
                async for chunk in chunks:
                    for part in answered.more(chunk):
                        yield part
        for part in answered.end():
            yield part

    def _search_question(self, turn: Turn, config: RunnableConfig) -> str:
        written: str | Exception | None = None
        if turn.calls_for_rewriting:
            try:
                with one_attempt():
                    written = read_answer(self.chat.invoke(turn.rewriting_messages(), _rewriting(config)))
            except Exception as exc:  # noqa: BLE001 - the answer does not need it, whatever it is
                written = exc
        return turn.search_for(written)

    async def _asearch_question(self, turn: Turn, config: RunnableConfig) -> str:
        written: str | Exception | None = None
        if turn.calls_for_rewriting:
            try:
                with one_attempt():
                    written = read_answer(await self.chat.ainvoke(turn.rewriting_messages(), _rewriting(config)))
            except Exception as exc:  # noqa: BLE001 - the answer does not need it, whatever it is
                written = exc
        return turn.search_for(written)

    def _turn(self, given: Any) -> Turn:
        return Turn(given, self.options, self.language if isinstance(self.language, str) else self.language())


def rag_chain(
    retriever: Runnable[str, list[Document]],
    chat: Runnable[LanguageModelInput, BaseMessage],
    *,
    system_prompt: str | None = None,
    user_prompt: str | None = None,
    no_context_answer: str = NO_CONTEXT_ANSWER,
    citations: bool = False,
    follow_ups: Literal["model", "words"] = "model",
    history_turns: int = HISTORY_TURNS,
    history_chars: int = HISTORY_CHARS,
    language: str | Callable[[], str] = "english",
) -> RagChain:
    """Compose the tutorials' chain, with a conversation's history and citations where they are wanted.

    A stream gives ``{"question": …}``, then ``{"context": …}``, then ``{"answer": …}`` token by token. When nothing is
    retrieved, or a retriever with ``min_score="auto"`` finds that the documents do not answer and marks its passages as
    the nearest only, the model is not called and the answer says so.

    With a ``chat_history`` in the input, the question that is searched for is made one that can be understood alone,
    and the history is sent to the model between the system prompt and the question. Without one, nothing changes.

    Args:
        retriever: Question to documents.
        chat: A chat model, or a runnable around one, such as `swappable_chat_model`.
        system_prompt: Sent as it is; by default the tutorials', or one that asks for citations.
        user_prompt: With ``{context}`` and ``{question}``; the same.
        no_context_answer: The answer when nothing is retrieved, or what is is marked ``only_nearest``. The default adds
            that the question is in another language than the passages, where that is why.
        citations: Whether the passages are numbered in the context, the model is asked to cite ``[n]``, and what it
            cites is checked as it streams: numbers that no passage has are left out, and the output has ``citations``.
        follow_ups: How the question to search for is made where there is a history: ``"model"`` asks the chat model in
            one short request, with no retry; where that fails, and with ``"words"``, it is the question with the words
            that it leaves out of the questions before.
        history_turns: So many questions before the last one are read, with their answers; the oldest go first.
        history_chars: So many characters of them.
        language: Whose stop words, pronouns and stems are used to compare words: a Snowball language, or what gives it.

    Returns:
        A runnable from ``str`` or ``{"question": str, "chat_history": [...]}`` to `RagOutput`: ``{"question",
        "context", "answer"}``, with ``"search_question"`` behind the question where there is a history, and
        ``"citations"`` at the end where they are wanted.

    Raises:
        InputError: The retriever or the model is no runnable, or the user prompt has no place for the passages or the
            question, or a limit is negative. When the chain is run: the question is empty, or is none, or the input has
            a key that the chain does not read.
    """
    for name, part in (("retriever", retriever), ("chat model", chat)):
        if not isinstance(part, Runnable):
            raise InputError(
                f"The chain's {name} is a LangChain runnable, as milvus_retriever and chat_model make them, "
                f"not {type(part).__name__}."
            )
    if user_prompt is None:
        user_prompt = CITING_USER_PROMPT if citations else USER_PROMPT
    for place in ("{context}", "{question}"):
        if place not in user_prompt:
            raise InputError(f"The user prompt has no {place}, so the model would never see it.")
    for limit, value in (("history_turns", history_turns), ("history_chars", history_chars)):
        if value < 0:
            raise InputError(f"{limit} is 0 or more, not {value}.")
    if follow_ups not in ("model", "words"):
        raise InputError(f"follow_ups is 'model' or 'words', not {follow_ups!r}.")
    if isinstance(language, str):
        check_language(language)
    options = TurnOptions(
        system_prompt=(CITING_SYSTEM_PROMPT if citations else SYSTEM_PROMPT)
        if system_prompt is None
        else system_prompt,
        user_prompt=user_prompt,
        no_context_answer=no_context_answer,
        citations=citations,
        follow_ups=follow_ups,
        history_turns=history_turns,
        history_chars=history_chars,
    )
    return RagChain(retriever=retriever, chat=chat, options=options, language=language)


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


def _rewriting(config: RunnableConfig) -> RunnableConfig:
    """The config of the request for the question to search for, which watchers can tell from the answer by its tag."""
    own: RunnableConfig = {"tags": [REWRITING_TAG], "run_name": REWRITING_TAG}
    return merge_configs(config, own)


async def _one(given: str | RagInput) -> AsyncIterator[str | RagInput]:
    yield given
