"""A limit on how many questions one client may ask in a minute."""

import asyncio
import math
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from .allowances import Allowances, client_of
from .failures import RefusedRequestError

_MINUTE = 60.0


class RequestRate:
    """Refuses the requests of a client that sends too many.

    Args:
        app: What answers.
        a_minute: How many a client may send in a minute, as one burst or spread over it; None for any number.
        applies_to: Whether a request is one of those that cost something.
    """

    def __init__(self, app: ASGIApp, *, a_minute: int | None, applies_to: Callable[[Scope], bool]) -> None:
        self._app = app
        self._allowances = Allowances(at_once=a_minute, seconds=_MINUTE / a_minute) if a_minute else None
        self._applies_to = applies_to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or not.

        Raises:
            RefusedRequestError: The client has sent too many.
        """
        if self._allowances is not None and scope["type"] == "http" and self._applies_to(scope):
            client, now = client_of(scope), asyncio.get_running_loop().time()
            wait = self._allowances.wait(client, now)
            if wait:
                raise RefusedRequestError(
                    429, "Too many questions in a minute. Try again later.", {"Retry-After": str(math.ceil(wait))}
                )
            self._allowances.take(client, now)
        await self._app(scope, receive, send)
