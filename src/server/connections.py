"""Connections: how many there may be, how long one may be without a request, and which makes room for another.

uvicorn waits for the head of a request as long as a client likes, and takes connections until the process has no file
left; both without a key. So this is uvicorn's own protocol with a clock and a count. A newcomer is never turned away
while others only wait: the client that has the most waiting connections loses its oldest one.
"""

import asyncio
import resource
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

# Files that the process has open anyway: modules, the database, channels of gRPC, the log.
_OWN_FILES: Final = 64
ACCEPTED_AT_ONCE: Final = 64
"""Connections that are accepted before any of them is counted."""
# A connection takes some 30 kB.
_MOST_CONNECTIONS: Final = 4096
_FEWEST_CONNECTIONS: Final = 16


def connection_limit(wanted: int | None, *, in_progress: int, files: int | None = None) -> int:
    """How many connections there may be, so that files are left for all else.

    Args:
        wanted: What the operator says; None for as many as there can be, up to 4,096.
        in_progress: Requests that are answered at once, each of which may call a model.
        files: Files that the process may have open; by default what the system says.
    """
    if files is None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted or _MOST_CONNECTIONS
    if files == resource.RLIM_INFINITY:
        return limit
    return min(limit, max(_FEWEST_CONNECTIONS, files - _OWN_FILES - ACCEPTED_AT_ONCE - in_progress))


class Connections:
    """The open connections of a server, and which of them wait for a request.

    Args:
        limit: How many there may be.
        head_timeout: Seconds until the head of a request must be there, from the opening of the connection or from the
            end of the answer before.
        send_timeout: Seconds in which a client must take up something of what it is sent.
    """

    def __init__(self, *, limit: int, head_timeout: float, send_timeout: float) -> None:
        self.head_timeout = head_timeout
        self.send_timeout = send_timeout
        self._limit = limit
        self._open: set[Connection] = set()
        # By client, the oldest first.
        self._waiting: dict[str, dict[Connection, None]] = {}

    def protocol(self, **arguments: Any) -> "Connection":
        """The protocol of one more connection, as uvicorn asks for it."""
        return Connection(self, **arguments)

    def opened(self, connection: "Connection") -> None:
        """Count a connection that was opened, and make room for it."""
        self._open.add(connection)
        self.waits(connection)
        if len(self._open) > self._limit:
            most = max(self._waiting.values(), key=len)
            next(iter(most)).drop()

    def waits(self, connection: "Connection") -> None:
        """A connection has no request that is being answered."""
        if connection in self._open:
            self._waiting.setdefault(connection.peer, {}).setdefault(connection)

    def works(self, connection: "Connection") -> None:
        """A request of a connection is being answered."""
        waiting = self._waiting.get(connection.peer, {})
        waiting.pop(connection, None)
        if not waiting:
            self._waiting.pop(connection.peer, None)

    def closed(self, connection: "Connection") -> None:
        """Count a connection no longer."""
        self._open.discard(connection)
        self.works(connection)


class Connection(H11Protocol):
    """One connection: uvicorn's, with an end to its waiting.

    Args:
        connections: All of them.
        arguments: uvicorn's.
    """

    def __init__(self, connections: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._connections = connections
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """Address of the other end; a proxy's, where there is one."""
        return self.client[0] if self.client else ""

    def drop(self) -> None:
        """Close it at once, whatever is still to be sent."""
        self._connections.closed(self)
        self._stop_timers()
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client is there."""
        super().connection_made(transport)
        self._look()
        self._connections.opened(self)

    def data_received(self, data: bytes) -> None:
        """Something arrived: a part of a head, the rest of it, a body."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer is complete; the next request may have arrived before."""
        super().on_response_complete()
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, from whichever end."""
        self._connections.closed(self)
        self._stop_timers()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More is to be sent than the client has taken up."""
        super().pause_writing()
        self._send_timer = self.loop.call_later(self._connections.send_timeout, self.drop)

    def resume_writing(self) -> None:
        """The client has taken up most of it."""
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _look(self) -> None:
        """Find out whether it waits for a request. What is left of a body that was refused unread is no request."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering:
            self._connections.works(self)
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None and not self.transport.is_closing():
            self._connections.waits(self)
            self._head_timer = self.loop.call_later(self._connections.head_timeout, self.drop)

    def _stop_timers(self) -> None:
        for timer in (self._head_timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._send_timer = None
