"""Values that JSON has no type for: stored as langchain_milvus does, by `sync` and by `add_documents` alike."""

import datetime as dt
import enum
import uuid
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_milvus import Milvus

from milvus_rag import MarkerSplitter, open_store, sync
from milvus_rag.errors import InputError
from milvus_rag.stores.plain_metadata import plain_metadata


class _Colour(enum.Enum):
    RED = "red"
    NESTED = dt.date(2025, 2, 3)


class _Level(enum.IntEnum):
    HIGH = 9


VALUES: dict[str, Any] = {
    "date": dt.date(2025, 12, 31),
    "datetime": dt.datetime(2025, 12, 31, 23, 59, 58, 7),
    "zoned": dt.datetime(2025, 12, 31, 1, tzinfo=dt.timezone(dt.timedelta(hours=-3, minutes=-30))),
    "time": dt.time(1, 2, 3, 4),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "enum": _Colour.RED,
    "enum of a date": _Colour.NESTED,
    "enum of numbers": _Level.HIGH,
    "numpy integer": np.uint8(200),
    "numpy float": np.float32(0.3),
    "numpy boolean": np.bool_(False),
    "numpy text": np.str_("유니"),
    "numpy array": np.arange(3),
    "numpy matrix": np.array([[0.5, 1.0]]),
    "numpy texts": np.array(["a", "bc"]),
    "inside": {"list": [dt.date(2025, 1, 1), {"deeper": np.int64(-1)}]},
}


class _Loader(BaseLoader):
    def __init__(self, source: Any, metadata: dict[str, Any]) -> None:
        self._document = Document("one page", metadata={"source": source, **metadata})

    def lazy_load(self) -> Any:
        yield self._document


def test_langchain_milvus_stores_the_same(lite_uri: str) -> None:
    embedding = DeterministicFakeEmbedding(size=4)
    theirs = Milvus(
        embedding,
        connection_args={"uri": lite_uri},
        collection_name="theirs",
        enable_dynamic_field=True,
        index_params={"index_type": "FLAT", "metric_type": "IP"},
    )
    theirs.add_texts(["text"], [VALUES], ids=["1"])
    (found,) = theirs.similarity_search("text", k=1)
    stored = {key: value for key, value in found.metadata.items() if key != "pk"}
    assert stored == plain_metadata(VALUES)
    with open_store(lite_uri, collection="ours", embedding=embedding) as store:
        store.add_texts(["text"], [VALUES])
        assert store.similarity_search("text", k=1)[0].metadata == stored
    theirs.client.close()


@pytest.mark.parametrize("source", [PurePosixPath("docs/a.md"), 17, 2.5, uuid.UUID(int=7)], ids=str)
def test_sync_and_add_documents_store_the_same(lite_uri: str, source: Any) -> None:
    loader = _Loader(source, VALUES)
    with open_store(lite_uri, collection="synced") as synced, open_store(lite_uri, collection="added") as added:
        assert sync(loader, MarkerSplitter(), synced).added == 1
        added.add_documents(loader.load())
        (by_sync,), (by_adding,) = (store.search_by_metadata(None, limit=9) for store in (synced, added))
        assert by_adding.metadata.items() <= by_sync.metadata.items()
        # It is known again.
        again = sync(loader, MarkerSplitter(), synced)
        assert (again.added, again.moved, again.unchanged, again.removed) == (0, 0, 1, 0)


def test_a_source_that_is_a_number_is_replaced(lite_uri: str) -> None:
    with open_store(lite_uri) as store:
        sync(_Loader(17, {}), MarkerSplitter(), store)
        changed = _Loader(17, {})
        changed._document.page_content = "another text"
        report = sync(changed, MarkerSplitter(), store)
        assert (report.added, report.removed) == (1, 1)
        assert [document.page_content for document in store.search_by_metadata({"source": 17})] == ["another text"]


@pytest.mark.parametrize("source", [None, "", True, b"a", ["a"]], ids=repr)
def test_what_is_no_name_is_no_source(lite_uri: str, source: Any) -> None:
    with open_store(lite_uri) as store, pytest.raises(InputError, match="source"):
        sync(_Loader(source, {}), MarkerSplitter(), store)
