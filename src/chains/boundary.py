"""What a call may ask of a retriever: to narrow its filter, and for so many passages."""

from collections.abc import Collection, Mapping
from typing import Any

from langchain_core.runnables import ConfigurableField, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.utils import ConfigurableFieldSpec

from ..errors import InputError
from .neighbours import Filter

# More passages than anybody reads, or a model is given; a call that wants more is mostly one that wants all.
MAX_K = 100

_FIELDS = {
    "filter": ConfigurableField(id="filter", description="Narrows the search: a dict or a Milvus expression."),
    "k": ConfigurableField(id="k", description="Number of passages."),
}
_TYPES: Mapping[str, Any] = {"filter": dict[str, Any] | str | None, "k": int | None}


def per_call_fields(names: Collection[str]) -> dict[str, ConfigurableField]:
    """The fields that ``config["configurable"]`` may bring, by name.

    Raises:
        InputError: Another name.
    """
    if isinstance(names, str) or not set(names) <= _FIELDS.keys():
        raise InputError(f"configurable is a list of {' and '.join(map(repr, _FIELDS))}, not {names!r}.")
    return {name: _FIELDS[name] for name in _FIELDS if name in names}


def per_call_specs(fields: Mapping[str, ConfigurableField]) -> list[ConfigurableFieldSpec]:
    """The same as LangChain declares them."""
    return [
        ConfigurableFieldSpec(
            id=field.id,
            name=field.name,
            description=field.description or _FIELDS[name].description,
            annotation=field.annotation or _TYPES[name],
            is_shared=field.is_shared,
        )
        for name, field in fields.items()
    ]


def configured(
    config: RunnableConfig | None, fields: Mapping[str, ConfigurableField], foreign: Collection[str] = ()
) -> dict[str, Any]:
    """What ``config["configurable"]`` brings, also that of the run around this call.

    Args:
        config: The call's.
        fields: What may be brought, by name.
        foreign: Keys that somebody else reads.

    Raises:
        InputError: A filter or a k that is not read: a filter that got lost would show too much.
    """
    given = {
        key: value for key, value in (ensure_config(config).get("configurable") or {}).items() if value is not None
    }
    read = {field.id for field in fields.values()}
    if lost := sorted(given.keys() & _FIELDS.keys() - read - set(foreign)):
        raise InputError(
            f"This retriever reads no {' and no '.join(f'configurable.{key}' for key in lost)}, so that nobody outside "
            f"chooses what is searched. To open it: milvus_retriever(..., configurable={lost!r})."
        )
    return {name: given[field.id] for name, field in fields.items() if field.id in given}


def narrowed(own: Filter, asked: Filter) -> Filter:
    """Both filters together: a call cannot leave what the retriever is bounded by."""
    if not own or not asked:
        return own or asked
    return {"$and": [own, asked]}


def checked_k(asked: Any, most: int) -> int:
    """The number of passages that a call asks for.

    Raises:
        InputError: It is none, or too large.
    """
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 1:
        raise InputError(f"k is the number of passages, at least 1, not {asked!r}.")
    if asked > most:
        raise InputError(f"A call may ask for {most} passages, not for {asked}. milvus_retriever(max_k=) allows more.")
    return asked
