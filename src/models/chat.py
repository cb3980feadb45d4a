"""Chat models by name: ``chat_model("gemini")``, and several of them behind one switch."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import ConfigurableField
from pydantic import SecretStr

from ..errors import InputError
from ..extras import require
from .providers.calls import (
    DEFAULT_ANSWER_TIMEOUT,
    DEFAULT_BACKOFF,
    DEFAULT_MAX_RETRIES,
    DEFAULT_TIMEOUT,
    Calls,
    RetryPolicy,
)
from .providers.endpoints import resolve_endpoint, warn_if_retired
from .providers.table import Spec, parse_spec
from .swapping import LazyChatModel, SwappableChatModel
from .travelling import maker_of

if TYPE_CHECKING:
    from .providers.checked_chat import CheckedChatModel

# Set in a call's config: {"configurable": {"llm": "fireworks"}}.
SWITCH = "llm"
_MODULES = {"gemini": ".providers.gemini", "openai": ".providers.openai_compatible"}


class _ChatMaker(Protocol):
    def __call__(
        self, calls: Calls, *, timeout: float, answer_timeout: float, accept_cut_off: bool, options: Mapping[str, Any]
    ) -> "CheckedChatModel": ...


def chat_model(
    spec: str | BaseChatModel,
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    answer_timeout: float = DEFAULT_ANSWER_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    backoff: float = DEFAULT_BACKOFF,
    retry_seconds: float | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    accept_cut_off: bool = True,
    seed: int | None = None,
    extra_body: Mapping[str, Any] | None = None,
    **options: Any,
) -> BaseChatModel:
    """Make a chat model from a spec.

    Args:
        spec: ``provider`` (gemini, fireworks, lepton, openai, local) or ``provider:model``; a chat model of LangChain's
            comes back as it is, and the other arguments do not apply to it.
        api_key: The provider's key, instead of its environment variable.
        base_url: The server's address, instead of the provider's own or its environment variable.
        timeout: Seconds that the server may be silent.
        answer_timeout: Seconds that a whole answer may take, however alive the server is.
        max_retries: Further calls after 429, 5xx or a failed connection; ``Retry-After`` is honoured.
        backoff: Seconds before the first retry where the provider does not say; doubles each time.
        retry_seconds: Seconds after the first call in which another one may begin; by default any number.
        temperature: How freely the model chooses its words, by default its own.
        max_tokens: Most tokens of an answer, thoughts included; by default no limit but the server's.
        accept_cut_off: Whether an answer that reaches ``max_tokens`` is as wanted. If not, it is an error, as it is
            without ``max_tokens``; and a server that refuses the limit itself is asked without.
        seed: Makes the model's choices repeatable, where it can.
        extra_body: Further fields of each request, for servers that speak OpenAI's protocol.
        **options: Arguments of LangChain's class for the model: ``top_p=0.9``, ``stop_sequences=[...]``, …

    Returns:
        A chat model that streams, binds tools and works in any number of event loops. Its calls raise the errors of
        `milvus_rag.errors`; an empty or cut off answer is one of them, unless it was ``max_tokens`` that cut it off.
        What a model thinks beside its answer is in ``additional_kwargs["reasoning_content"]``.

    Raises:
        UnknownProviderError: There is no such provider.
        MissingKeyError: The provider needs a key.
        MissingExtraError: The provider's package is not installed.
        ProviderUnavailableError: The provider needs a ``base_url``.
        InputError: An argument cannot be used.
    """
    given = dict(locals())
    if not isinstance(spec, str):
        return spec
    parsed = parse_spec(spec)
    asked = {"temperature": temperature, "max_tokens": max_tokens, "seed": seed, "extra_body": extra_body}
    options |= {name: value for name, value in asked.items() if value is not None}
    if is_extractive(spec):
        refused = {name for name, value in (("api_key", api_key), ("base_url", base_url)) if value is not None}
        return _local(parsed, options, refused | (options.keys() & asked.keys()))
    endpoint = resolve_endpoint(parsed, "chat", api_key=api_key, base_url=base_url)
    policy = RetryPolicy.checked(max_retries=max_retries, backoff=backoff, timeout=timeout, within=retry_seconds)
    row = parsed.provider
    require(row.chat_package or "", row.extras[0], f"The provider {row.name}")
    warn_if_retired(endpoint, stacklevel=2)
    make = cast("_ChatMaker", import_module(_MODULES[row.protocol], __package__).make_chat)
    if answer_timeout <= 0:
        raise InputError(f"answer_timeout must be more than 0 seconds, not {answer_timeout}.")
    if max_tokens is not None and max_tokens < 1:
        raise InputError(f"max_tokens must be at least 1, not {max_tokens}.")
    calls = Calls(endpoint, policy)
    made = make(calls, timeout=timeout, answer_timeout=answer_timeout, accept_cut_off=accept_cut_off, options=options)
    return made.made_by(maker_of(chat_model, given))


def is_extractive(spec: str) -> bool:
    """Whether `chat_model` makes of a spec the model that quotes, which has to know the language of the passages.

    Raises:
        UnknownProviderError: There is no such provider.
    """
    return parse_spec(spec).provider.protocol == "local"


def swappable_chat_model(
    *specs: str | BaseChatModel,
    default: str | None = None,
    make: Callable[..., BaseChatModel] | None = None,
    **options: Any,
) -> BaseChatModel:
    """Put several chat models behind one switch, which each call can set.

    Each model is made when it is first used, so that one provider's missing key does not stop the others. In a chain:
    ``chain.invoke(question, {"configurable": {"llm": "fireworks"}})``.

    Args:
        *specs: What `chat_model` takes; its name for the switch is the spec itself, or an object's ``name`` or class.
        default: The name that is used where a call does not say, by default the first.
        make: Makes a model of a spec, in place of `chat_model`.
        **options: See `chat_model`, ``timeout`` and ``max_retries`` too; they apply to every spec.

    Returns:
        A chat model that is the chosen one at each call, also where tools are bound or answers have a schema. A
        playground of LangServe's shows the choice, whose id is ``llm``, as a menu.

    Raises:
        InputError: No spec, a name that is given twice, an unknown default, or a key for all providers at once.
        UnknownProviderError: There is no such provider.
    """
    if refused := options.keys() & {"api_key", "base_url"}:
        raise InputError(
            f"{' and '.join(sorted(refused))} would go to every provider. Set the providers' environment variables, "
            f"or pass objects: swappable_chat_model(chat_model('gemini', api_key=...), ...)."
        )
    models: dict[str, LazyChatModel] = {}
    for spec in specs:
        name = parse_spec(spec).name if isinstance(spec, str) else spec.get_name()
        if name in models:
            raise InputError(f"The chat model {name!r} is given twice.")
        models[name] = LazyChatModel(partial(make or chat_model, spec, **options))
    if not models:
        raise InputError("swappable_chat_model needs at least one spec, such as 'gemini'.")
    chosen = next(iter(models)) if default is None else default
    if chosen not in models:
        raise InputError(f"The default chat model {chosen!r} is none of {', '.join(models)}.")
    which = ConfigurableField(id=SWITCH, name="Chat model", description="The chat model that answers.")
    return SwappableChatModel(models=models, default=chosen, which=which)


def _local(spec: Spec, options: Mapping[str, Any], refused: Collection[str]) -> BaseChatModel:
    if spec.model not in (None, spec.provider.chat_model):
        raise InputError(
            f"There is no local chat model {spec.model!r}: 'local' quotes the passages, without a language model. For "
            f"a model on a server of yours, use 'openai:{spec.model}' with base_url=."
        )
    if refused:
        raise InputError(
            f"The chat model 'local' quotes the passages on this machine, so {' and '.join(sorted(refused))} cannot be "
            f"given. Name another model, or leave it out."
        )
    from .quoting.chat import ExtractiveChatModel

    return ExtractiveChatModel(**options)
