"""What is wrong with an installation, and what to do about it."""

import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from .errors import MilvusRagError, StoreError
from .extras import DISTRIBUTION, install_line
from .setting_fields import PREFIX
from .settings import Settings

State = Literal["ok", "note", "broken"]

# Named in the line on versions, since bug reports need them.
_MAIN_PACKAGES = ("langchain-core", "langchain-milvus", "pymilvus", "milvus-lite")
# Shorter keys can be guessed by trying.
_SOUND_KEY_CHARS = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a diagnosis.

    Attributes:
        subject: What was looked at.
        state: ``"ok"``, ``"note"`` (works, but is worth knowing) or ``"broken"``.
        message: What was found.
        remedy: What to do; empty where nothing is to be done, or where the message says it.
    """

    subject: str
    state: State
    message: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def diagnose(settings: Settings) -> list[Finding]:
    """Look at versions, database, collection, models and keys. Nothing is written, no model is called.

    Args:
        settings: What would be used.

    Returns:
        What was found, in the order in which it is best mended.
    """
    return [*_versions(), *_database(settings), *_chat_model(settings), *_reranker(settings), *_server()]


def _versions() -> list[Finding]:
    from importlib.metadata import PackageNotFoundError, distribution, version

    from packaging.requirements import Requirement

    wrong = []
    for line in distribution(DISTRIBUTION).requires or ():
        requirement = Requirement(line)
        is_optional = requirement.marker is not None and "extra" in str(requirement.marker)
        if requirement.marker is not None and not is_optional and not requirement.marker.evaluate():
            continue
        needed = f"{requirement.name}{requirement.specifier}"
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            found = ""
        if found and not requirement.specifier.contains(found, prereleases=True):
            message = f"{requirement.name} {found} is installed, {needed} is needed"
            wrong.append(Finding("versions", "broken", message, f"pip install '{needed}'"))
        if not found and not is_optional:
            wrong.append(Finding("versions", "broken", f"{needed} is not installed", f"pip install '{needed}'"))
    python = ".".join(map(str, sys.version_info[:3]))
    names = [f"{name} {version(name)}" for name in (DISTRIBUTION, *_MAIN_PACKAGES)]
    return wrong or [Finding("versions", "ok", ", ".join([*names, f"Python {python}"]))]


def _database(settings: Settings) -> list[Finding]:
    if "://" not in settings.uri and settings.uri.endswith(".db") and not Path(settings.uri).exists():
        missing = Finding("database", "note", f"{settings.uri} is not there yet", "milvus-rag index PATH makes it")
        return [missing, *_new_embedding(settings)]
    from .stores.milvus import open_store

    try:
        # Without an embedding: a database that cannot be opened is another trouble than a model that cannot be made.
        with open_store(
            settings.uri,
            collection=settings.collection,
            token=settings.token.get_secret_value() if settings.token else None,
            db_name=settings.db_name,
            full_text=False,
            timeout=settings.timeout,
        ) as store:
            server = f"{store.server.version} at {store.server.uri}"
            full_text, exists = store.server.full_text, store.exists
    except MilvusRagError as exc:
        return [Finding("database", "broken", str(exc))]
    if full_text:
        database = Finding("database", "ok", f"{server}, full-text search: yes")
    else:
        database = Finding("database", "note", f"{server}, full-text search: no", "Milvus 2.5 and newer have it")
    if exists:
        return [database, *_collection(settings)]
    collection = Finding(
        "collection", "note", f"{settings.collection!r} is not there yet", "milvus-rag index PATH makes it"
    )
    return [database, collection, *_new_embedding(settings)]


def _collection(settings: Settings) -> list[Finding]:
    """The collection with its embedding: that of the settings, or the one that it remembers."""
    from .configured_store import build_store
    from .stores.size_advice import size_advice

    try:
        with build_store(settings) as store:
            legs = [name for name, has in (("dense", store.has_dense), ("full-text", store.has_full_text)) if has]
            found = f"{settings.collection!r}: {store.count():,} chunks, {' and '.join(legs)} search"
            advice = size_advice(store)
            size = [Finding("size", "note", advice)] if advice else []
            return [Finding("collection", "ok", found), *size, *_embedding(store.embedding)]
    except StoreError as exc:
        return [Finding("collection", "broken", str(exc))]
    except MilvusRagError as exc:
        return [Finding("embeddings", "broken", str(exc))]


def _new_embedding(settings: Settings) -> list[Finding]:
    """The embedding that a new collection would be built with."""
    from .configured_store import build_embedding

    if settings.embeddings is None:
        return _embedding(None)
    try:
        return _embedding(build_embedding(settings))
    except MilvusRagError as exc:
        return [Finding("embeddings", "broken", str(exc))]


def _embedding(embedding: Any) -> list[Finding]:
    if embedding is None:
        return [Finding("embeddings", "ok", "none: full-text search needs no model")]
    from .stores.fingerprint import describe, fingerprint_of

    name = describe(fingerprint_of(embedding))
    if fingerprint_of(embedding).get("provider") != "local":
        return [_uncalled("embeddings", name, getattr(embedding, "endpoint", None))]
    return [_model_file("embeddings", name, embedding.model)]


def _chat_model(settings: Settings) -> list[Finding]:
    from .models.providers.table import parse_spec
    from .pipeline import build_chat_model

    try:
        row = parse_spec(settings.chat_spec).provider
        model: Any = build_chat_model(settings)
    except MilvusRagError as exc:
        return [Finding("chat model", "broken", str(exc))]
    if row.protocol == "local":
        return [Finding("chat model", "ok", "local: quotes the passages, needs neither key nor network")]
    return [_uncalled("chat model", settings.chat_spec, model.calls.endpoint)]


def _uncalled(subject: str, name: str, endpoint: Any) -> Finding:
    """A model behind an address, which is looked at, and not called."""
    likely = endpoint.likely_url if endpoint is not None else None
    if likely is None:
        return Finding(subject, "ok", f"{name}: key and package are there, the provider was not called")
    message = f"{name} at {endpoint.shown_url}: an address without a version in it, the provider was not called"
    return Finding(subject, "note", message, f"most servers want one like {likely}")


def _reranker(settings: Settings) -> list[Finding]:
    if not settings.reranker:
        return []
    from .models.rerankers import reranker

    try:
        reranker(settings.reranker)
    except MilvusRagError as exc:
        return [Finding("reranker", "broken", str(exc))]
    provider, _, model = settings.reranker.partition(":")
    if provider == "local" and Path(model).is_absolute():
        return [_model_file("reranker", settings.reranker, model)]
    return [Finding("reranker", "ok", f"{settings.reranker}: what it needs is there, it was not called")]


def _model_file(subject: str, name: str, model: str) -> Finding:
    """Whether a model that runs on this machine is on it."""
    from .models.local.model_folder import is_folder, read_model_folder
    from .models.local.model_hub import check_available, default_cache_dir, find_model

    try:
        if is_folder(model):
            read_model_folder(model)
            return Finding(subject, "ok", f"{name}: its folder is complete, works offline")
        from fastembed import TextEmbedding

        row = find_model(model, TextEmbedding.list_supported_models(), kind="embedding model")
        if check_available(row, default_cache_dir()):
            return Finding(subject, "ok", f"{name}: in {default_cache_dir()}, works offline")
    except MilvusRagError as exc:
        return Finding(subject, "broken", str(exc))
    return Finding(subject, "note", f"{name}: not on this machine", "it is downloaded at its first use")


def _server() -> list[Finding]:
    from importlib.util import find_spec

    missing = [module for module in ("fastapi", "langserve", "uvicorn") if find_spec(module) is None]
    if missing:
        message = f"milvus-rag serve lacks {', '.join(missing)}"
        return [Finding("server", "note", message, install_line("server"))]
    key = os.environ.get(f"{PREFIX}SERVER_KEY", "")
    if key and len(key) < _SOUND_KEY_CHARS:
        message = f"{PREFIX}SERVER_KEY has {len(key)} characters, which can be guessed"
        return [Finding("server", "note", message, "python -c 'import secrets; print(secrets.token_urlsafe(32))'")]
    access = "a key is set" if key else "no key is set: it listens on this machine only"
    return [Finding("server", "ok", f"installed; {access}")]
