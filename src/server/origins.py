"""Pages of other sites: whose may talk to this server through their readers' browsers.

Source of the rules: https://fetch.spec.whatwg.org/#http-cors-protocol and https://www.w3.org/TR/fetch-metadata/.
"""

import re
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .setting_fields import ANY_ORIGIN

_METHODS: Final = "GET, POST"
# Beside those that every page may read.
_EXPOSED: Final = "X-Request-ID, Retry-After, WWW-Authenticate"
# Clients send many headers of their own, such as OpenAI's x-stainless-os. None of them gives a page any right here.
_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:[ \t]*,[ \t]*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")
_ASKED_BEFORE_SECONDS: Final = 600
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Which origins are allowed.

    Args:
        allowed: Such as ``https://docs.example.org``; `ANY_ORIGIN` for all.
    """

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = frozenset(allowed)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self._allowed)

    def allow(self, origin: str | None) -> bool:
        """Whether pages of an origin may read answers."""
        return origin is not None and (ANY_ORIGIN in self._allowed or origin.lower() in self._allowed)

    def is_foreign(self, method: str, headers: Mapping[str, str]) -> bool:
        """Whether a request is one that another site's page makes its reader's browser send without being allowed to.

        Browsers send it before they find out that the page may not read the answer; what it costs is spent then.
        """
        if method in _READING or self.allow(headers.get("origin")):
            return False
        if (site := headers.get("sec-fetch-site")) is not None:
            return site not in ("same-origin", "none")
        origin = headers.get("origin")
        # Older browsers do not say the first; programs say neither.
        hosts = (headers.get("host", ""), headers.get("x-forwarded-host", ""))
        return origin is not None and not any(_is_of(origin, host) for host in hosts)


class CrossOrigin:
    """Answers browsers that ask first, and tells them which pages may read an answer.

    Around everything else, so that pages may read errors too.

    Args:
        app: What answers.
        origins: Whose pages.
    """

    def __init__(self, app: ASGIApp, *, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with what browsers have to know of its answer."""
        if scope["type"] != "http" or not self._origins:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS" and origin is not None and "access-control-request-method" in headers:
            await self._answer_preflight(headers, origin, send)
            return

        async def send_told(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                told.add_vary_header("Origin")
                if origin is not None and self._origins.allow(origin):
                    told["Access-Control-Allow-Origin"] = origin
                    told["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_told)

    async def _answer_preflight(self, asked: Headers, origin: str, send: Send) -> None:
        """Say what a page may send. No key comes with the question, so none is asked for."""
        told = MutableHeaders({"Vary": "Origin, Access-Control-Request-Headers", "Content-Length": "0"})
        if self._origins.allow(origin):
            told["Access-Control-Allow-Origin"] = origin
            told["Access-Control-Allow-Methods"] = _METHODS
            told["Access-Control-Max-Age"] = str(_ASKED_BEFORE_SECONDS)
            names = asked.get("access-control-request-headers", "")
            if _HEADER_NAMES.fullmatch(names):
                told["Access-Control-Allow-Headers"] = names
            if asked.get("access-control-request-private-network") == "true":
                told["Access-Control-Allow-Private-Network"] = "true"
        status = 204 if self._origins.allow(origin) else 403
        await send({"type": "http.response.start", "status": status, "headers": told.raw})
        await send({"type": "http.response.body", "body": b""})


def _is_of(origin: str, host: str) -> bool:
    """Whether an origin is that of a Host header. A proxy may leave the port out of it."""
    place = origin.lower().partition("://")[2]
    host = host.lower()
    if re.search(r":[0-9]+$", host) is None:
        place = re.sub(r":[0-9]+$", "", place)
    return place == host != ""
