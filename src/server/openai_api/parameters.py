"""Which arguments a chat model is given, of those that a request brings."""

from collections.abc import Mapping
from typing import Any, Final

from ...configured_models import DEFAULT_ANSWER_TOKENS
from ...models.providers.table import Protocol, parse_spec
from ..failures import RefusedRequestError
from ..settings import ServerSettings
from .requests import ChatCall

_SAMPLING: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed")
# What a call of a model takes, by the protocol that it speaks.
_TAKEN: Final[Mapping[Protocol, tuple[str, ...]]] = {
    "openai": (*_SAMPLING, "reasoning_effort", "verbosity"),
    "gemini": (*_SAMPLING, "reasoning_effort"),
    "local": (),
}
# The model that quotes chooses no words: whatever these say, its answer is the same.
_WITHOUT_EFFECT: Final[Mapping[Protocol, tuple[str, ...]]] = {
    "openai": (),
    "gemini": (),
    "local": (*_SAMPLING, "reasoning_effort"),
}
_LIMIT: Final[Mapping[Protocol, str]] = {
    "openai": "max_tokens",
    "gemini": "max_output_tokens",
    "local": "max_tokens",
}
_GEMINI_EFFORTS: Final = ("minimal", "low", "medium", "high")


def model_arguments(call: ChatCall, model: str, settings: ServerSettings) -> dict[str, Any]:
    """The arguments for the chat model.

    Args:
        call: What was asked for.
        model: The chat model's name.
        settings: Of the server, whose limit of tokens a request can only narrow.

    Raises:
        RefusedRequestError: One of them would not reach the model.
    """
    protocol = parse_spec(model).provider.protocol
    arguments: dict[str, Any] = {}
    for name in (*_SAMPLING, "reasoning_effort", "verbosity"):
        value = getattr(call, name)
        if value is None or name in _WITHOUT_EFFECT[protocol]:
            continue
        if name not in _TAKEN[protocol]:
            raise RefusedRequestError(400, f"The model {model} takes no {name}: leave it out.", param=name)
        if name == "reasoning_effort" and protocol == "gemini" and value not in _GEMINI_EFFORTS:
            raise RefusedRequestError(
                400, f"The model {model} takes one of {', '.join(_GEMINI_EFFORTS)} as reasoning_effort.", param=name
            )
        arguments[name] = value
    if call.stop:
        arguments["stop"] = call.stop
    if (limit := call.max_completion_tokens or call.max_tokens) is not None:
        arguments[_LIMIT[protocol]] = min(limit, settings.max_tokens or DEFAULT_ANSWER_TOKENS)
    return arguments
