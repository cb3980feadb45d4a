"""Whether a chat model's answer is whole."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration

from .chat_events import THOUGHTS
from .remedies import remedy

# Where a provider says that it did not finish, in OpenAI's words and in Gemini's (FinishReason of its API reference).
_CUT_OFF: Final = frozenset({"length", "max_tokens"})
_WITHHELD: Final = frozenset({
    "content_filter", "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety", "language",
    "other", "malformed_function_call", "unexpected_tool_call", "error",
})  # fmt: skip
_MAX_TOKENS: Final = remedy("max_tokens", "chat")
_SILENT_BLOCKS: Final = frozenset({"text", "thinking", "reasoning"})


class IncompleteAnswerError(ValueError):
    """An answer that is empty, cut off or withheld. The message is the end of a sentence about who answered."""


@dataclass
class AnswerCheck:
    """Looks at an answer, whole or piece by piece, and says at its end whether it is complete.

    Attributes:
        limit_is_wanted: Whether the caller set a limit of tokens: then a text that reaches it is what was asked for.
        chars: Characters of text so far.
        has_content: Whether there was text, a tool call or another kind of content.
        has_begun: Whether there was anything at all that somebody may want to see, thoughts included.
        deadline: When it is to have ended, by `time.monotonic`.
    """

    limit_is_wanted: bool
    chars: int = field(default=0, init=False)
    has_content: bool = field(default=False, init=False)
    has_begun: bool = field(default=False, init=False)
    deadline: float = field(default=math.inf, init=False)
    _finish: str | None = field(default=None, init=False)
    _reason: str | None = field(default=None, init=False)

    def add(self, generation: ChatGeneration, llm_output: Mapping[str, Any] | None = None) -> None:
        """Look at an answer or a piece of one.

        Args:
            generation: The answer or the piece.
            llm_output: What else came with it: there Gemini says why it blocked a prompt.
        """
        message = generation.message
        self.chars += len(message.text)
        self.has_content = self.has_content or bool(message.text.strip()) or _has_other_content(message)
        thinks = bool(message.additional_kwargs.get(THOUGHTS))
        self.has_begun = self.has_begun or self.has_content or thinks or bool(message.content)
        facts = {**(llm_output or {}), **message.response_metadata, **(generation.generation_info or {})}
        self._finish = str(facts["finish_reason"]) if facts.get("finish_reason") else self._finish
        self._reason = _block_reason(facts) or _refusal(message) or self._reason

    @property
    def is_finished(self) -> bool:
        """Whether the provider said that it ends here."""
        return self._finish is not None or self._reason is not None

    def finish(self, *, is_stream: bool) -> None:
        """Judge the answer.

        Args:
            is_stream: Whether it came in pieces, so that its end must have been announced.

        Raises:
            IncompleteAnswerError: It is not complete.
        """
        finish = (self._finish or "").lower()
        if self._reason or finish in _WITHHELD:
            raise IncompleteAnswerError(f"withheld the answer or a part of it ({self._reason or self._finish})")
        if is_stream and not self.is_finished:
            raise IncompleteAnswerError(broken_off(self.chars))
        if not self.has_content and finish in _CUT_OFF:
            raise IncompleteAnswerError(f"used up its limit of tokens before the answer began: raise {_MAX_TOKENS}")
        if not self.has_content:
            raise IncompleteAnswerError("answered nothing")
        if finish in _CUT_OFF and not self.limit_is_wanted:
            raise IncompleteAnswerError(
                f"cut the answer off after {self.chars} characters, at a limit of tokens: raise it with "
                f"{_MAX_TOKENS}; a limit that you set yourself is taken as what you want"
            )


def broken_off(chars: int) -> str:
    """What is said of a stream that ends before its end was announced."""
    where = f"after {chars} characters" if chars else "before its first word (is the base URL right?)"
    return f"broke off the answer {where}"


def _has_other_content(message: BaseMessage) -> bool:
    if isinstance(message, AIMessage) and (message.tool_calls or message.invalid_tool_calls):
        return True
    if getattr(message, "tool_call_chunks", None):
        return True
    if isinstance(message.content, str):
        return False
    return any(isinstance(block, Mapping) and block.get("type") not in _SILENT_BLOCKS for block in message.content)


def _block_reason(facts: Mapping[str, object]) -> str | None:
    feedback = facts.get("prompt_feedback")
    reason = feedback.get("block_reason") if isinstance(feedback, Mapping) else None
    return str(getattr(reason, "value", reason)) if reason else None


def _refusal(message: BaseMessage) -> str | None:
    refusal = message.additional_kwargs.get("refusal")
    return refusal if isinstance(refusal, str) and refusal else None
