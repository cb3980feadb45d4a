"""Whether a browser sends a request for a page of another site, without being asked by whoever looks at it."""

from starlette.types import Scope

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# "none" is somebody who typed the address; what is "same-site" only may belong to somebody else.
_OWN = frozenset({b"same-origin", b"none"})


def is_from_another_site(scope: Scope) -> bool:
    """Whether another site has a browser send a request that does something.

    By what browsers say of it: ``Sec-Fetch-Site`` (https://www.w3.org/TR/fetch-metadata/), which they send to this
    machine and over HTTPS, else ``Origin``. Other clients say neither.
    """
    if scope["method"] in _SAFE_METHODS:
        return False
    headers = dict(scope["headers"])
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OWN
    origin = headers.get(b"origin")
    if origin is None:
        return False
    asked = {headers[name].decode("latin-1").lower() for name in (b"host", b"x-forwarded-host") if name in headers}
    return origin.decode("latin-1").lower().partition("://")[2] not in asked
