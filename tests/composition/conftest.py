"""Notes about a garden and a workshop in one store, as somebody else's app would have them."""

from collections.abc import Iterator

import pytest

from milvus_rag import MilvusStore, open_store
from support.notes import NOTES


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """Four notes of two teams, with full-text search; only read."""
    with open_store(str(tmp_path_factory.mktemp("notes") / "notes.db")) as store:
        store.add_documents(NOTES)
        yield store
