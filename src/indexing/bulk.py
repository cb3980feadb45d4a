"""A first load in bulk: a sync whose rows go into files, which Milvus imports."""

import threading

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import InputError
from ..stores.connection import translated_errors
from ..stores.import_jobs import ImportTarget, run_import
from ..stores.layout import Layout
from ..stores.milvus import MilvusStore
from ..stores.row_files import FILE_BYTES, RowFiles, read_place
from .options import SyncOptions
from .report import SyncReport
from .run import SyncRun


def bulk_load(
    loader: BaseLoader,
    splitter: BaseDocumentTransformer,
    store: MilvusStore,
    target: str,
    options: SyncOptions,
    *,
    token: str | None = None,
    db_name: str | None = None,
    timeout: float = 30.0,
    file_bytes: int = FILE_BYTES,
) -> SyncReport:
    """Write what `sync` would store into Parquet files, and have Milvus import them where it can.

    The rows are those of `sync`, with all that it knows them by, so that a later sync finds them unchanged.

    Args:
        loader: See `sync`.
        splitter: See `sync`.
        store: See `sync`. Its collection is created if it is not there, and has no rows.
        target: A folder, or ``s3://BUCKET/FOLDER``, in which nothing is. Keys are taken from the environment, as AWS'
            own programs do.
        options: Of the sync.
        token: Of the server, for the import job.
        db_name: Of the database on the server.
        timeout: Seconds for each request of it.
        file_bytes: Of a file, at most.

    Returns:
        What was written. Its notes say where it is, and what has been done with it or has to be.

    Raises:
        InputError: The collection has rows, or the folder files; or the server takes none.
        StoreError: The files could not be written, or not be imported.
        MilvusRagError: As `sync`.
    """
    place = read_place(target)
    _check_can_load(store)
    files = RowFiles(place, store.client.describe_collection, file_bytes=file_bytes)
    try:
        report = SyncRun(loader, splitter, store, options, threading.Event(), files).run()
        layout = store.layout
        if layout is None or not files.rows:
            report.notes.append("There is nothing to import: no file was written.")
            return report
        import_into = ImportTarget(server=store.server, collection=layout.name, db_name=db_name, place=place)
        files.complete(import_into.request)
    finally:
        files.close()
    written = f"{files.rows:,} rows are in {len(files.names)} Parquet file(s) in {place.shown}."
    if not import_into.is_possible:
        report.notes.append(f"{written} {import_into.instructions(files.names)}")
        return report
    job = run_import(import_into, files.names, token=token, timeout=timeout)
    show_imported(store, layout, timeout=timeout)
    report.notes.append(f"{written} Milvus has imported them (job {job}); the files may be removed.")
    return report


def show_imported(store: MilvusStore, layout: Layout, *, timeout: float) -> None:
    """Have a collection searched with what an import has added to it.

    Args:
        store: Has the collection.
        layout: The collection's.
        timeout: Seconds for a request.
    """
    # What is not loaded cannot be refreshed.
    store.collection.load(layout)
    with translated_errors(store.server.uri, layout.name, timeout=timeout):
        store.client.refresh_load(layout.name, timeout=timeout)


def _check_can_load(store: MilvusStore) -> None:
    if store.server.lite:
        raise InputError(
            f"Milvus Lite ({store.server.uri}) imports no files: index without --bulk, or give a server (--uri)."
        )
    layout = store.layout
    if layout is None:
        return
    if not layout.ours:
        raise InputError(
            f"The collection {layout.name!r} was made by another program; files are written for our own. Give another "
            f"name (--collection), or index without --bulk."
        )
    if count := store.count():
        raise InputError(
            f"The collection {layout.name!r} has {count} rows, and an import replaces none: --bulk is for a first one. "
            f"Index without it, which stores what is new, or give another name (--collection)."
        )
