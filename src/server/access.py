"""Who may talk to the server: by key, by host name, and on which addresses it may listen at all."""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import SettingsError
from .failures import RefusedRequestError
from .origins import Origins
from .settings import ServerSettings

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


class Access:
    """Refuses requests without the key, requests for hosts that this server is not, and those of other sites' pages.

    Args:
        app: What answers.
        settings: The key and the hosts.
        origins: Whose pages may ask.
        is_public: Whether a request needs no key.
    """

    def __init__(
        self, app: ASGIApp, *, settings: ServerSettings, origins: Origins, is_public: Callable[[Scope], bool]
    ) -> None:
        self._app = app
        key = settings.server_key.get_secret_value() if settings.server_key else ""
        self._expected = f"Bearer {key}".encode() if key else None
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = origins
        self._is_public = is_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or not.

        Raises:
            RefusedRequestError: It may not pass.
        """
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if self._hosts and _host_name(headers.get(b"host", b"")) not in self._hosts:
                # A web page elsewhere could give its own name this server's address, and read it through the browser.
                raise RefusedRequestError(421, "This server does not answer for that host name.")
            if self._expected is None:
                # With a key nothing is lost: a page of another site does not have it.
                self._check_site(scope)
            elif not self._is_public(scope):
                self._check_key(headers.get(b"authorization", b""))
        await self._app(scope, receive, send)

    def _check_site(self, scope: Scope) -> None:
        if self._origins.is_foreign(scope["method"], Headers(scope=scope)):
            raise RefusedRequestError(
                403, "This server does not answer pages of other sites. Its operator may allow some (--allow-origin)."
            )

    def _check_key(self, given: bytes) -> None:
        scheme, _, key = given.partition(b" ")
        # The name of the scheme has no case: RFC 9110, 11.1.
        normalised = b"Bearer " + key.strip() if scheme.lower() == b"bearer" else given
        if not hmac.compare_digest(normalised, self._expected or b""):
            raise RefusedRequestError(
                401, "The server needs its key, as a bearer token.", {"WWW-Authenticate": 'Bearer realm="milvus-rag"'}
            )


def check_binding(settings: ServerSettings) -> None:
    """See that nobody else can reach a server without a key.

    Raises:
        SettingsError: The address is not this machine's own, and there is neither a key nor ``no_auth``.
    """
    if is_loopback(settings.host) or settings.server_key or settings.no_auth:
        return
    raise SettingsError(
        f"--host {settings.host} can be reached by others, so the server needs a key: set MILVUS_RAG_SERVER_KEY to a "
        f"long random text, or say --no-auth when something in front of it checks who asks."
    )


def default_hosts(settings: ServerSettings) -> tuple[str, ...]:
    """Host names to answer for where the operator names none: loopback's, when anybody who gets through may ask."""
    if settings.allowed_hosts or settings.server_key or not is_loopback(settings.host):
        return settings.allowed_hosts
    return LOOPBACK_NAMES


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_name(header: bytes) -> str:
    """The name in a Host header, without its port."""
    name = header.decode("latin-1").strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
