"""LangChain components that turn a folder of Markdown into answers, on Milvus.

The public names are loaded at first use: importing the package imports neither LangChain nor Milvus.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chains.prompts import SYSTEM_PROMPT, USER_PROMPT
    from .chains.rag import rag_chain
    from .chains.rag_types import RagInput, RagOutput, RagPart
    from .chains.retrieval import milvus_retriever
    from .chains.structured_queries import FilterTranslator
    from .engines.on_ray import sync_on_ray
    from .errors import MilvusRagError
    from .indexing.prune import prune
    from .indexing.report import SyncReport
    from .indexing.sync import async_sync, sync
    from .loaders.markdown import MarkdownLoader
    from .loaders.site import SiteLoader
    from .loaders.splitters import MarkdownSplitter, MarkerSplitter
    from .models.chat import chat_model, swappable_chat_model
    from .models.embeddings import embedding_model
    from .models.local.embeddings import LocalEmbeddings
    from .models.pymilvus_model.dense import PymilvusEmbeddings
    from .models.pymilvus_model.reranker import PymilvusReranker
    from .models.pymilvus_model.sparse import PymilvusSparseEmbeddings
    from .models.quoting.chat import ExtractiveChatModel
    from .models.rerankers import reranker
    from .server import create_app
    from .settings import Settings
    from .stores.copying import CopyReport, copy_collection
    from .stores.milvus import MilvusStore, open_store

    __version__: str

_MODULES = {
    "CopyReport": ".stores.copying",
    "ExtractiveChatModel": ".models.quoting.chat",
    "FilterTranslator": ".chains.structured_queries",
    "LocalEmbeddings": ".models.local.embeddings",
    "MarkdownLoader": ".loaders.markdown",
    "MarkdownSplitter": ".loaders.splitters",
    "MarkerSplitter": ".loaders.splitters",
    "MilvusRagError": ".errors",
    "MilvusStore": ".stores.milvus",
    "PymilvusEmbeddings": ".models.pymilvus_model.dense",
    "PymilvusReranker": ".models.pymilvus_model.reranker",
    "PymilvusSparseEmbeddings": ".models.pymilvus_model.sparse",
    "RagInput": ".chains.rag_types",
    "RagOutput": ".chains.rag_types",
    "RagPart": ".chains.rag_types",
    "SYSTEM_PROMPT": ".chains.prompts",
    "Settings": ".settings",
    "SiteLoader": ".loaders.site",
    "SyncReport": ".indexing.report",
    "USER_PROMPT": ".chains.prompts",
    "async_sync": ".indexing.sync",
    "chat_model": ".models.chat",
    "copy_collection": ".stores.copying",
    "create_app": ".server",
    "embedding_model": ".models.embeddings",
    "milvus_retriever": ".chains.retrieval",
    "open_store": ".stores.milvus",
    "prune": ".indexing.prune",
    "rag_chain": ".chains.rag",
    "reranker": ".models.rerankers",
    "swappable_chat_model": ".models.chat",
    "sync": ".indexing.sync",
    "sync_on_ray": ".engines.on_ray",
}

__all__ = [
    "SYSTEM_PROMPT",
    "USER_PROMPT",
    "CopyReport",
    "ExtractiveChatModel",
    "FilterTranslator",
    "LocalEmbeddings",
    "MarkdownLoader",
    "MarkdownSplitter",
    "MarkerSplitter",
    "MilvusRagError",
    "MilvusStore",
    "PymilvusEmbeddings",
    "PymilvusReranker",
    "PymilvusSparseEmbeddings",
    "RagInput",
    "RagOutput",
    "RagPart",
    "Settings",
    "SiteLoader",
    "SyncReport",
    "async_sync",
    "chat_model",
    "copy_collection",
    "create_app",
    "embedding_model",
    "milvus_retriever",
    "open_store",
    "prune",
    "rag_chain",
    "reranker",
    "swappable_chat_model",
    "sync",
    "sync_on_ray",
]


_SUBMODULES = frozenset({
    "chains", "cli", "doctor", "engines", "errors", "evaluation", "indexing", "loaders", "markdown", "models",
    "pipeline", "server", "settings", "stores",
})  # fmt: skip


def _attribute(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("milvus-rag")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name], __name__), name)
    if name in _SUBMODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES, "__version__"])


if not TYPE_CHECKING:
    # A type checker that saw this would take any name for one of ours.
    __getattr__ = _attribute
