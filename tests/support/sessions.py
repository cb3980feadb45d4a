"""What all processes of one run of the tests share: a folder, and Milvus servers in it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .shared_servers import Start

# Where what they share is.
FOLDER = pytest.StashKey[Path]()
# The process that started all others.
_OWNER = pytest.StashKey[int]()
_SERVERS = pytest.StashKey[list[subprocess.Popen[bytes]]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, or take the one of the process that started this one."""
    given = getattr(config, "workerinput", {})
    config.stash[FOLDER] = Path(given.get("folder") or tempfile.mkdtemp(prefix="milvus-rag-session-"))
    config.stash[_OWNER] = given.get("owner") or os.getpid()
    config.stash[_SERVERS] = []


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist the folder."""
    node.workerinput.update(folder=str(node.config.stash[FOLDER]), owner=os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the servers when all processes are through."""
    if hasattr(config, "workerinput"):
        return
    folder = config.stash[FOLDER]
    started = [found.parent for found in folder.glob("*/server.json")]
    if started:
        from .shared_servers import stop_shared_server

        for server in started:
            stop_shared_server(server)
        for process in config.stash[_SERVERS]:
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_uri(pytestconfig: pytest.Config) -> str:
    """URI of a real Milvus server that runs for the whole session and all its processes; it has no full-text search."""
    # Not at the top: most tests need no pymilvus, which takes seconds to import.
    from .milvus_server import start

    return _shared(pytestconfig, "milvus", start)


@pytest.fixture(scope="session")
def core_uri(pytestconfig: pytest.Config) -> str:
    """URI of a second kind of Milvus that runs for the whole session and all its processes; see `core_server`."""
    from .core_server import CannotBeInstalledError, installed, start

    try:
        installed()
    except CannotBeInstalledError as exc:
        pytest.skip(str(exc))
    return _shared(pytestconfig, "core", start)


def _shared(config: pytest.Config, name: str, start: "Start") -> str:
    from .shared_servers import shared_server

    uri, process = shared_server(config.stash[FOLDER] / name, config.stash[_OWNER], start)
    if process is not None:
        # It is still running when this process ends, about which nobody has to be warned.
        config.stash[_SERVERS].append(process)
    return uri
