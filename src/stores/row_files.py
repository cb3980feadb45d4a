"""A folder of Parquet files, here or in an object store, that holds all rows or says that it does not.

Files are written under another name and renamed when they are whole, and what has an import read them is written last:
a run that is killed leaves no folder that looks complete.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError, StoreError
from .collection_rows import CollectionRows, Row
from .parquet_rows import RowTable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

# Milvus takes files of up to 16 GB, and reads several side by side: https://milvus.io/docs/import-data.md
FILE_BYTES = 512 * 2**20
# What pymilvus' writer has, since Milvus reads one as a whole.
GROUP_BYTES = 32 * 2**20
# Written last, so it tells that all others are there.
REQUEST_FILE = "import-request.json"
_PARTIAL = ".partial"
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")
_SECONDS = 30
_ATTEMPTS = 3


class Place(NamedTuple):
    """Where files are.

    Attributes:
        shown: As the user gave it.
        bucket: Of an object store; None for a folder here.
        path: Inside the bucket, or here.
    """

    shown: str
    bucket: str | None
    path: str

    @property
    def inside(self) -> str:
        """The path as pyarrow's file system takes it."""
        return self.path if self.bucket is None else "/".join(filter(None, (self.bucket, self.path)))


def read_place(target: str) -> Place:
    """Read where files are to be.

    Raises:
        InputError: It is neither a folder nor ``s3://BUCKET/FOLDER``.
    """
    scheme, separator, rest = target.partition("://")
    if not separator:
        if not target:
            raise InputError("Give a folder for the files, or s3://BUCKET/FOLDER (--bulk).")
        return Place(target, None, str(Path(target).absolute()))
    if "@" in rest or "?" in rest:
        # Not shown: it may have a key.
        raise InputError(
            "The address of the files is s3://BUCKET/FOLDER and nothing else (--bulk): keys are taken from the "
            "environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), and so is another address (AWS_ENDPOINT_URL)."
        )
    bucket, _, path = rest.strip("/").partition("/")
    if scheme != "s3" or not bucket or not path:
        raise InputError(f"Files go into a folder here, or to s3://BUCKET/FOLDER (--bulk), and not to {target!r}.")
    return Place(f"s3://{bucket}/{path}", bucket, path)


class RowFiles:
    """Takes rows from several threads, and writes them as files. Memory is bounded by one group of rows.

    Args:
        place: Where to; nothing may be there.
        describe: Says what a collection is like, as `MilvusClient.describe_collection` does.
        file_bytes: A file has at most so many.
        group_bytes: And a group of rows in it, before it is compressed, about so many.

    Attributes:
        names: Of the files that are whole.
        rows: How many rows were taken.

    Raises:
        InputError: Something is there.
        StoreError: It cannot be written to.
    """

    def __init__(
        self,
        place: Place,
        describe: Callable[[str], Mapping[str, Any]],
        *,
        file_bytes: int = FILE_BYTES,
        group_bytes: int = GROUP_BYTES,
    ) -> None:
        self.names: list[str] = []
        self.rows = 0
        self._place = place
        self._describe = describe
        self._file_bytes = file_bytes
        self._group_bytes = group_bytes
        self._lock = threading.Lock()
        self._table: RowTable | None = None
        self._waiting: list[pa.Table] = []
        self._open: _OpenFile | None = None
        with self._errors():
            self._system = _file_system(place)
            self._check_empty()

    def write(self, rows: CollectionRows, new: Sequence[Row]) -> None:
        """Take rows, none of which was taken before: an import keeps both.

        Raises:
            InputError: See `RowTable.of`.
            StoreError: It cannot be written to.
        """
        with self._lock:
            if self._table is None:
                self._table = RowTable(self._describe(rows.layout.name))
            self._waiting.append(self._table.of(new))
            self.rows += len(new)
            if sum(table.nbytes for table in self._waiting) >= self._group_bytes:
                self._write_group()

    def complete(self, request: Callable[[Sequence[str]], Mapping[str, Any]]) -> None:
        """Write what is left, and then what an import is asked for.

        Args:
            request: Makes that of the files' names.
        """
        with self._lock:
            self._write_group()
            self._end_file()
            with self._errors():
                content = json.dumps(request(self.names), indent=1).encode()
                with self._system.open_output_stream(self._path(REQUEST_FILE + _PARTIAL)) as stream:
                    stream.write(content)
                self._system.move(self._path(REQUEST_FILE + _PARTIAL), self._path(REQUEST_FILE))

    def close(self) -> None:
        """Leave no half file; after `complete` there is none."""
        with self._lock:
            opened, self._open = self._open, None
            self._waiting = []
            if opened is not None:
                with suppress(OSError, ValueError):
                    opened.close()
                with suppress(OSError):
                    self._system.delete_file(self._path(opened.name + _PARTIAL))

    def _write_group(self) -> None:
        import pyarrow as pa

        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        group = pa.concat_tables(waiting).combine_chunks()
        with self._errors():
            if self._open is not None and self._open.size + group.nbytes > self._file_bytes:
                self._end_file()
            if self._open is None:
                name = f"part-{len(self.names) + 1:05}.parquet"
                self._open = _OpenFile(self._system, self._path(name + _PARTIAL), name, group.schema)
            self._open.write(group)

    def _end_file(self) -> None:
        opened = self._open
        if opened is None:
            return
        with self._errors():
            opened.close()
            self._system.move(self._path(opened.name + _PARTIAL), self._path(opened.name))
        self._open = None
        self.names.append(opened.name)

    def _check_empty(self) -> None:
        from pyarrow import fs

        if self._place.bucket is None:
            self._system.create_dir(self._place.inside)
        elif self._system.get_file_info(self._place.bucket).type == fs.FileType.NotFound:
            raise InputError(f"There is no bucket {self._place.bucket!r} (--bulk). Make it, or correct its name.")
        there = self._system.get_file_info(fs.FileSelector(self._place.inside, allow_not_found=True))
        if there:
            raise InputError(
                f"There are files in {self._place.shown} already, perhaps of a run that was ended. Files of two runs "
                f"are not mixed: give another folder (--bulk), or empty this one."
            )

    def _path(self, name: str) -> str:
        return f"{self._place.inside}/{name}"

    @contextmanager
    def _errors(self) -> "Iterator[None]":
        try:
            yield
        except OSError as exc:
            reason = str(exc)
            for secret in filter(None, map(os.environ.get, _SECRETS)):
                reason = reason.replace(secret, "***")
            raise StoreError(f"Files cannot be written to {self._place.shown} (--bulk): {reason:.500}") from None


class _OpenFile:
    """A file that is being written."""

    def __init__(self, system: Any, path: str, name: str, schema: "pa.Schema") -> None:
        from pyarrow import parquet

        self.name = name
        self._stream = system.open_output_stream(path)
        self._writer = parquet.ParquetWriter(self._stream, schema)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return int(self._stream.tell())

    def write(self, group: "pa.Table") -> None:
        """Write a table as one group of rows."""
        self._writer.write_table(group, row_group_size=group.num_rows)

    def close(self) -> None:
        """End the file."""
        self._writer.close()
        self._stream.close()


def _file_system(place: Place) -> Any:
    from pyarrow import fs

    if place.bucket is None:
        return fs.LocalFileSystem()
    # MinIO, and every other store that speaks S3's protocol.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return fs.S3FileSystem(
        **({"endpoint_override": endpoint} if endpoint else {}),
        connect_timeout=_SECONDS,
        request_timeout=_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )
