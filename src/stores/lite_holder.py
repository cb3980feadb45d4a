"""Milvus Lite in the process that a store came from, which has the database open and answers others on loopback."""

import os
import platform
import socket
from collections.abc import Callable
from typing import NamedTuple, Self
from urllib.parse import urlsplit

_CONNECT_SECONDS = 2.0


class LiteHolder(NamedTuple):
    """A process that has a database open.

    Attributes:
        machine: Where it runs.
        process: Its number.
        address: What it answers at.
    """

    machine: str
    process: int
    address: str

    @classmethod
    def of(cls, process: int, address: str) -> Self:
        """One on this machine."""
        return cls(platform.node(), process, address)

    @property
    def answers(self) -> bool:
        """Whether it is still there."""
        if self.machine != platform.node() or not _is_alive(self.process):
            return False
        parts = urlsplit(self.address)
        try:
            socket.create_connection((parts.hostname or "", parts.port or 0), _CONNECT_SECONDS).close()
        except OSError:
            return False
        return True


class ElsewhereLite:
    """A database that another process has open. Nothing of it is ours to close.

    Args:
        holder: The other process.
    """

    def __init__(self, holder: LiteHolder) -> None:
        self.holder = holder
        self.address = holder.address

    @classmethod
    def found(cls, holder: LiteHolder | None, open_here: Callable[[], bool]) -> Self | None:
        """The database at its holder, unless this process can open it itself.

        Args:
            holder: Who may have it open.
            open_here: Opens it; whether that went well.
        """
        if holder is None or holder.process == os.getpid() or not holder.answers or open_here():
            return None
        return cls(holder)

    @property
    def is_running(self) -> bool:
        """Whether it is still there."""
        return self.holder.answers

    def close(self) -> None:
        """Leave it as it is."""


def _is_alive(process: int) -> bool:
    if os.name != "posix":
        # There a signal would end it; that something answers has to do.
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
