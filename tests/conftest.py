"""What every test stands on: no developer's keys, no model hub, where the shared data is."""

import os
import signal
import uuid
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ("support.sessions", "support.parallel", "support.measuring")

SHARED = Path(__file__).resolve().parents[2] / "shared"

# Read by huggingface_hub at import, so a fixture would be too late.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"

# Hundreds of processes are started, in environments made for the tests too: each would compile anew what it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell lets what it runs in the background ignore Ctrl-C, and so all that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _quiet_grpc() -> None:
    """Keep gRPC of this process, and of no other, from writing to stderr.

    Milvus Lite drops connections that were idle for half a minute, which gRPC would say in the middle of another test.
    """
    before = os.environ.get("GRPC_VERBOSITY")
    os.environ["GRPC_VERBOSITY"] = "NONE"
    # Reads the variable.
    import grpc  # noqa: F401

    del os.environ["GRPC_VERBOSITY"]
    if before is not None:
        os.environ["GRPC_VERBOSITY"] = before


_quiet_grpc()

_PROVIDER_PREFIXES = (
    "FIREWORKS_", "GEMINI_", "GOOGLE_", "JINA_", "LANGCHAIN_", "LANGSMITH_", "LEPTON", "MILVUS_", "OPENAI_",
)  # fmt: skip


# An example takes as long as the machine needs. CI tries the same examples each time, so that a change is judged by
# itself; whoever runs the tests by hand tries others each time.
settings.register_profile("by hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "by hand")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of `make docs`."""
    parser.addoption("--update-docs", action="store_true", help="write the outputs shown in README and docs anew")


@pytest.fixture(autouse=True)
def _no_developer_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees a developer's keys, settings, .env file or conversations."""
    for name in list(os.environ):
        if name.startswith(_PROVIDER_PREFIXES) and name != "LANGSMITH_TRACING":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".state"))


@pytest.fixture
def lite_uri(tmp_path: Path) -> str:
    """Path of a Milvus Lite database that is not there yet."""
    return str(tmp_path / "test.db")


@pytest.fixture
def collection_name() -> str:
    """A name that no other test uses, for a server that lives on."""
    return f"test_{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def milvus_docs() -> Path:
    """The tutorials' corpus: Milvus documentation 2.4.x, 224 pages."""
    path = SHARED / "data" / "milvus_docs_2.4.x_en.zip"
    if not path.is_file():
        pytest.skip("needs the Milvus documentation of ../shared")
    return path


@pytest.fixture(scope="session")
def shared_model() -> Path:
    """The folder of a small real dense model, 384 dimensions."""
    path = SHARED / "models" / "all-MiniLM-L6-v2-int8"
    if not path.is_dir():
        pytest.skip("needs the dense model of ../shared")
    return path
