"""A file from the web, into a temporary file with a limit on its size."""

import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from ..errors import InputError, LoaderError, SourceNotFoundError, SourceTooLargeError


def is_url(path: str) -> bool:
    """Whether a path is an http(s) URL.

    Raises:
        InputError: It is a URL of another scheme, or one without a host.
    """
    scheme, separator, _ = path.partition("://")
    if not separator or not scheme.isalnum():
        return False
    if scheme.lower() not in ("http", "https"):
        raise InputError(f"{scheme}:// is not understood. Give a file, a folder, a .zip, or an http(s) URL.")
    try:
        parts = urlsplit(path)
        # With a port that is no number: most likely a password with a '/' or '#', which no message may show.
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if not host:
        raise InputError("The URL has no host that can be understood. Write it as https://host/path/file.zip.")
    return True


def public_url(url: str) -> str:
    """The URL without a user's name and password, and without its query, which may hold a signature."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def public_path(path: str) -> str:
    """A path of files as results and messages show it: of a URL what `public_url` leaves, anything else as it is."""
    return public_url(path) if is_url(path) else path


def file_name(url: str) -> str:
    """The name of the file that a URL's path ends with, or else the host."""
    parts = urlsplit(url)
    name = unquote(parts.path.rstrip("/").rpartition("/")[2]).replace("/", "_")
    return name or parts.netloc.rpartition("@")[2]


class Download:
    """A URL's content in a temporary file, which is gone when it is closed, or else with this object.

    Args:
        url: http or https; redirects are followed.
        max_bytes: Limit on the size of the download.
        timeout: Seconds to connect, and between two pieces of the answer.

    Attributes:
        path: The file.

    Raises:
        SourceNotFoundError: The server answers 404 or 410.
        SourceTooLargeError: The file is over the limit.
        LoaderError: It cannot be downloaded for another reason, or is a page for people.
    """

    def __init__(self, url: str, *, max_bytes: int, timeout: float) -> None:
        folder = tempfile.mkdtemp(prefix="milvus-rag-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder) / "download"
        try:
            _fetch(url, self.path, max_bytes, timeout)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the file."""
        self._remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class KeptDownload:
    """At most one download, which a later reader takes. A deep copy begins without."""

    def __init__(self) -> None:
        self._kept: list[Download] = []

    def put(self, download: Download) -> None:
        """Keep a download in place of the one before."""
        self.close()
        self._kept.append(download)

    def take(self) -> Download | None:
        """The download, which is the caller's from now on."""
        try:
            return self._kept.pop()
        except IndexError:
            return None

    def close(self) -> None:
        """Remove what is kept."""
        while (download := self.take()) is not None:
            download.close()

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


def _fetch(url: str, path: Path, max_bytes: int, timeout: float) -> None:
    shown = public_url(url)
    # A zip does not get smaller on the way; what is compressed all the same is counted as it comes out.
    headers = {"Accept-Encoding": "identity", "User-Agent": "milvus-rag"}
    try:
        with (
            httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=timeout) as response,
            path.open("wb") as file,
        ):
            _check_answer(response, shown, max_bytes)
            size = 0
            for piece in response.iter_bytes():
                size += len(piece)
                _check_size(size, shown, max_bytes)
                file.write(piece)
    except httpx.TimeoutException as exc:
        raise LoaderError(
            f"{shown} did not answer within {timeout:g} s. Try again, or give the loader a longer timeout."
        ) from exc
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise LoaderError(
            f"{shown} cannot be downloaded: {str(exc) or type(exc).__name__}. Check the address and the network."
        ) from exc


def _check_answer(response: httpx.Response, shown: str, max_bytes: int) -> None:
    if response.status_code in (404, 410):
        raise SourceNotFoundError(f"There is nothing at {shown} (HTTP {response.status_code}). Check the address.")
    if response.status_code in (401, 403):
        raise LoaderError(f"{shown} wants other credentials (HTTP {response.status_code}), or none may read it.")
    if not response.is_success:
        raise LoaderError(f"{shown} cannot be downloaded: HTTP {response.status_code} {response.reason_phrase}.")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise LoaderError(
            f"{shown} is a web page (text/html), not Markdown or a zip. Give the address of the raw file or archive, "
            f"or of a site, which ends with a slash."
        )
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal():
        _check_size(int(announced), shown, max_bytes)


def _check_size(size: int, shown: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise SourceTooLargeError(
            f"{shown} has more than {max_bytes:,} bytes. Raise max_total_bytes if the server is trusted."
        )
