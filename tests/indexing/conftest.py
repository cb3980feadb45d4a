"""An index on every kind of server, for what happens to it while several processes are at it."""

from collections.abc import Iterator

import pytest

from milvus_rag.indexing import rebuild
from support.lite_server import LiteServer
from support.rebuilding import Index

_SERVERS = ["served_lite_uri", *(pytest.param(uri, marks=pytest.mark.server) for uri in ("server_uri", "core_uri"))]


@pytest.fixture(scope="module")
def served_lite_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of Milvus Lite as a server: on a path it has one process."""
    with LiteServer(tmp_path_factory.mktemp("lite") / "served.db") as server:
        yield server.uri


@pytest.fixture(params=_SERVERS)
def index(request: pytest.FixtureRequest, collection_name: str) -> Iterator[Index]:
    """An index that is not there yet."""
    found = Index(request.getfixturevalue(request.param), collection_name)
    yield found
    found.drop()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild waits for no readers, of which there are none."""
    monkeypatch.setattr(rebuild, "_GRACE_SECONDS", 0)
