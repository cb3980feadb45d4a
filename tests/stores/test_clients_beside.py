"""Other clients in the process: closing a store stops nothing under them, and leaves nothing when there are none."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_milvus import Milvus
from pymilvus import AsyncMilvusClient, MilvusClient, connections, utility
from pymilvus.client.connection_manager import ConnectionManager

from milvus_rag import open_store
from milvus_rag.stores.lite_clients import is_used_by_others


def _is_free(uri: str) -> bool:
    """Whether another process can open the database."""
    code = "import sys; from milvus_rag import open_store; open_store(sys.argv[1]).close()"
    return subprocess.run([sys.executable, "-c", code, uri], capture_output=True, check=False).returncode == 0


@pytest.fixture(params=["before", "while"])
def client_first(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "before")


def test_a_milvus_client_goes_on(lite_uri: str, client_first: bool) -> None:
    client = MilvusClient(lite_uri) if client_first else None
    with open_store(lite_uri) as store:
        client = client or MilvusClient(lite_uri)
        store.add_texts(["tea"])
    assert client.list_collections() == ["my_rag_collection"]
    with open_store(lite_uri) as store:
        assert store.count() == 1
    assert client.list_collections() == ["my_rag_collection"]
    client.close()
    with open_store(lite_uri) as store:
        assert store.count() == 1
    assert _is_free(lite_uri)


def test_a_store_of_langchain_milvus_goes_on(lite_uri: str, client_first: bool) -> None:
    def theirs() -> Milvus:
        return Milvus(
            DeterministicFakeEmbedding(size=4),
            connection_args={"uri": lite_uri},
            collection_name="theirs",
            index_params={"index_type": "FLAT", "metric_type": "L2"},
        )

    other = theirs() if client_first else None
    with open_store(lite_uri):
        other = other or theirs()
    other.add_texts(["coffee"], ids=["1"])
    assert [document.page_content for document in other.similarity_search("coffee", k=1)] == ["coffee"]
    other.client.close()


def test_an_async_client_goes_on(lite_uri: str) -> None:
    async def use() -> list[str]:
        client = AsyncMilvusClient(lite_uri)
        await client.list_collections()
        with open_store(lite_uri) as store:
            store.add_texts(["tea"])
        found: list[str] = await client.list_collections()
        await client.close()
        return found

    assert asyncio.run(use()) == ["my_rag_collection"]


@pytest.mark.filterwarnings("ignore:.*ORM-style")
def test_the_older_interface_goes_on(lite_uri: str) -> None:
    connections.connect("beside", uri=lite_uri)
    with open_store(lite_uri) as store:
        store.add_texts(["tea"])
    assert utility.list_collections(using="beside") == ["my_rag_collection"]
    connections.disconnect("beside")
    connections.remove_connection("beside")


def test_nothing_stays_of_our_own(lite_uri: str) -> None:
    before = ConnectionManager.get_instance().get_stats()["total_connections"]
    for _ in range(3):
        with open_store(lite_uri) as store, open_store(lite_uri) as other:
            store.add_texts(["tea"])
            assert other.count() >= 1
    assert ConnectionManager.get_instance().get_stats()["total_connections"] == before
    assert not is_used_by_others(str(Path(lite_uri).absolute()))
    assert _is_free(lite_uri)
