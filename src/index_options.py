"""What an index run may be asked for together, and what contradicts; the same for the command and for Python."""

from dataclasses import dataclass, field

from .errors import InputError

ENGINES = ("ray",)


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """An engine that a run is spread over.

    Attributes:
        name: Which one, of `ENGINES`.
        address: Of its cluster; None for what the environment says, or one of this machine.
        workers: How many at once; None for what there is.
        gpus: That each worker needs.
    """

    name: str
    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise InputError(f"There is no engine {self.name!r} (--engine). There is: {', '.join(ENGINES)}.")


@dataclass(frozen=True, kw_only=True)
class BulkOptions:
    """A first load by files that Milvus imports.

    Attributes:
        target: Where the files are written to, a folder or ``s3://BUCKET/FOLDER``.
        token: Of the server that imports them.
        db_name: Of its database.
        timeout: Seconds for a request to it.
    """

    target: str
    token: str | None = field(default=None, repr=False)
    db_name: str | None = None
    timeout: float = 30.0


def check_bulk_options(
    *,
    paths: int,
    dry_run: bool,
    rebuild: bool,
    prune_only: bool,
    verify: bool,
    watch: bool,
    engine: bool,
    shard: bool,
) -> None:
    """Refuse what a first load in bulk cannot be together with.

    Args:
        paths: How many are indexed.
        dry_run: Whether nothing is done.
        rebuild: Whether a new index takes an old one's place.
        prune_only: Whether nothing is stored.
        verify: Whether files are compared with rows.
        watch: Whether it goes on.
        engine: Whether it is spread over an engine.
        shard: Whether it is a part of the files.

    Raises:
        InputError: It is.
    """
    said = {
        "--dry-run": dry_run,
        "--rebuild": rebuild,
        "--prune-only": prune_only,
        "--verify": verify,
        "--watch": watch,
        "--engine": engine,
        "--shard": shard,
    }
    if option := next((option for option, is_said in said.items() if is_said), None):
        raise InputError(f"--bulk is for the first load of an index, by one process: leave out {option}.")
    if paths != 1:
        raise InputError(
            f"--bulk loads one path, and not {paths}. Index the others when it is imported, without --bulk."
        )


def engine_options(name: str | None, *, address: str | None, workers: int | None, gpus: float) -> EngineOptions | None:
    """An engine as the command's options say; None for this process.

    Raises:
        InputError: There is no such engine, or none, and something is said of it.
    """
    if name is not None:
        return EngineOptions(name=name, address=address, workers=workers, gpus=gpus)
    said = {"--address": address is not None, "--workers": workers is not None, "--worker-gpus": gpus != 0}
    if option := next((option for option, is_said in said.items() if is_said), None):
        raise InputError(f"{option} is an engine's: add --engine ray.")
    return None


def check_index_options(
    *,
    rebuild: bool,
    drop_others: bool,
    prune: bool,
    prune_only: bool,
    verify: bool,
    is_named_for_many: bool,
    shard: bool,
    engine: bool,
) -> None:
    """Refuse what contradicts itself.

    Args:
        rebuild: Whether a new index is built.
        drop_others: Whether it may leave out what the old one holds besides.
        prune: Whether what is gone is removed.
        prune_only: Whether nothing else is done.
        verify: Whether every file is compared with its rows.
        is_named_for_many: Whether several paths have one name.
        shard: Whether it is a part of the files.
        engine: Whether it is spread over an engine.

    Raises:
        InputError: It does.
    """
    wrong = {
        "A rebuild makes the index anew, and nothing of it is gone: leave out --prune-only.": rebuild and prune_only,
        "A rebuild holds what is in the files now, and nothing is there to be kept: leave out --no-prune, or leave out "
        "--rebuild.": rebuild and not prune,
        "Only a rebuild drops what is not below its paths (--drop-others): add --rebuild.": drop_others and not rebuild,
        "--prune-only removes what is gone, and --no-prune keeps it: leave out one of them.": prune_only and not prune,
        "A rebuild compares every file in any case: leave out --verify.": rebuild and verify,
        "--prune-only looks at names alone, and --verify at what is in the files: leave out one of them.": prune_only
        and verify,
        "One process compares every file with its rows: leave out the engine (--engine), or leave out --verify.": engine
        and verify,
        "A name (--name) is that of one path. Index the paths one by one, each under its own name.": is_named_for_many,
        "An engine cuts the files into parts itself: leave out the shard (--shard).": engine and shard,
        "Nothing but names is looked at to remove what is gone, which one process does: leave out the engine "
        "(--engine).": engine and prune_only,
    }
    for message, is_wrong in wrong.items():
        if is_wrong:
            raise InputError(message)
