"""Connections to Milvus: Lite, a server, or Zilliz Cloud by URI, and what their errors mean."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import grpc
from pymilvus import MilvusClient
from pymilvus.exceptions import ConnectionConfigException, MilvusException

from ..errors import (
    CollectionNotFoundError,
    CollectionSchemaError,
    DatabaseLockedError,
    FilterError,
    IncompatibleDatabaseError,
    InputError,
    StoreAuthenticationError,
    StoreError,
    StoreUnavailableError,
)

T = TypeVar("T")

# BM25 functions came with Milvus 2.5: https://milvus.io/docs/release_notes.md
_FULL_TEXT_SINCE = (2, 5)
_SPARSE_SINCE = (2, 4)
_PARTITION_KEYS_SINCE = (2, 4)
_NULLABLE_SINCE = (2, 5)
_IMPORTS_SINCE = (2, 4)
# Codes of https://github.com/milvus-io/milvus/blob/master/pkg/util/merr/errors.go
_COLLECTION_NOT_FOUND = 100
_NOT_LOADED = (101, 103)
# Milvus repeats filters of any length in its messages.
_LONGEST_MESSAGE = 500
# Between two words of a message is a name or a type, of a length that is bounded: messages also repeat filters.
_NAMED = ".{0,500}"
# The second is what 2.3.5 says of a collection that was just released, or is loaded again.
_NOT_LOADED_MESSAGES = re.compile(rf"collection{_NAMED} not (?:fully )?loaded|channel not found", re.IGNORECASE)
_FILTER_MESSAGES = re.compile(
    r"pars(?:e|ing) expression|create (?:\w+ )?plan|invalid expression|invalid expr|not a boolean expression|"
    r"unsupported (?:\w+ )?(?:expr|data ?type)|GenericValue|recursion depth|list elements must be|"
    r"unexpected (?:end|token|character)|unknown (?:function|escape)|"
    r"left side of|supported: text_match|at column \d+|unterminated|unknown field|"
    rf"expected{_NAMED} at column|field{_NAMED} (?:not exist|does not exist)|type mismatch|cannot compare",
    re.IGNORECASE,
)
_AUTH_MESSAGES = re.compile(
    r"unauthenticated|auth check failure|permission ?den(?:y|ied)|invalid token|password\b.{0,40}\bincorrect|"
    r"incorrect.{0,40}\bpassword",
    re.IGNORECASE,
)
_RIGHTS_MESSAGES = re.compile(r"permission ?den(?:y|ied)", re.IGNORECASE)
_DOWN_MESSAGES = re.compile(
    r"fail(?:ed)? connecting|connect(?:ion)? (?:failed|refused|error)|server unavailable|illegal connection|"
    r"failed to connect|UNAVAILABLE|deadline exceeded|closed channel|timed? ?out",
    re.IGNORECASE,
)
_TIMEOUT_MESSAGES = re.compile(r"deadline exceeded|DEADLINE_EXCEEDED|timed out", re.IGNORECASE)
# Of gRPC, at either end, and of Milvus, whose limit is quotaAndLimits.limits.maxOutputSize.
_TOO_MUCH_MESSAGES = re.compile(
    r"message larger than max|exceed(?:s|ed)? (?:the )?(?:limit|max)\w* ?(?:output)? ?size|maxOutputSize", re.IGNORECASE
)
_READ_ONLY_MESSAGES = re.compile(r"read-only file system|permission denied: ?'|errno 13|errno 30", re.IGNORECASE)
_MISSING_FIELD_MESSAGE = "Insert missed an field"
_UNHASHABLE_MESSAGE = "unhashable type"
# One flush of Milvus Lite stands in the way of one other.
_TRIES = 8
_FLUSHED_MESSAGE = "current_seq is monotonic"
_CLOSED_MESSAGE = "should create connection first"
# INT_MAX, which gRPC takes for no keep-alive: GRPC_ARG_KEEPALIVE_TIME_MS.
_NEVER = 2**31 - 1


class CollectionNotLoadedError(StoreError):
    """A collection that is not searchable yet, or no longer."""


class FlushedMeanwhileError(StoreError):
    """Milvus Lite was flushing for somebody else, another process maybe; nothing is lost."""


def again_after(error: type[StoreError], call: Callable[[], T]) -> T:
    """Make a call, and again at once after an error that is over when it is seen; a few times."""
    for _ in range(_TRIES - 1):
        with suppress(error):
            return call()
    return call()


class TooMuchAtOnceError(StoreError):
    """A request, or an answer, of more bytes than Milvus sends or takes in one message."""


class RowsWithListsError(StoreError):
    """Milvus Lite cannot look for many values at once among rows, one of which has a list."""


@dataclass(frozen=True)
class Server:
    """What answers at a URI, and what it can do; in the process that connected to it.

    Attributes:
        uri: Where it is, without credentials.
        version: As it names itself, e.g. ``"milvus_lite-3.2.2"`` or ``"v2.6.4"``; ``"unknown"`` where it does not.
        process: The process that connected to it.
    """

    uri: str
    version: str
    process: int = field(default_factory=os.getpid, repr=False, compare=False)

    @property
    def lite(self) -> bool:
        """Whether this is Milvus Lite, in this process or as a server."""
        return self.version.startswith("milvus_lite") or is_file_uri(self.uri)

    @property
    def full_text(self) -> bool:
        """Whether it has BM25 functions."""
        return self._at_least(_FULL_TEXT_SINCE)

    @property
    def partition_keys(self) -> bool:
        """Whether a row that is replaced stays in the partition of its key: 2.3 puts it into another one."""
        return self._at_least(_PARTITION_KEYS_SINCE)

    @property
    def nullable(self) -> bool:
        """Whether a field may have no value."""
        return self._at_least(_NULLABLE_SINCE)

    @property
    def imports(self) -> bool:
        """Whether it has import jobs that are asked for over HTTP."""
        return not self.lite and self._at_least(_IMPORTS_SINCE)

    @property
    def sparse(self) -> bool:
        """Whether it has sparse vector fields."""
        return self._at_least(_SPARSE_SINCE)

    def check_process(self) -> None:
        """Raise a `StoreError` in a process that was forked: gRPC's threads are not there, and a call may hang."""
        if self.process != os.getpid():
            raise StoreError(
                f"These rows of {self.uri} belong to another process, from which this one was forked. Take them from "
                f"the store anew, which connects once in each process."
            )

    def _at_least(self, version: tuple[int, int]) -> bool:
        found = re.search(r"(\d+)\.(\d+)", self.version)
        # A server that does not tell is taken for a new one: it refuses by itself what it cannot do.
        return self.lite or found is None or (int(found[1]), int(found[2])) >= version


