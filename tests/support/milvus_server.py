"""A real Milvus standalone server on its default ports, from the PyPI package `milvus`."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pymilvus import MilvusClient

URI = "http://127.0.0.1:19530"
_STARTUP_SECONDS = 120


@contextlib.contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """Run the server with its data in a folder; one that already listens is used as it is."""
    if _answers():
        yield URI
        return
    log = (folder / "milvus.log").open("w")
    script = Path(sys.executable).with_name("milvus-server")
    process = subprocess.Popen([script, "--data", str(folder)], stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _STARTUP_SECONDS
        while not _answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Milvus server did not start:\n{Path(log.name).read_text()[-2000:]}")
            time.sleep(0.5)
        yield URI
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _answers() -> bool:
    try:
        client = MilvusClient(uri=URI, timeout=2)
    except Exception:  # noqa: BLE001 - whatever is wrong, it does not answer yet
        return False
    try:
        client.list_collections(timeout=5)
    except Exception:  # noqa: BLE001 - see above
        return False
    finally:
        client.close()
    return True
