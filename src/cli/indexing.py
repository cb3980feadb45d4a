"""`milvus-rag index` and `info`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..index_options import BulkOptions, check_bulk_options, engine_options
from ..setting_fields import Group
from . import options as o
from .output import COUNTS, end_interrupted, print_json, printable, progress_bar, say, summary
from .setting_options import takes_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..indexing.report import SyncReport
    from ..settings import Settings


@takes_settings(Group.FILES, Group.EMBEDDING, Group.MILVUS, Group.COLLECTION)
def index(
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, .zip archives, http(s) URLs of either, or of a site.")
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done: no API call, no write.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare every file with its rows, also where all is as it was recorded."),
    ] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build a new collection and switch to it when it is complete.")
    ] = False,
    drop_others: Annotated[
        bool, typer.Option("--drop-others", help="With --rebuild: drop what the index holds of other paths.")
    ] = False,
    prune: Annotated[bool, typer.Option(help="Remove files that are gone from the paths.")] = True,
    prune_only: Annotated[
        bool, typer.Option("--prune-only", help="Only remove what is gone: the last step after shards with --no-prune.")
    ] = False,
    ignore_errors: Annotated[
        bool, typer.Option("--ignore-errors", help="End with exit code 0 although some files failed; they are named.")
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(help="What this path is called in the index, wherever it is the next time, e.g. handbook."),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Only a part of the files, e.g. 2/4 in the second of four processes.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="Spread over the workers of an engine: ray. Needs the extra of that name.")
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(help="Of the engine's cluster, e.g. auto or ray://HOST:10001; by default RAY_ADDRESS, else here."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Of an engine, how many at once; by default what there is room for.")
    ] = None,
    worker_gpus: Annotated[
        float, typer.Option(min=0.0, help="Of an engine, GPUs that each worker needs, e.g. 0.5.")
    ] = 0.0,
    bulk: Annotated[
        str | None,
        typer.Option(
            help="A first load: write Parquet files to this folder or s3://BUCKET/FOLDER for Milvus to import."
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on: index again whenever a file changes, until Ctrl-C.")
    ] = False,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts an embedding request.")] = None,
    max_concurrency: Annotated[int, typer.Option(min=1, max=256, help="Embedding requests in flight.")] = 8,
    settings: "Settings",
    json: o.Json = False,
) -> None:
    """Index what is new or changed below PATHS, and remove what is gone."""
    chosen = engine_options(engine, address=address, workers=workers, gpus=worker_gpus)
    if watch:
        from .following import check_watchable, follow

        check_watchable(paths, dry_run=dry_run, json=json, prune_only=prune_only, engine=chosen is not None)
    by_files = {}
    if bulk is not None:
        check_bulk_options(
            paths=len(paths),
            dry_run=dry_run,
            rebuild=rebuild,
            prune_only=prune_only,
            verify=verify,
            watch=watch,
            engine=chosen is not None,
            shard=shard is not None,
        )
        token = settings.token.get_secret_value() if settings.token else None
        asked = BulkOptions(target=bulk, token=token, db_name=settings.db_name, timeout=settings.timeout or 30.0)
        by_files = {"bulk": asked}
    reports = index_paths(
        settings,
        paths,
        **by_files,
        dry_run=dry_run,
        verify=verify,
        rebuild=rebuild,
        drop_others=drop_others,
        prune=prune,
        prune_only=prune_only,
        engine=chosen,
        name=name,
        shard=shard,
        batch_size=batch_size,
        max_concurrency=max_concurrency,
    )
    if json:
        from ..loaders.download import public_path
        from ..stores.connection import public_uri

        totals = {word: sum(getattr(report, word) for report in reports) for word in (*COUNTS, "embedded", "requests")}
        runs = [{"path": public_path(path), **report.as_dict()} for path, report in zip(paths, reports, strict=True)]
        print_json({"uri": public_uri(settings.uri), "collection": settings.collection, **totals, "runs": runs})
    else:
        for path, report in zip(paths, reports, strict=True):
            typer.echo(summary(path, report))
            for taken in report.taken:
                typer.echo(f"  + {printable(taken)}")
            for passed, why in sorted(report.passed_over.items()):
                typer.echo(f"  - {printable(passed)}  ({why})")
    if watch:
        follow(
            settings, paths, name=name, shard=shard, prune=prune, batch_size=batch_size, max_concurrency=max_concurrency
        )
    if any(report.failed for report in reports) and not ignore_errors:
        raise typer.Exit(1)


def index_paths(
    settings: "Settings", paths: list[str], *, rebuild: bool = False, shard: str | None = None, **options: Any
) -> "list[SyncReport]":
    """Sync all paths, with a progress bar; say what failed and what is worth knowing; Ctrl-C ends the program."""
    from ..indexing.report import SyncInterrupted
    from ..pipeline import build_index

    try:
        with progress_bar("Indexing") as on_progress:
            reports = build_index(settings, paths, rebuild=rebuild, shard=shard, on_progress=on_progress, **options)
    except SyncInterrupted as exc:
        if "bulk" in options:
            end_interrupted("Interrupted: nothing is imported. Empty the folder of --bulk before the next run.")
        end_interrupted(
            f"Interrupted: {exc.report.added} chunks are stored. Run the same command again to complete the index."
        )
        raise
    say_problems(reports)
    return reports


def say_problems(reports: "Sequence[SyncReport]") -> None:
    """Say what failed and what is worth knowing."""
    for report in reports:
        for note in report.notes:
            say(f"Note: {printable(note)}")
        for failure in report.failed:
            chunk = "" if failure.chunk is None else f", chunk {failure.chunk}"
            say(f"Failed: {printable(f'{failure.source}{chunk}: {failure.reason}')}")


def index_before(settings: "Settings", paths: list[str]) -> None:
    """Sync all paths, for a command that answers from them; what was done goes to stderr."""
    for path, report in zip(paths, index_paths(settings, paths), strict=True):
        say(summary(path, report))


@takes_settings(Group.MILVUS)
def info(*, settings: "Settings", json: o.Json = False) -> None:
    """Show what a collection holds and what it was built with."""
    from ..pipeline import describe_collection

    facts = describe_collection(settings)
    if json:
        print_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' '):<{width}}  {value}")
