"""The parts, put together as the settings say: for the command line, the server, and nobody else.

Somebody who composes the parts in Python needs none of this: each takes what it needs as arguments.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .configured_engine import configured_sync
from .configured_loaders import build_loader, build_splitter, check_distinct, parse_shard
from .configured_models import configured_chat_model
from .configured_store import (
    SPEC_PROPERTY,
    build_embedding,
    build_store,
    check_database,
    is_missing,
    look_at_collection,
    open_collection,
    remember_embedding,
    remembered_embedding,
)
from .errors import CollectionNotFoundError, MilvusRagError, StoreError
from .index_options import EngineOptions, check_index_options
from .settings import Settings

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables import Runnable

    from .chains.neighbours import Filter
    from .chains.retrieval import MilvusRetriever
    from .indexing.report import SyncReport
    from .loaders.markdown import MarkdownLoader
    from .loaders.site import SiteLoader
    from .stores.copying import CopyReport
    from .stores.milvus import MilvusStore

# A watch opens the store again after it failed.
_STORE_PAUSE_SECONDS = 5.0


def build_chat_model(
    settings: Settings, *, language: str = "english", embedding: "Embeddings | None" = None
) -> "BaseChatModel":
    """The chat model; `language` is that of the passages, `embedding` the index', for one that compares sentences."""
    return configured_chat_model(settings, language=language, embedding=embedding)


def copy_index(
    settings: Settings,
    uri: str,
    *,
    collection: str | None = None,
    token: str | None = None,
    db_name: str | None = None,
    on_progress: "Callable[[int, int], None] | None" = None,
) -> "CopyReport":
    """Copy the settings' collection into another database, or under another name; see `copy_collection`.

    Args:
        settings: Say which collection.
        uri: Where the copy is to be.
        collection: Its name; the same by default.
        token: Of the server at `uri`.
        db_name: Of the database there.
        on_progress: See `copy_collection`.
    """
    from .stores.copying import copy_collection
    from .stores.milvus import open_store

    check_database(settings)
    with (
        look_at_collection(settings) as source,
        open_store(
            uri,
            collection=collection or settings.collection,
            token=token,
            db_name=db_name,
            full_text=False,
            timeout=settings.timeout,
        ) as target,
    ):
        return copy_collection(source, target, on_progress=on_progress)


def build_index(
    settings: Settings,
    paths: Sequence[str],
    *,
    rebuild: bool = False,
    drop_others: bool = False,
    name: str | None = None,
    shard: str | None = None,
    dry_run: bool = False,
    verify: bool = False,
    prune: bool = True,
    prune_only: bool = False,
    engine: EngineOptions | None = None,
    **options: Any,
) -> "list[SyncReport]":
    """Sync all paths into the collection, or rebuild it from them; the options are those of `sync` and `rebuild`.

    Raises:
        InputError: Two paths have files of one name, of which one would replace the other; or options contradict.
    """
    from .indexing.prune import prune as prune_gone
    from .stores.size_advice import size_advice

    part = parse_shard(shard)
    check_index_options(
        rebuild=rebuild,
        drop_others=drop_others,
        prune=prune,
        prune_only=prune_only,
        verify=verify,
        is_named_for_many=name is not None and len(paths) != 1,
        shard=part is not None,
        engine=engine is not None,
    )
    loaders = [build_loader(settings, path, shard=part) for path in paths]
    opened = ExitStack()
    try:
        for loader in loaders:
            # Before a database is made for nothing.
            loader.check_path()
        check_distinct(paths, loaders)
        if dry_run and is_missing(settings):
            # It is as an empty one, which is gone afterwards.
            folder = opened.enter_context(TemporaryDirectory(prefix="milvus-rag-"))
            settings = settings.model_copy(update={"uri": str(Path(folder) / "empty.db")})
        sync_one = opened.enter_context(configured_sync(engine, loaders, scope=name, dry_run=dry_run, **options))
        if rebuild:
            options |= {"scope": name, "shard": part, "drop_others": drop_others, "dry_run": dry_run}
            reports = _rebuild(settings, loaders, sync_one if engine else None, **options)
            return _with_surveys(reports, loaders)
        with build_store(settings) as store:
            if prune_only:
                return [prune_gone(loader, store, scope=name, dry_run=dry_run) for loader in loaders]
            splitter = build_splitter(settings)
            own = {"prune": prune, **({"verify": True} if verify else {})}
            reports = [sync_one(loader, splitter, store, **own) for loader in loaders]
            if not dry_run:
                remember_embedding(settings, store)
                reports[-1].notes.extend(filter(None, [size_advice(store)]))
            return _with_surveys(reports, loaders)
    finally:
        for loader in loaders:
            loader.close()
        opened.close()


