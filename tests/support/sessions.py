"""What all processes of one run of the tests share: a folder, and a real Milvus server in it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

# Where what they share is.
FOLDER = pytest.StashKey[Path]()
# The process that started all others.
_OWNER = pytest.StashKey[int]()
_SERVER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, or take the one of the process that started this one."""
    given = getattr(config, "workerinput", {})
    config.stash[FOLDER] = Path(given.get("folder") or tempfile.mkdtemp(prefix="milvus-rag-session-"))
    config.stash[_OWNER] = given.get("owner") or os.getpid()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a process of pytest-xdist the folder."""
    node.workerinput.update(folder=str(node.config.stash[FOLDER]), owner=os.getpid())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server when all processes are through."""
    if hasattr(config, "workerinput"):
        return
    folder = config.stash[FOLDER]
    if (folder / "server.json").exists():
        from .milvus_server import stop_shared_server

        stop_shared_server(folder)
        if (process := config.stash.get(_SERVER, None)) is not None:
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server_uri(pytestconfig: pytest.Config) -> str:
    """URI of a real Milvus server that runs for the whole session, and for all its processes."""
    # Not at the top: most tests need no pymilvus, which takes seconds to import.
    from .milvus_server import shared_server

    uri, process = shared_server(pytestconfig.stash[FOLDER], pytestconfig.stash[_OWNER])
    if process is not None:
        # It is still running when this process ends, about which nobody has to be warned.
        pytestconfig.stash[_SERVER] = process
    return uri
