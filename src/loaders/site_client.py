"""Pages of one site over HTTP: politely, within limits, and only from where it may be."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx

from ..errors import LoaderError, SourceTooLargeError
from ..retry_after import wait_in_headers
from .addresses import plain_url, public_addresses
from .page_cache import CachedPage

USER_AGENT = "milvus-rag"
_MOST_REDIRECTS = 5
_MOST_TRIES = 3
_USUAL_WAIT, _LONGEST_WAIT = 2.0, 30.0
_BUSY = (429, 503)


class Answer(NamedTuple):
    """What a server answered.

    Attributes:
        status: The status, 304 where the page is as it was.
        page: The page; of a status other than 200 without a body.
    """

    status: int
    page: CachedPage


class SiteClient:
    """Loads pages, one after the other.

    Args:
        per_second: Requests a second.
        timeout: Seconds that a server may be silent.
        max_page_bytes: Limit on a page, as it comes out of its compression.
        max_total_bytes: Limit on all pages together.
        private: Whether private addresses may be asked.
        credentials: User and password for the host of ``origin``, and no other.
        origin: Scheme, host and port that the credentials are for.
        sleep: Waits.
    """

    def __init__(
        self,
        *,
        per_second: float,
        timeout: float,
        max_page_bytes: int,
        max_total_bytes: int,
        private: bool,
        credentials: tuple[str, str] | None = None,
        origin: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.pause = 1 / per_second
        self._timeout = timeout
        self._max_page_bytes = max_page_bytes
        self._left = max_total_bytes
        self._max_total_bytes = max_total_bytes
        self._private = private
        self._auth = httpx.BasicAuth(*credentials) if credentials else None
        self._origin = origin
        self._sleep = sleep
        self._next = 0.0
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self, url: str, known: CachedPage | None = None, *, may_follow: Callable[[str], bool] = lambda _: True
    ) -> Answer:
        """Load a page, or find out that it is as it was.

        Args:
            url: Its URL, as `plain_url` writes it.
            known: What is known of it.
            may_follow: Whether a redirect to a URL may be followed; else the answer is the redirect, with that URL.

        Raises:
            SourceTooLargeError: It is over a limit.
            LoaderError: Its server does not answer, leads round in circles or to where nothing is loaded from.
        """
        headers = {"User-Agent": USER_AGENT, "Accept": "text/html, application/xhtml+xml, text/*;q=0.8, */*;q=0.5"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        if known is not None and known.modified:
            headers["If-Modified-Since"] = known.modified
        at = url
        for _ in range(_MOST_REDIRECTS + 1):
            answer, target = self._ask(at, headers)
            if target is None:
                return answer
            following = plain_url(target, at)
            if following is None:
                raise LoaderError(f"{url} leads to an address that is no page's.")
            at = following
            if not may_follow(at):
                return Answer(answer.status, answer.page._replace(url=at))
        raise LoaderError(f"{url} leads from one address to the next, more than {_MOST_REDIRECTS} times.")

    def _ask(self, url: str, headers: Mapping[str, str]) -> tuple[Answer, str | None]:
        """An answer, and where it leads, if it does."""
        for attempt in range(1, _MOST_TRIES + 1):
            self._wait()
            try:
                with self._stream(url, headers) as response:
                    if response.status_code in _BUSY and attempt < _MOST_TRIES:
                        wait = wait_in_headers(response.headers)
                        self._sleep(min(_USUAL_WAIT if wait is None else wait, _LONGEST_WAIT))
                        continue
                    target = response.headers.get("Location") if response.status_code in range(301, 309) else None
                    body = self._body(url, response) if response.status_code == 200 else b""
                    found = CachedPage(
                        url,
                        response.headers.get("Content-Type", ""),
                        response.headers.get("ETag", ""),
                        response.headers.get("Last-Modified", ""),
                        body,
                    )
                    return Answer(response.status_code, found), target if response.status_code != 304 else None
            except httpx.TimeoutException as exc:
                raise LoaderError(f"{url} did not answer within {self._timeout:g} s.") from exc
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                raise LoaderError(f"{url} cannot be loaded: {str(exc) or type(exc).__name__}.") from exc
        raise LoaderError(f"{url} cannot be loaded: its server is busy.")

    def _stream(self, url: str, headers: Mapping[str, str]) -> "_Streaming":
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = public_addresses(host, port, private=self._private)
        request = self._client.build_request("GET", url, headers=dict(headers), extensions={"sni_hostname": host})
        auth = self._auth if url.startswith(f"{self._origin}/") else None
        # The addresses that were looked at, and no other ones that the name may have by now; a proxy knows its own.
        return _Streaming(self._client, request, auth, [host] if getproxies().get(parts.scheme) else addresses)

    def _body(self, url: str, response: httpx.Response) -> bytes:
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > self._max_page_bytes:
                raise SourceTooLargeError(f"{url} has more than {self._max_page_bytes:,} bytes (max_page_bytes).")
        self._left -= len(body)
        if self._left < 0:
            raise SourceTooLargeError(
                f"The site has more than {self._max_total_bytes:,} bytes (max_total_bytes). What was loaded is indexed."
            )
        return bytes(body)

    @property
    def is_full(self) -> bool:
        """Whether the limit of all bytes was passed."""
        return self._left < 0

    def _wait(self) -> None:
        now = time.monotonic()
        if self._next > now:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self.pause


class _Streaming:
    """A response that is open as long as the block, of the first address that can be connected to."""

    def __init__(
        self, client: httpx.Client, request: httpx.Request, auth: httpx.Auth | None, addresses: Sequence[str]
    ) -> None:
        self._client, self._request, self._auth, self._addresses = client, request, auth, addresses
        self._response: httpx.Response | None = None

    def __enter__(self) -> httpx.Response:
        *others, last = self._addresses
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return self._send(address)
        return self._send(last)

    def _send(self, address: str) -> httpx.Response:
        # The header Host was made of the name already.
        self._request.url = self._request.url.copy_with(host=address)
        self._response = self._client.send(self._request, auth=self._auth, stream=True, follow_redirects=False)
        return self._response

    def __exit__(self, *_: object) -> None:
        if self._response is not None:
            self._response.close()
