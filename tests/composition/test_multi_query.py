"""A passage that several wordings of a question find is there once."""

import copy
import json
import pickle

from langchain_classic.retrievers import MultiQueryRetriever
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.load import dumps

from milvus_rag import MilvusStore, milvus_retriever


def test_each_passage_once(notes: MilvusStore) -> None:
    wordings = FakeListChatModel(responses=["second evening\nwatered every evening\ntomatoes in July"])
    several = MultiQueryRetriever.from_llm(milvus_retriever(notes, k=2), wordings)

    assert sorted(str(document.id) for document in several.invoke("When?")) == ["l", "t"]


def test_hits_are_equal_by_what_is_stored(notes: MilvusStore) -> None:
    retriever = milvus_retriever(notes, k=1)
    (one,), (other,), (third,) = map(retriever.invoke, ("tomatoes", "tomatoes in July", "roses"))

    assert one.metadata["score"] != other.metadata["score"]
    assert one == other
    assert one != third
    assert other != Document("Another text.", id=other.id, metadata=other.metadata)


def test_beside_other_dicts_the_scores_count(notes: MilvusStore) -> None:
    (hit,) = milvus_retriever(notes, k=1).invoke("tomatoes")

    assert hit.metadata == dict(hit.metadata)
    assert hit.metadata != {**hit.metadata, "score": -1.0}


def test_they_travel_as_dicts_do(notes: MilvusStore) -> None:
    (hit,) = milvus_retriever(notes, k=1).invoke("tomatoes")

    assert json.loads(json.dumps(hit.metadata)) == hit.metadata
    assert json.loads(dumps(hit))["kwargs"]["metadata"]["score"] == hit.metadata["score"]
    assert type(hit) is Document
    for again in (pickle.loads(pickle.dumps(hit)), copy.deepcopy(hit), hit.model_copy()):  # noqa: S301 - our own
        assert again == hit
        assert again.metadata["score"] == hit.metadata["score"]
