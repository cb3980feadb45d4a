"""LangChain's own tests of a vector store, on Milvus Lite and on a real server."""

import uuid
from collections.abc import Iterator

import pytest
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import VectorStoreIntegrationTests

from milvus_rag import MilvusStore, open_store


class TestOnMilvusLite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, lite_uri: str) -> Iterator[VectorStore]:
        with open_store(lite_uri, embedding=self.get_embeddings()) as store:
            yield store


class TestDenseOnlyOnMilvusLite(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, lite_uri: str) -> Iterator[VectorStore]:
        with open_store(lite_uri, embedding=self.get_embeddings(), full_text=False) as store:
            yield store


@pytest.mark.server
class TestOnServer(VectorStoreIntegrationTests):
    """One collection for all: a server takes seconds to make one, and rows that are gone leave it as empty."""

    SERVER = "server_uri"

    @pytest.fixture(scope="class")
    @classmethod
    def shared_store(cls, request: pytest.FixtureRequest) -> Iterator[MilvusStore]:
        name = f"standard_{uuid.uuid4().hex}"
        with open_store(request.getfixturevalue(cls.SERVER), collection=name, embedding=cls.get_embeddings()) as store:
            yield store
            store.drop()

    @pytest.fixture
    def vectorstore(self, shared_store: MilvusStore) -> VectorStore:
        shared_store.delete(expr='pk != ""')
        return shared_store


@pytest.mark.server
class TestOnCore(TestOnServer):
    """With full-text search, which the other server is too old for."""

    SERVER = "core_uri"
