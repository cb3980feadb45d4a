"""The sockets that the server listens on."""

import errno
import socket
from collections.abc import Sequence
from typing import Any

from ..errors import SettingsError


def address_of(listener: socket.socket, root_path: str = "") -> str:
    """The URL of the chat page."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{root_path}/"


def listen(host: str, port: int) -> list[socket.socket]:
    """Open the sockets that the server will listen on: one for each address of the name that there is on this machine.

    ``localhost`` has two, and clients differ in which of them they try.

    Raises:
        SettingsError: There is no such address here, or the port is taken.
    """
    listeners: list[socket.socket] = []
    problem: OSError | None = None
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError as exc:
        found, problem = [], exc
    for family, kind, protocol, _, address in dict.fromkeys(found):
        # With the protocol: asyncio sends small packets at once only on sockets that name it, and else every answer
        # waits 40 ms for the client's delayed acknowledgement.
        try:
            listener = socket.socket(family, kind, protocol)
        except OSError as exc:
            # A machine without IPv6.
            problem = exc
            continue
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # Else it would take the port of the other address too.
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, _is_one_of_several(found))
            # One that was free is the port of all.
            free = listeners[0].getsockname()[1] if listeners else port
            listener.bind((address[0], free, *address[2:]))
        except OSError as exc:
            listener.close()
            problem = exc
            if port and exc.errno == errno.EADDRINUSE:
                # Somebody else is there: half of the name would lead to us, the other half to him.
                for opened in listeners:
                    opened.close()
                listeners.clear()
                break
        else:
            listeners.append(listener)
    if not listeners:
        reason = problem.strerror or problem if problem else "it has no address"
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {reason}. Choose another with --host and --port."
        ) from problem
    return listeners


def _is_one_of_several(found: Sequence[tuple[Any, ...]]) -> bool:
    return len({family for family, *_ in found}) > 1
