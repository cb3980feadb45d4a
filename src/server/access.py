"""Who may talk to the server: by key, by host name, and on which addresses it may listen at all."""

import asyncio
import hmac
import ipaddress
import logging
import math
import socket
from collections.abc import Callable
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from ..errors import SettingsError
from .allowances import Allowances, client_of
from .failures import RefusedRequestError
from .origins import Origins
from .playground_passes import PlaygroundPasses, way_to_the_page
from .settings import ServerSettings

logger = logging.getLogger(__name__)

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")
# Keys that a client may try one directly after the other, seconds until it may try another, and how many may be waiting
# for that: who sends more at once is told to come back.
_TRIES: Final = 10
_SECONDS_A_TRY: Final = 1.0
_WAITING_TRIES: Final = 5
# At the rate at which wrong keys may be tried, one of 12 letters is out of reach.
_SHORTEST_KEY: Final = 12


class Access:
    """Refuses requests without the key, requests for hosts that this server is not, and those of other sites' pages.

    Args:
        app: What answers.
        settings: The key and the hosts.
        origins: Whose pages may ask.
        passes: What the playground has in place of the key.
        is_public: Whether a request needs no key.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: ServerSettings,
        origins: Origins,
        passes: PlaygroundPasses,
        is_public: Callable[[Scope], bool],
    ) -> None:
        self._app = app
        key = settings.server_key.get_secret_value() if settings.server_key else ""
        self._expected = f"Bearer {key}".encode() if key else None
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._origins = origins
        self._passes = passes
        self._is_public = is_public
        self._tries = Allowances(at_once=_TRIES, seconds=_SECONDS_A_TRY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or not.

        Raises:
            RefusedRequestError: It may not pass.
        """
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if self._hosts and not self._answers_for(_host_name(headers.get(b"host", b""))):
                # A web page elsewhere could give its own name this server's address, and read it through the browser.
                raise RefusedRequestError(421, "This server does not answer for that host name.")
            if self._expected is None:
                # With a key nothing is lost: a page of another site does not have it.
                self._check_site(scope)
            elif not self._is_public(scope):
                given = headers.get(b"authorization", b"")
                if given or not self._passes.admits(scope):
                    await self._check_key(given, scope)
        await self._app(scope, receive, send)

    def _answers_for(self, name: str) -> bool:
        # Where this machine is meant, by any of its own addresses: nobody can give these to a name of his.
        return name in self._hosts or ("localhost" in self._hosts and is_loopback(name))

    def _check_site(self, scope: Scope) -> None:
        if self._origins.is_foreign(scope["method"], Headers(scope=scope)):
            # A browser sends it for any page that somebody looks at, who pays for the answer.
            raise RefusedRequestError(
                403, "This server does not answer pages of other sites. Its operator may allow some (--allow-origin)."
            )

    async def _check_key(self, given: bytes, scope: Scope) -> None:
        if not given:
            if place := way_to_the_page(scope):
                raise RefusedRequestError(303, "The playground is opened from the chat page.", {"Location": place})
            # What a browser does first is no try.
            raise _refused_key()
        client = client_of(scope)
        now = asyncio.get_running_loop().time()
        wait = self._tries.wait(client, now)
        if wait > _WAITING_TRIES * _SECONDS_A_TRY:
            # Not looked at, or many at once would find the key as fast as ever.
            raise RefusedRequestError(
                429, "Too many wrong keys. Try again in a moment.", {"Retry-After": str(math.ceil(wait))}
            )
        self._tries.take(client, now)
        if wait:
            await asyncio.sleep(wait)
        scheme, _, key = given.partition(b" ")
        # The name of the scheme has no case: RFC 9110, 11.1.
        normalised = b"Bearer " + key.strip() if scheme.lower() == b"bearer" else given
        if not hmac.compare_digest(normalised, self._expected or b""):
            raise _refused_key()
        self._tries.give_back(client)


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


def warn_of_short_key(settings: ServerSettings) -> None:
    """Say it where others can reach a server whose key can be guessed."""
    length = len(settings.server_key.get_secret_value()) if settings.server_key else _SHORTEST_KEY
    if length < _SHORTEST_KEY and not is_loopback(settings.host):
        logger.warning(
            "The server's key has %d characters, and others can reach --host %s: it can be guessed. Set "
            "MILVUS_RAG_SERVER_KEY to a long random text.",
            length,
            settings.host,
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
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        try:
            # The short forms, such as 127.1.
            address = ipaddress.ip_address(socket.inet_aton(host))
        except OSError:
            return False
    # Python before 3.13 asks the longer address only.
    inner = getattr(address, "ipv4_mapped", None)
    return (inner or address).is_loopback


def _refused_key() -> RefusedRequestError:
    return RefusedRequestError(
        401, "The server needs its key, as a bearer token.", {"WWW-Authenticate": 'Bearer realm="milvus-rag"'}
    )


def _host_name(header: bytes) -> str:
    """The name in a Host header, without its port."""
    name = header.decode("latin-1").strip().lower()
    if name.startswith("["):
        return name.partition("]")[0] + "]"
    return name.partition(":")[0]