def is_file_uri(uri: str) -> bool:
    """Whether a URI is a path, and so a Milvus Lite database in this process."""
    return "://" not in uri


def public_uri(uri: str) -> str:
    """The URI without a user's name and password, for messages."""
    scheme, separator, rest = uri.partition("://")
    if separator:
        return f"{scheme}{separator}{rest.rpartition('@')[2]}"
    # A path; or an address whose scheme was forgotten.
    user, _, address = uri.rpartition("@")
    return address if ":" in user else uri


def check_uri(uri: str) -> None:
    """Find what is wrong with a URI before a client is asked to open it.

    Raises:
        InputError: It is neither a path that ends with ``.db`` nor ``http(s)://``, ``tcp://`` or ``unix://``.
        IncompatibleDatabaseError: The path is no Milvus Lite 3 database.
        StoreError: The folder that the database would be in does not exist.
    """
    if not uri:
        raise InputError("The URI of Milvus is empty. Use a path such as ./milvus_demo.db, or http://localhost:19530.")
    if not (_is_database_path(uri) if is_file_uri(uri) else _is_server_uri(uri)):
        raise InputError(
            f"{public_uri(uri)!r} is no URI of Milvus. Use a path that ends with .db, such as ./milvus_demo.db, or "
            f"http(s)://HOST:PORT, such as http://localhost:19530."
        )
    if not is_file_uri(uri):
        return
    path = Path(uri)
    if path.is_file():
        raise IncompatibleDatabaseError(
            f"{uri} is a file. Milvus Lite 3 keeps a database as a folder and cannot open the single file that "
            f"Milvus Lite 2 made. Move it away (e.g. to {uri}.old) and index again."
        )
    if not path.resolve().parent.is_dir():
        raise StoreError(
            f"The folder {path.resolve().parent} does not exist. Create it, or choose another database path."
        )


