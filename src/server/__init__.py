"""The LangServe deployment: `create_app`, and a page to ask on. Needs the extra ``server``."""

from typing import TYPE_CHECKING

from ..extras import require

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..settings import Settings

__all__ = ["create_app"]


def create_app(settings: "Settings | None" = None) -> "FastAPI":
    """Make the server: LangServe's routes under ``/rag`` and ``/answer``, a chat page at ``/``.

    Nothing is opened before the application starts. ``milvus-rag serve`` runs it; so does
    ``uvicorn --factory milvus_rag.server:create_app``.

    Args:
        settings: What it answers with, from where, and its limits: `milvus_rag.server.settings.ServerSettings`, or the
            library's `Settings`, whose missing part comes from the environment. By default all comes from there.

    Raises:
        MissingExtraError: FastAPI or LangServe is not installed.
        SettingsError: A setting has a value that cannot be used.
        UnknownProviderError: A chat model's provider is unknown.
    """
    for module in ("fastapi", "prometheus_client", "sse_starlette", "langserve"):
        require(module, "server", "The server")
    from ..settings import load_settings
    from .app import build_app
    from .settings import ServerSettings

    return build_app(settings if settings is not None else load_settings(ServerSettings))
