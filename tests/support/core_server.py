"""A second kind of Milvus: the C++ core of Milvus Lite 2.5, with BM25 of its own, as a server behind `milvus_front`.

It is Milvus' own search engine in one process, while the server of the package `milvus` is older than full-text search,
and Milvus Lite 3 is written anew in Python. What its filters cannot do, where others can, is named in `CORE_LACKS`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .ports import free_port, locks_folder
from .shared_servers import locked, start_program

# Parts of expressions. Of the first two it says so, of the others it finds no row; servers of its time know all four.
CORE_LACKS = ("exists ", "not (", 'like "%', r"\n")

_PACKAGE = "milvus-lite==2.5.1"
# Of the server of which it is the core. Clients take it for one of these.
_VERSION = "v2.5.1"
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "milvus-lite-2.5.1"
_FRONT = Path(__file__).with_name("milvus_front.py")


class CannotBeInstalledError(Exception):
    """There is no such package for this machine, or no way to it."""


def start(folder: Path, owner: int) -> "tuple[str, subprocess.Popen[bytes]]":
    """Start a server with its data in a folder, and wait until it answers; see `shared_servers.Start`."""
    library = installed() / "milvus_lite" / "lib"
    core, port = f"127.0.0.1:{free_port()}", free_port()
    uri = f"http://127.0.0.1:{port}"
    # It carries its libraries, libc's among them, with which nothing else of this machine starts.
    with_libraries = ["env", *(f"{name}={library}" for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"))]
    milvus = [*with_libraries, str(library / "milvus"), str(folder / "core.db"), core, "ERROR"]
    command = [sys.executable, str(_FRONT), str(port), _VERSION, core, *milvus]
    return uri, start_program(command, owner, uri, folder / "core.log", {})


def installed() -> Path:
    """The folder that has the package, where it is put at the first time.

    It is nothing of the tests' own environment: its module has the name of Milvus Lite 3, which the project needs.

    Raises:
        CannotBeInstalledError: That it is.
    """
    with locked(locks_folder() / "core"):
        if not _CACHE.is_dir():
            made = _CACHE.with_name(f"{_CACHE.name}-{os.getpid()}")
            shutil.rmtree(made, ignore_errors=True)
            _install_to(made)
            made.replace(_CACHE)
    return _CACHE


def _install_to(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    said = ""
    # pip knows mirrors and proxies from a configuration of its own.
    for program in ([str(Path(sys.executable).with_name("uv")), "pip"], [sys.executable, "-m", "pip"]):
        command = [*program, "install", "--quiet", "--no-deps", "--target", str(folder), _PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return
        said = done.stderr[-500:]
    raise CannotBeInstalledError(f"needs {_PACKAGE}, which cannot be installed here: {said}")
