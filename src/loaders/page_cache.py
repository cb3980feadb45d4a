"""Pages as they were last loaded, in a folder, so that a server is asked only whether they have changed.

It may be removed at any time: then each page is loaded once more. What is indexed is known by the collection alone.
"""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class CachedPage(NamedTuple):
    """A page as it was loaded.

    Attributes:
        url: Where it was after redirects.
        kind: Its media type, with its parameters.
        etag: Its version, as the server calls it; empty where it does not.
        modified: When it was changed, as the server writes it; empty where it does not.
        body: Its content.
    """

    url: str
    kind: str
    etag: str
    modified: str
    body: bytes


class PageCache:
    """Pages by URL.

    Args:
        folder: Made when the first page is kept; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, url: str) -> CachedPage | None:
        """A page; None where there is none that can be read."""
        if self._folder is None:
            return None
        try:
            head, _, body = self._path(url).read_bytes().partition(b"\n")
            asked, *fields = json.loads(head)
            if asked != url or not all(isinstance(field, str) for field in fields):
                return None
            kept_url, kind, etag, modified = fields
            return CachedPage(kept_url, kind, etag, modified, body)
        except (OSError, ValueError, TypeError):
            return None

    def put(self, url: str, page: CachedPage) -> None:
        """Keep a page whose server can be asked whether it has changed; a folder that cannot be written keeps none."""
        if self._folder is None or not (page.etag or page.modified):
            return
        with suppress(OSError):
            # Pages behind a password are nobody else's.
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, name = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(json.dumps([url, *page[:-1]]).encode() + b"\n" + page.body)
            Path(name).replace(self._path(url))

    def _path(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
        return (self._folder or Path()) / digest[:40]


def default_cache() -> Path:
    """Where pages are kept: ``milvus-rag/sites`` in the user's folder for such files."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "milvus-rag" / "sites"
