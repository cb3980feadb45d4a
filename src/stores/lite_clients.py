"""Who else in this process is connected to Milvus Lite.

Milvus Lite's `server_manager` starts one server a path and counts nobody; pymilvus counts the clients of each
connection. Some of it has no public name: where a later release has none of that name either, only the public ones
count.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any


def is_used_by_others(path: str) -> bool:
    """Whether anybody has a client on a database, when all of ours are closed."""
    address = server_address(path)
    return address is not None and any(connected == address for connected in _connected())


def server_address(path: str) -> str | None:
    """Host and port of the server that this process runs on a database; None where it runs none."""
    port = next((entry[2] for entry in _servers(path)), None)
    return None if port is None else f"127.0.0.1:{port}"


def forget_server(path: str) -> object:
    """Have this process not know a server that another process runs. Returns it."""
    try:
        from milvus_lite.server_manager import server_manager_instance
    except ImportError:
        return None
    return getattr(server_manager_instance, "_servers", {}).pop(str(Path(path).absolute()), None)


def _servers(path: str) -> Iterator[Any]:
    try:
        from milvus_lite.server_manager import server_manager_instance
    except ImportError:
        return
    found = getattr(server_manager_instance, "_servers", {}).get(str(Path(path).absolute()))
    if found is not None:
        yield found


def _connected() -> Iterator[str]:
    """The address of each client of pymilvus that is open: `MilvusClient`, its async twin, and the older interface."""
    try:
        from pymilvus.client.connection_manager import AsyncConnectionManager, ConnectionManager
    except ImportError:
        pass
    else:
        for connection in ConnectionManager.get_instance().get_stats()["connections"]:
            if connection["client_count"]:
                yield connection["address"]
        for manager in list(getattr(AsyncConnectionManager, "_instances", {}).values()):
            for managed in [*manager._registry.values(), *manager._dedicated.values()]:
                if managed.has_clients:
                    yield managed.config.address
    try:
        from pymilvus import connections
    except ImportError:
        # It is to go with pymilvus 3.1, and warns until then of what it has public names for.
        return
    configurations = getattr(connections, "_alias_config", {})
    for alias in list(getattr(connections, "_alias_handlers", {})):
        yield str(configurations.get(alias, {}).get("address", ""))