def watch_index(
    settings: Settings,
    paths: Sequence[str],
    stop: "Event",
    *,
    on_report: "Callable[[str, SyncReport], None]",
    on_error: "Callable[[str, MilvusRagError], None]",
    name: str | None = None,
    shard: str | None = None,
    **options: Any,
) -> None:
    """Keep the collection as the files are until it is stopped; the options are those of `sync`.

    Args:
        settings: Which collection, and what makes its vectors.
        paths: Files and folders.
        stop: Ends it.
        on_report: Told of each run, by its path.
        on_error: Told of what kept a path from being indexed; it is tried again.
        name: See `build_index`.
        shard: See `build_index`.
        options: Of `sync`.

    Raises:
        InputError: A path cannot be watched.
    """
    from .indexing.options import SyncOptions
    from .indexing.watch import Watching, watch
    from .stores.connection import is_file_uri

    loaders = [build_loader(settings, path, shard=parse_shard(shard)) for path in paths]
    names = {id(loader): path for loader, path in zip(loaders, paths, strict=True)}
    watching = Watching(
        stop=stop,
        on_report=lambda loader, report: on_report(names[id(loader)], report),
        on_error=lambda loader, error: on_error(names[id(loader)], error),
    )
    database = [Path(settings.uri)] if is_file_uri(settings.uri) else []
    splitter = build_splitter(settings)
    while not stop.is_set():
        try:
            with build_store(settings) as store:
                watch(loaders, splitter, store, watching, SyncOptions(scope=name, **options), leave_out=database)
        except StoreError as exc:
            # Milvus was away, or somebody built the collection anew: both want another store.
            on_error(settings.collection, exc)
            stop.wait(_STORE_PAUSE_SECONDS)


def _with_surveys(reports: "list[SyncReport]", loaders: "Sequence[MarkdownLoader | SiteLoader]") -> "list[SyncReport]":
    """Reports that say which files were taken and which were passed over."""
    for report, loader in zip(reports, loaders, strict=True):
        if (survey := loader.survey) is None:
            continue
        if line := str(survey):
            report.notes.insert(0, line)
        if report.dry_run:
            report.taken, report.passed_over = survey.taken, dict(survey.passed)
    return reports


def _rebuild(
    settings: Settings,
    loaders: "Sequence[MarkdownLoader | SiteLoader]",
    sync_one: "Callable[..., SyncReport] | None",
    **options: Any,
) -> "list[SyncReport]":
    from .indexing.rebuild import rebuild as build_anew

    spec = settings.embeddings or remembered_embedding(settings)[0]
    embedding = build_embedding(settings)

    def open_new(name: str) -> "MilvusStore":
        store = open_collection(settings, embedding, collection=name)
        store.collection.new_properties = {SPEC_PROPERTY: spec} if spec and embedding is not None else {}
        return store

    splitter = build_splitter(settings)
    if sync_one is not None:
        options["sync_all"] = lambda store, given: [sync_one(loader, splitter, store) for loader in given]
    return build_anew(loaders, splitter, open_new, collection=settings.collection, **options)


def describe_collection(settings: Settings) -> dict[str, Any]:
    """What a collection holds and what it was built with, for people.

    Raises:
        CollectionNotFoundError: It does not exist.
    """
    from .stores.connection import missing_collection
    from .stores.fingerprint import describe
    from .stores.size_advice import size_advice

    check_database(settings)
    with look_at_collection(settings) as store:
        layout = store.layout
        if layout is None:
            raise CollectionNotFoundError(missing_collection(settings.collection, store.server.uri))
        built = layout.properties.get("embedding")
        advice = size_advice(store)
        return {
            "uri": store.server.uri,
            "server": store.server.version,
            "collection": settings.collection,
            "chunks": store.count(),
            "dense": describe({"dimension": layout.dimension, **(built or {})}) if layout.vector_field else "no",
            "full_text": store.language if store.has_full_text and layout.ours else _yes_no(store.has_full_text),
            "splitter": layout.properties.get("splitter", "unknown"),
            **({"note": advice} if advice else {}),
        }


def _yes_no(value: bool) -> str:
    return "yes" if value else "no"


def build_retriever(
    settings: Settings, store: "MilvusStore", *, k: int | None = None, filter: "Filter" = None
) -> "MilvusRetriever":
    """The retriever over an open store; `filter` bounds each of its calls."""
    from .chains.retrieval import milvus_retriever

    ranker = None
    if settings.reranker:
        from .models.rerankers import reranker

        ranker = reranker(settings.reranker, timeout=settings.model_timeout)
    retriever = milvus_retriever(
        store,
        settings.mode,
        k or settings.k,
        fetch_k=settings.fetch_k,
        min_score=None if settings.min_score == "none" else settings.min_score,
        filter=filter,
        reranker=ranker,
        expand=settings.expand,
        fusion=settings.fusion,
        weights=None if settings.weights == "auto" else settings.weights,
    )
    _warn_of_unused(settings, dense=store.has_dense, full_text=store.has_full_text)
    return retriever


def _warn_of_unused(settings: Settings, *, dense: bool, full_text: bool) -> None:
    """Say which settings are of a search that is not made."""
    is_dense = dense and settings.mode != "full_text"
    is_hybrid = is_dense and full_text and settings.mode != "dense"
    of_hybrid = settings.model_fields_set & {"weights", "fusion"} if not is_hybrid else set()
    of_dense = settings.model_fields_set & {"search_params"} if not is_dense else set()
    if unused := sorted(of_hybrid | of_dense):
        made = "dense" if is_dense else "full-text"
        logger.warning("%s: no effect, since only a %s search is made.", ", ".join(unused), made)


def build_chain(
    settings: Settings, store: "MilvusStore", chat: "Runnable[Any, Any] | None" = None, *, filter: "Filter" = None
) -> "Runnable[Any, Any]":
    """The whole chain over an open store; `chat` in place of the settings' model, `filter` bounds what it reads."""
    from .chains.rag import rag_chain

    return rag_chain(
        build_retriever(settings, store, filter=filter),
        chat or build_chat_model(settings, language=store.language, embedding=store.embedding),
        citations=settings.citations,
        language=store.language,
    )
