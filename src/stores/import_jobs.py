"""Import jobs of Milvus 2.4 and newer: what they are asked by, and how they end.

https://milvus.io/api-reference/restful/v2.4.x/v2/Import%20(v2)/Create.md
"""

import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from ..errors import StoreAuthenticationError, StoreError, StoreUnavailableError
from .connection import Server
from .row_files import REQUEST_FILE, Place

_CREATE, _DESCRIBE = "/v2/vectordb/jobs/import/create", "/v2/vectordb/jobs/import/describe"
_CLOUD = "https://api.cloud.zilliz.com"
_CLOUD_HOSTS = ("zillizcloud.com", "cloud.zilliz.com", "zilliz.com.cn")
# Of early 2.4, and since.
_FINE = (0, 200)
_REFUSED = (401, 403, 1800)
_POLL_SECONDS = 2.0
# Questions in a row that may have no answer: the job goes on meanwhile.
_UNANSWERED = 10
# Without any progress. What is imported last is indexed, of which no progress is told.
STALLED_SECONDS = 3600.0
_HTTP = {"http": "http", "https": "https", "tcp": "http"}


@dataclass(frozen=True, kw_only=True)
class ImportTarget:
    """A collection that files are imported into.

    Attributes:
        server: Has it.
        collection: Its own name.
        db_name: Of its database, where one was given.
        place: Where the files are.
    """

    server: Server
    collection: str
    db_name: str | None
    place: Place

    @property
    def is_cloud(self) -> bool:
        """Whether it is in Zilliz Cloud, which imports by another address, and from any bucket."""
        return (urlsplit(self.server.uri).hostname or "").endswith(_CLOUD_HOSTS)

    @property
    def url(self) -> str:
        """Where jobs are asked for."""
        address = urlsplit(self.server.uri)
        return _CLOUD if self.is_cloud else f"{_HTTP.get(address.scheme, 'http')}://{address.netloc}"

    @property
    def is_possible(self) -> bool:
        """Whether the job can be asked for here: Milvus reads its own bucket only, and the cloud needs keys to it."""
        is_http = urlsplit(self.server.uri).scheme in _HTTP
        return self.server.imports and is_http and self.place.bucket is not None and not self.is_cloud

    def request(self, names: Sequence[str]) -> dict[str, Any]:
        """What a job is asked by.

        Args:
            names: Of the files.
        """
        asked: dict[str, Any] = {"collectionName": self.collection}
        if self.db_name:
            asked["dbName"] = self.db_name
        if self.is_cloud:
            folder = self.place.shown if self.place.bucket else f"s3://BUCKET/{_last(self.place)}"
            cluster = (urlsplit(self.server.uri).hostname or "").partition(".")[0]
            urls = [[f"{folder}/{name}"] for name in names]
            return {**asked, "clusterId": cluster, "objectUrls": urls, "accessKey": "KEY", "secretKey": "SECRET"}
        folder = self.place.path if self.place.bucket else _last(self.place)
        return {**asked, "files": [[f"{folder}/{name}"] for name in names]}

    def instructions(self, names: Sequence[str]) -> str:
        """What to do where the job is not asked for here."""
        if not self.server.imports:
            files = [f"{self.place.path if self.place.bucket else _last(self.place)}/{name}" for name in names]
            database = f", db_name={self.db_name!r}" if self.db_name else ""
            program = (
                "import os; from pymilvus import connections, utility; "
                f"connections.connect(uri={self.server.uri!r}, token=os.getenv('MILVUS_RAG_TOKEN', ''){database}); "
                f"[print(utility.do_bulk_insert({self.collection!r}, [file])) for file in {files!r}]"
            )
            return (
                f"Milvus {self.server.version} has no import jobs over HTTP, which came with 2.4. "
                f"{self._where_to()}Then run: python -c {shlex.quote(program)}"
            )
        request = f"{self.place.shown.rstrip('/')}/{REQUEST_FILE}"
        if self.place.bucket:
            before = f"Fetch {request}. "
            request = REQUEST_FILE
        else:
            before = self._where_to()
        if self.is_cloud:
            before += f"Put the key and the secret of the bucket into {request}. "
        return (
            f"{before}Then run: curl -X POST {self.url}{_CREATE} -H 'Content-Type: application/json' "
            f'-H "Authorization: Bearer $MILVUS_RAG_TOKEN" -d @{shlex.quote(request)}'
        )

    def _where_to(self) -> str:
        if self.place.bucket:
            return ""
        bucket = (
            f"a bucket, and its name into {REQUEST_FILE}"
            if self.is_cloud
            else "the bucket that Milvus keeps its data in"
        )
        return f"Put the folder {self.place.shown} as {_last(self.place)!r} into {bucket}. "


