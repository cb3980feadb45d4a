"""What the settings that a message advises are called: in Python, and for the command line and the server.

A message is read in both places, so it names both. A test holds each of these names against the functions and settings.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from .table import Purpose

Remedy = Literal["base_url", "api_key", "timeout", "answer_timeout", "max_tokens", "dimension", "model"]

_TIMEOUT: Final = "timeout= (MILVUS_RAG_MODEL_TIMEOUT)"
_NAMES: Final[Mapping[Purpose, Mapping[Remedy, str]]] = MappingProxyType({
    "chat": MappingProxyType[Remedy, str]({
        "base_url": "base_url= (--llm-url)",
        "api_key": "api_key= (MILVUS_RAG_LLM_KEY)",
        "timeout": _TIMEOUT,
        "answer_timeout": "answer_timeout= (MILVUS_RAG_ANSWER_TIMEOUT)",
        "max_tokens": "max_tokens= (--max-tokens)",
        "model": "--llm",
    }),
    "embedding": MappingProxyType[Remedy, str]({
        "base_url": "base_url= (--embeddings-url)",
        "api_key": "api_key= (MILVUS_RAG_EMBEDDINGS_KEY)",
        "timeout": _TIMEOUT,
        "dimension": "dimension= (--dimension)",
        "model": "--embeddings",
    }),
    "rerank": MappingProxyType[Remedy, str]({
        "base_url": "base_url=",
        "api_key": "api_key=",
        "timeout": _TIMEOUT,
        "model": "--rerank",
    }),
})  # fmt: skip


def remedy(what: Remedy, purpose: Purpose) -> str:
    """What a setting of a model for this purpose is called."""
    return _NAMES[purpose][what]


def all_remedies() -> Mapping[Purpose, Mapping[Remedy, str]]:
    """All names, for the test."""
    return _NAMES
