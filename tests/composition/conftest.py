"""Notes about a garden and a workshop in one store, as somebody else's app would have them."""

from collections.abc import Iterator

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, open_store

NOTES = [
    Document(
        "Tomatoes are watered every second evening in July.", id="t", metadata={"source": "g.md", "team": "garden"}
    ),
    Document("Roses are cut back in March, above an eye.", id="r", metadata={"source": "g.md", "team": "garden"}),
    Document("The lathe is oiled every second evening.", id="l", metadata={"source": "w.md", "team": "workshop"}),
    Document("Saws are sharpened in March with a fine file.", id="s", metadata={"source": "w.md", "team": "workshop"}),
]


@pytest.fixture(scope="session")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """Four notes of two teams, with full-text search; only read."""
    with open_store(str(tmp_path_factory.mktemp("notes") / "notes.db")) as store:
        store.add_documents(NOTES)
        yield store
