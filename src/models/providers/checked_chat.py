"""A chat model of LangChain's with our errors, our retries and complete answers."""

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from time import monotonic
from typing import Any, Self, SupportsIndex, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from ...errors import MilvusRagError, ModelTimeoutError
from .answers import AnswerCheck, IncompleteAnswerError
from .calls import Calls
from .connections import Connections
from .failures import response_error, subject, too_slow


class CheckedChatModel(BaseChatModel):
    """Put in front of a vendor's LangChain class: the same model, whose failures are ours.

    A call that fails is repeated as `.calls.RetryPolicy` says; a stream only as long as nothing of
    the answer was handed on. An answer that is empty, withheld or cut off is an error, and so is a stream that ends
    before the provider says so. An answer that reaches a limit of tokens which the caller set is not.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    calls: Calls = Field(exclude=True, repr=False)
    """Endpoint, errors and retries."""

    connections: Connections = Field(exclude=True, repr=False)
    """The HTTP clients, shared with copies of this model."""

    accept_cut_off: bool = Field(default=True, exclude=True, repr=False)
    """Whether an answer that reaches a limit of tokens which was set with the model is as wanted."""

    answer_timeout: float | None = Field(default=None, exclude=True, repr=False)
    """Seconds that a whole streamed answer may take; None where the vendor's class is told itself."""

    _make: Callable[[], "CheckedChatModel"] | None = PrivateAttr(default=None)
    _as_made: dict[str, Any] = PrivateAttr(default_factory=dict)

    def made_by(self, make: "Callable[[], CheckedChatModel]") -> Self:
        """Say how to make it once more, where a pickle of it arrives."""
        self._make, self._as_made = make, dict(self.__dict__)
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        """It travels as how it was made, and the fields that were changed since."""
        if self._make is None:
            return super().__reduce_ex__(protocol)
        made = self._as_made
        changed = {name: self.__dict__[name] for name in made if self.__dict__.get(name) is not made[name]}
        return _made_again, (self._make, changed)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A copy over the same connections."""
        copied = self.model_copy()
        for name, value in copied.__dict__.items():
            if isinstance(value, dict | list | set):
                # Not what is in it, which may be no data: Gemini's has the settings of TLS.
                copied.__dict__[name] = copy.copy(value)
        return copied

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It holds connections, so it cannot be loaded from a description."""
        return False

    def _has_token_limit(self, kwargs: Mapping[str, Any]) -> bool:
        """Whether the caller set a limit of tokens."""
        raise NotImplementedError

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        generate = super()._generate  # type: ignore[safe-super] # the vendor's class comes next in the resolution order
        return self._whole(self.calls.run(lambda: generate(messages, stop, run_manager, **kwargs)), kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        generate = super()._agenerate
        return self._whole(await self.calls.arun(lambda: generate(messages, stop, run_manager, **kwargs)), kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        open_stream = super()._stream

        def start() -> tuple[list[ChatGenerationChunk], Generator[ChatGenerationChunk], AnswerCheck]:
            check = self._new_check(kwargs)
            stream = cast("Generator[ChatGenerationChunk]", open_stream(messages, stop, run_manager, **kwargs))
            held = []
            for chunk in stream:
                self._look_at(chunk, check)
                held.append(chunk)
                if check.has_begun:
                    break
            return held, stream, check

        held, rest, check = self.calls.run(start)
        yield from held
        try:
            with closing(rest):
                for chunk in rest:
                    self._look_at(chunk, check)
                    yield chunk
        except Exception as exc:
            error, cause = self._broken(exc, check)
            if error is None:
                raise
        else:
            self._judge(check, is_stream=True)
            return
        raise error from cause

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        open_stream = super()._astream

        async def start() -> tuple[list[ChatGenerationChunk], AsyncGenerator[ChatGenerationChunk], AnswerCheck]:
            check = self._new_check(kwargs)
            stream = cast("AsyncGenerator[ChatGenerationChunk]", open_stream(messages, stop, run_manager, **kwargs))
            held = []
            async for chunk in stream:
                self._look_at(chunk, check)
                held.append(chunk)
                if check.has_begun:
                    break
            return held, stream, check

        held, rest, check = await self.calls.arun(start)
        for chunk in held:
            yield chunk
        try:
            async with aclosing(rest):
                async for chunk in rest:
                    self._look_at(chunk, check)
                    yield chunk
        except Exception as exc:
            error, cause = self._broken(exc, check)
            if error is None:
                raise
        else:
            self._judge(check, is_stream=True)
            return
        raise error from cause

    def _new_check(self, kwargs: Mapping[str, Any]) -> AnswerCheck:
        check = AnswerCheck(limit_is_wanted=self._has_token_limit(kwargs))
        if self.answer_timeout is not None:
            check.deadline = monotonic() + self.answer_timeout
        return check

    def _look_at(self, chunk: ChatGenerationChunk, check: AnswerCheck) -> None:
        """Look at a piece of a stream.

        Raises:
            ModelTimeoutError: The whole answer takes too long.
        """
        check.add(chunk)
        if self.answer_timeout is not None and monotonic() > check.deadline:
            raise too_slow(self.calls.endpoint, self.answer_timeout)

    def _whole(self, result: ChatResult, kwargs: Mapping[str, Any]) -> ChatResult:
        for generation in result.generations:
            check = AnswerCheck(limit_is_wanted=self._has_token_limit(kwargs))
            check.add(generation, result.llm_output)
            self._judge(check, is_stream=False)
        return result

    def _judge(self, check: AnswerCheck, *, is_stream: bool) -> None:
        try:
            check.finish(is_stream=is_stream)
        except IncompleteAnswerError as exc:
            raise response_error(self.calls.endpoint, str(exc)) from None

    def _broken(self, exc: Exception, check: AnswerCheck) -> tuple[MilvusRagError | None, Exception | None]:
        """What to raise for a stream that breaks after a part of the answer was handed on."""
        error, cause = self.calls.translated(exc)
        if error is None or isinstance(error, ModelTimeoutError):
            return error, cause
        why = str(error).removeprefix(f"{subject(self.calls.endpoint)} ")
        what = f"broke off the answer after {check.chars} characters: {why}"
        return response_error(self.calls.endpoint, what), cause


def _made_again(make: Callable[[], CheckedChatModel], changed: Mapping[str, Any]) -> CheckedChatModel:
    made = make().made_by(make)
    return made.model_copy(update=dict(changed)) if changed else made