def _is_database_path(uri: str) -> bool:
    return uri.endswith(".db") and "\x00" not in uri


def _is_server_uri(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or none of a port
        return False
    return parts.scheme == "unix" or (parts.scheme in {"http", "https", "tcp"} and has_host)


@contextmanager
def translated_errors(
    uri: str,
    collection: str | None = None,
    expression: str | None = None,
    *,
    doing: str = "answer",
    timeout: float | None = None,
) -> Iterator[None]:
    """Turn errors of pymilvus into ours; those that we know no more of pass as `StoreError` with their own text.

    Args:
        uri: Where Milvus is.
        collection: What is asked about.
        expression: The filter that is asked with.
        doing: What is asked for, as it follows "did not".
        timeout: Seconds that it may take.
    """
    try:
        yield
    except (MilvusException, grpc.RpcError, ConnectionError) as exc:
        if timeout is not None and _is_late(exc, expression):
            raise StoreUnavailableError(
                f"Milvus at {public_uri(uri)} did not {doing} within {timeout:g} seconds (collection {collection!r}). "
                f"If it is at work, give it more time: timeout= of open_store, or MILVUS_RAG_TIMEOUT. What was stored "
                f"before is kept."
            ) from exc
        raise _translate(exc, uri, collection, expression) from exc


def _is_late(exc: Exception, expression: str | None) -> bool:
    if isinstance(exc, grpc.Call) and exc.code() == grpc.StatusCode.DEADLINE_EXCEEDED:
        return True
    text = _message_of(exc)
    return bool(_TIMEOUT_MESSAGES.search(text.replace(expression, "") if expression else text))


def connect(uri: str, token: str | None, db_name: str | None, timeout: float) -> MilvusClient:
    """Open a client.

    Args:
        uri: A path, for Milvus Lite in this process, or a server's URI.
        token: ``user:password`` or an API key.
        db_name: Database on the server.
        timeout: Seconds to wait for the connection.

    Raises:
        StoreError: What `check_uri` finds; `DatabaseLockedError`, `StoreUnavailableError` or
            `StoreAuthenticationError`.
    """
    check_uri(uri)
    with translated_errors(uri):
        return MilvusClient(**connection_arguments(uri, token, db_name, timeout))


def version_of(client: MilvusClient) -> str:
    """What a server names itself; ``"unknown"`` where it does not, as a proxy, or Milvus Lite 2 as a server."""
    try:
        return str(client.get_server_version())
    except grpc.RpcError as exc:
        if isinstance(exc, grpc.Call) and exc.code() == grpc.StatusCode.UNIMPLEMENTED:
            return "unknown"
        raise
    except MilvusException as exc:
        if "UNIMPLEMENTED" in str(exc):
            return "unknown"
        raise


def connection_arguments(uri: str, token: str | None, db_name: str | None, timeout: float) -> dict[str, object]:
    """The arguments of `MilvusClient` for a connection."""
    # A connection that clients share is never closed.
    arguments: dict[str, object] = {"uri": uri, "timeout": timeout, "dedicated": True}
    if token:
        arguments["token"] = token
    if db_name:
        arguments["db_name"] = db_name
    if is_file_uri(uri) or _is_on_this_machine(uri):
        # pymilvus pings each ten seconds, also where nothing is asked. Milvus Lite, which has gRPC's own defaults,
        # takes that for abuse and hangs up (too_many_pings). On this machine a server that ends is noticed without.
        arguments["grpc_options"] = {"grpc.keepalive_time_ms": _NEVER, "grpc.keepalive_permit_without_calls": 0}
    return arguments


def _is_on_this_machine(uri: str) -> bool:
    parts = urlsplit(uri)
    return parts.scheme == "unix" or parts.hostname in ("localhost", "::1") or (parts.hostname or "").startswith("127.")


def _translate(exc: Exception, uri: str, collection: str | None, expression: str | None) -> StoreError | FilterError:
    where = public_uri(uri)
    code = getattr(exc, "code", None)
    text = _message_of(exc).replace(uri, where)
    # What a filter says is not what went wrong: there may be a key named `timeout`.
    quoted = re.escape(" ".join((expression or "").split()))
    reason = re.sub(rf"(?<!\w){quoted}(?!\w)", "", text) if quoted else text
    shown = _shortened(text) or type(exc).__name__
    if code == _COLLECTION_NOT_FOUND or "collection not found" in reason.lower():
        return CollectionNotFoundError(missing_collection(collection or "?", where))
    if code in _NOT_LOADED or _NOT_LOADED_MESSAGES.search(reason):
        return CollectionNotLoadedError(f"Milvus at {where} has not loaded the collection {collection!r}: {text}")
    if "Open local milvus failed" in reason and not _may_write(uri):
        return StoreError(
            f"{where} is read-only for this process, and Milvus Lite opens no database that it cannot write, not even "
            f"to search it. Give this user write permission on it, or copy it to where there is."
        )
    if "Open local milvus failed" in reason:
        return DatabaseLockedError(
            f"{where} cannot be opened: most likely another process has it open, and Milvus Lite allows one process "
            f"a database. Close the other one, or share the database with all of them: run "
            f"'milvus-lite server --data-dir {where} --port 19530' and use http://127.0.0.1:19530 as URI."
        )
    if _FLUSHED_MESSAGE in reason:
        return FlushedMeanwhileError(f"Milvus at {where} flushes for another process too: {shown}")
    if _TOO_MUCH_MESSAGES.search(reason):
        return TooMuchAtOnceError(f"A request to Milvus at {where}, or its answer, is too large: {shown}")
    if _READ_ONLY_MESSAGES.search(reason):
        return StoreError(
            f"{where} cannot be written: the database or the disk is read-only for this process ({shown}). Give it "
            f"write permission, or copy the database to where it has that."
        )
    if expression and _UNHASHABLE_MESSAGE in reason:
        return RowsWithListsError(f"Milvus Lite cannot use the filter {_shortened(repr(expression))}: {shown}")
    if expression and _FILTER_MESSAGES.search(text):
        return FilterError(f"Milvus cannot use the filter {_shortened(repr(expression))}: {shown}")
    if _RIGHTS_MESSAGES.search(reason):
        return StoreAuthenticationError(
            f"This user of Milvus at {where} may not do that, so the database is read-only for it, or closed ({shown})."
            f" Grant it the right, or give another user:password or API key as token (MILVUS_RAG_TOKEN)."
        )
    # While it connects, pymilvus says of a refused token only that it cannot connect; gRPC knows why.
    if _AUTH_MESSAGES.search(reason) or (exc.__cause__ and _AUTH_MESSAGES.search(_message_of(exc.__cause__))):
        return StoreAuthenticationError(
            f"Milvus at {where} refuses the token. Give user:password or an API key as token (MILVUS_RAG_TOKEN)."
        )
    if _MISSING_FIELD_MESSAGE in text:
        return CollectionSchemaError(f"The collection {collection!r} has a field that each row must have: {shown}")
    if _CLOSED_MESSAGE in text:
        return StoreUnavailableError(f"The store on {where} is closed. Open another one with open_store.")
    if is_file_uri(uri) and _DOWN_MESSAGES.search(reason):
        return StoreUnavailableError(f"Milvus Lite does not answer for {where} ({shown}). Open the store anew.")
    if isinstance(exc, ConnectionConfigException) or _DOWN_MESSAGES.search(reason):
        return StoreUnavailableError(f"No Milvus answers at {where} ({shown}). Check the URI and that the server runs.")
    return StoreError(f"Milvus at {where} failed: {shown}")


def _may_write(uri: str) -> bool:
    if not is_file_uri(uri):
        return True
    path = Path(uri)
    found = path if path.exists() else path.resolve().parent
    effective = os.access in os.supports_effective_ids
    return os.access(found, os.W_OK | os.X_OK, effective_ids=effective)


def missing_collection(collection: str, where: str) -> str:
    """The message for a collection that does not exist."""
    return (
        f"There is no collection {collection!r} in {where}. "
        f"Index something into it first (milvus-rag index PATH), or choose another collection."
    )


def _message_of(exc: BaseException) -> str:
    text = getattr(exc, "message", None) or (exc.details() if isinstance(exc, grpc.Call) else None) or str(exc)
    return " ".join(str(text).split())


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[: _LONGEST_MESSAGE - 3]}..."
