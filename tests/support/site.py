"""A site on loopback: pages with versions, sitemaps, and whatever else a test puts there."""

import gzip
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from .file_server import Answer, answer, file_server


class Site:
    """What a site answers.

    Attributes:
        url: Its address, with a slash at its end.
        requests: What was asked (``"GET /a/"``), in order.
        loaded: Paths of pages whose content was sent.
    """

    def __init__(self, url: str, answers: dict[str, Answer], requests: list[str]) -> None:
        self.url = f"{url}/"
        self.answers = answers
        self.requests = requests
        self.loaded: list[str] = []

    def page(self, path: str, text: str, *, links: tuple[str, ...] = ()) -> None:
        """Put a page somewhere, with what stands around the text on a site, and a version."""
        around = "".join(f'<a href="{link}">to {link}</a>' for link in links)
        title = path.strip("/") or "start"
        body = (
            f"<html><head><title>{title} | A site</title></head><body><nav>Navigation {around}</nav>"
            f"<main><h1>{title.capitalize()}</h1><p>{text}</p></main><footer>All rights.</footer></body></html>"
        ).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:8]}"'

        def write(handler: BaseHTTPRequestHandler) -> None:
            if handler.headers["If-None-Match"] == etag:
                _written(answer(304, ETag=etag), handler)
                return
            self.loaded.append(path)
            _written(answer(body=body, Content_Type="text/html; charset=utf-8", ETag=etag), handler)

        self.answers[path] = write

    def sitemap(self, path: str, *paths: str, packed: bool = False, index: bool = False, cut: int = 0) -> None:
        """Put a sitemap somewhere: packed, one of sitemaps, or cut off."""
        root, entry = ("sitemapindex", "sitemap") if index else ("urlset", "url")
        entries = "".join(f"<{entry}><loc>{self.url.rstrip('/')}{found}</loc></{entry}>" for found in paths)
        text = f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>'.encode()
        text = text[: len(text) - cut]
        self.answers[path] = gzip.compress(text) if packed else text

    def status(self, path: str, status: int, **headers: str) -> None:
        """Let a path answer with a status."""
        self.answers[path] = answer(status, **headers)

    def robots(self, *lines: str) -> None:
        """Say what may be loaded."""
        self.answers["/robots.txt"] = "\n".join(lines).encode()


def _written(found: Answer, handler: BaseHTTPRequestHandler) -> None:
    assert callable(found)
    found(handler)


@contextmanager
def site() -> Iterator[Site]:
    """Serve a site that is empty at first."""
    answers: dict[str, Answer] = {}
    with file_server(answers) as (url, requests):
        yield Site(url, answers, requests)
