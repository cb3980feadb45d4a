"""Passes for the playground, which cannot send the server's key: it is loaded by address, and its scripts are not ours.

Who has the key gets a pass for it on the page: a cookie that no script reads, that is good for an hour and for nothing
but what the playground asks. It is a time with a code that only the key can make, so that nothing is kept between
requests, and that no server beside this one needs to be told.
"""

import hashlib
import hmac
import re
import time
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from .origins import Origins
from .prefix import route_path

COOKIE: Final = "milvus_rag_playground"
SECONDS: Final = 3600
# What its scripts ask, below the chain that it is of.
_PATH: Final = re.compile(
    r"/(?:rag|answer)/(?:c/[^/]+/)?(?:playground(?:/.*)?|(?:input|output|config)_schema|stream_log)", re.DOTALL
)
_PAGE: Final = re.compile(r"/(rag|answer)/(?:c/[^/]+/)?playground/?")
# As RFC 7914, 2, advises for interactive use: who has a pass cannot try out weak keys on it.
_SCRYPT_COST: Final = 2**14
# No page is a neighbour to whom the cookie would be of use.
_NOBODY: Final = Origins(())


class PlaygroundPasses:
    """Gives passes, and knows them again.

    Args:
        key: The server's.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def give(self, response: Response, *, is_secure: bool) -> None:
        """Set the cookie; for the paths beside that of the request, wherever a proxy has them."""
        until = str(int(time.time()) + SECONDS)
        response.set_cookie(
            COOKIE,
            f"{until}.{self._code(until)}",
            max_age=SECONDS,
            # None: RFC 6265, 5.1.4, has the folder of the request as the browser made it.
            path=None,
            secure=is_secure,
            httponly=True,
            samesite="strict",
        )

    def admits(self, scope: Scope) -> bool:
        """Whether a request is one of the playground's, and has a pass."""
        if not _PATH.fullmatch(route_path(scope)):
            return False
        headers = Headers(scope=scope)
        until, _, code = _cookie(headers.get("cookie", "")).partition(".")
        if not re.fullmatch("[0-9]{1,12}", until) or int(until) < time.time():
            return False
        # Neighbours on the same site send the cookie too, which only the key itself may do from elsewhere.
        return hmac.compare_digest(code.encode(), self._code(until).encode()) and not _NOBODY.is_foreign(
            scope["method"], headers
        )

    def _code(self, until: str) -> str:
        return hmac.new(self._secret, until.encode(), "sha256").hexdigest()

    @cached_property
    def _secret(self) -> bytes:
        return hashlib.scrypt(self._key.encode(), salt=COOKIE.encode(), n=_SCRYPT_COST, r=8, p=1)


def way_to_the_page(scope: Scope) -> str | None:
    """Where somebody who opens a playground without a pass gets one; None where no browser opens one."""
    path = route_path(scope)
    page = _PAGE.fullmatch(path)
    is_reader = scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
    # Relative, for proxies that know the server by another path.
    return f"{'../' * (path.count('/') - 1)}#playground={page[1]}" if page and is_reader else None


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