def run_import(
    target: ImportTarget,
    names: Sequence[str],
    *,
    token: str | None,
    timeout: float,
    poll_seconds: float = _POLL_SECONDS,
    stalled_seconds: float = STALLED_SECONDS,
) -> str:
    """Have Milvus import files, and wait until it has.

    Args:
        target: Where to.
        names: Of the files.
        token: ``user:password``, or an API key.
        timeout: Seconds for a request.
        poll_seconds: Between two questions how far it is.
        stalled_seconds: Without progress, after which nobody waits any more.

    Returns:
        The job's id.

    Raises:
        StoreError: The job failed, or makes no progress; see the subclasses for what else.
    """
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=target.url, headers=headers, timeout=timeout) as client:
        created = _ask(client, target, _CREATE, target.request(names))
        job = str(created.get("jobId") or "")
        if not job:
            raise StoreError(f"{target.url} took the import and named no job: {json.dumps(created):.200}")
        _wait(client, target, job, poll_seconds, stalled_seconds)
        return job


def _wait(client: httpx.Client, target: ImportTarget, job: str, poll_seconds: float, stalled_seconds: float) -> None:
    unanswered, before, since = 0, None, time.monotonic()
    while True:
        asked = {"jobId": job, **({"dbName": target.db_name} if target.db_name else {})}
        try:
            found = _ask(client, target, _DESCRIBE, asked)
            unanswered = 0
        except StoreUnavailableError as exc:
            unanswered += 1
            if unanswered >= _UNANSWERED:
                raise StoreUnavailableError(f"{exc} The import job {job} goes on there.") from exc
            time.sleep(poll_seconds)
            continue
        state = str(found.get("state", "")).lower()
        if state == "completed":
            return
        if state == "failed":
            raise StoreError(
                f"The import job {job} of {target.url} failed: {found.get('reason') or 'no reason is given'!s:.500}. "
                f"The files are in {target.place.shown}, where {REQUEST_FILE} says how to ask for another job."
            )
        progress = (state, found.get("progress"), found.get("importedRows"))
        if progress != before:
            before, since = progress, time.monotonic()
        elif time.monotonic() - since > stalled_seconds:
            raise StoreError(
                f"The import job {job} of {target.url} made no progress for {stalled_seconds:.0f} s: it is "
                f"{found.get('state')!r}, {found.get('progress')} %. It may still end; ask {_DESCRIBE} for it."
            )
        time.sleep(poll_seconds)


def _ask(client: httpx.Client, target: ImportTarget, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    where = f"{target.url}{path}"
    try:
        response = client.post(path, json=body)
    except httpx.HTTPError as exc:
        raise StoreUnavailableError(f"{where} did not answer ({type(exc).__name__}). The files are whole.") from None
    if response.status_code in _REFUSED:
        raise StoreAuthenticationError(
            f"{where} refused the token (HTTP {response.status_code}); correct it (--token)."
        )
    if response.status_code >= 500 or response.status_code == 429:
        raise StoreUnavailableError(f"{where} answered HTTP {response.status_code}. The files are whole.")
    try:
        answer = response.json()
        code, data = answer["code"], answer.get("data") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise StoreError(f"{where} answered HTTP {response.status_code}, and not as Milvus does.") from None
    if code in _REFUSED:
        raise StoreAuthenticationError(f"{where} refused the token; correct it (--token).")
    if code not in _FINE or not isinstance(data, Mapping):
        raise StoreError(f"{where} refused the import (code {code}): {answer.get('message', '')!s:.500}")
    return data


def _last(place: Place) -> str:
    return place.path.rstrip("/").rpartition("/")[2]
