"""A store in a process that was forked from the one that opened it: it says whose it is, at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# In a process of its own: pytest's has threads that a fork would miss.
PROGRAM = """
import os, sys, warnings
warnings.simplefilter("ignore")
from langchain_core.embeddings import DeterministicFakeEmbedding
from milvus_rag import open_store
from milvus_rag.errors import StoreError

store = open_store(sys.argv[1], collection=sys.argv[2], embedding=DeterministicFakeEmbedding(size=4), full_text=False)
store.add_texts(["tea"], ids=["1"])
uses = [
    lambda: store.similarity_search("tea"), store.count, lambda: store.add_texts(["x"]), lambda: store.delete(["1"]),
    lambda: store.get_by_ids(["1"]), store.drop,
]
pid = os.fork()
if not pid:
    said = 0
    for use in uses:
        try:
            use()
        except StoreError as exc:
            said += "another process" in str(exc) and "open_store" in str(exc)
    store.close()
    print(said == len(uses), flush=True)
    # As a child ends that does not know of it: what is registered for the end runs.
    sys.exit(0)
_, status = os.waitpid(pid, 0)
print(status, store.count(), len(store.similarity_search("tea")))
store.drop()
store.close()
"""


def _output(uri: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, uri, f"test_{os.urandom(8).hex()}"], capture_output=True, text=True, check=True
    )
    return run.stdout.splitlines()


def test_on_lite(tmp_path: Path) -> None:
    assert _output(str(tmp_path / "test.db")) == ["True", "0 1 1"]


@pytest.mark.server
def test_on_a_server(server_uri: str) -> None:
    assert _output(server_uri) == ["True", "0 1 1"]
