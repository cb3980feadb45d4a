"""A model reads conditions on metadata out of a question: LangChain's SelfQueryRetriever on a store of ours."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.chains.query_constructor.schema import AttributeInfo
from langchain_classic.retrievers.self_query.base import SelfQueryRetriever
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel

from milvus_rag import FilterTranslator, MilvusStore, open_store
from milvus_rag.errors import FilterError

NOTES = [
    Document(
        "Tomatoes are watered.", id="t", metadata={"by": "Ann", "year": 2024, "on": "2024-07-01", "tags": ["wet"]}
    ),
    Document(
        "Tomatoes are pruned.", id="p", metadata={"by": 'Bob "B" Lee', "year": 2025, "on": "2025-03-05", "tags": []}
    ),
    Document("Roses are watered.", id="r", metadata={"by": "Ann_Lee", "year": 2026, "sun": {"hours": 6}}),
]
KEYS = [AttributeInfo(name=name, description=name, type="string") for name in ("by", "year", "on", "tags", "sun.hours")]


@pytest.fixture(scope="module")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    with open_store(str(tmp_path_factory.mktemp("garden") / "garden.db")) as store:
        store.add_documents(NOTES)
        yield store


def asked(store: MilvusStore, written: str, query: str = "tomatoes roses watered pruned", **options: Any) -> set[str]:
    """The ids of what is found when a model has written such a filter."""
    said = json.dumps({"query": query, "filter": written, **options.pop("said", {})})
    model = FakeListChatModel(responses=[f"```json\n{said}\n```"])
    retriever = SelfQueryRetriever.from_llm(model, store, "Notes about a garden.", KEYS, **options)
    return {str(found.id) for found in retriever.invoke("What about the garden?")}


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("NO_FILTER", "tpr"),
        ('eq("by", "Ann")', "t"),
        ('ne("by", "Ann")', "pr"),
        ("eq('by', 'Bob \"B\" Lee')", "p"),
        ('eq("year", 2025)', "p"),
        ('and(gt("year", 2024), lte("year", 2026))', "pr"),
        ('or(eq("year", 2024), not(eq("by", "Ann")))', "tpr"),
        ('not(in("year", [2024, 2026]))', "p"),
        ('nin("year", [2024, 2026])', "p"),
        ('in("year", 2026)', "r"),
        ('gte("on", "2025-01-01")', "p"),
        ('contain("tags", "wet")', "t"),
        ('like("by", "nn_L")', "r"),
        ('like("by", "Ann%")', "tr"),
        ('eq("sun.hours", 6)', "r"),
    ],
)
def test_what_a_model_writes_is_found(garden: MilvusStore, written: str, found: str) -> None:
    assert asked(garden, written, structured_query_translator=FilterTranslator()) == set(found)


def test_a_limit_is_the_models_too(garden: MilvusStore) -> None:
    found = asked(
        garden, "NO_FILTER", structured_query_translator=FilterTranslator(), enable_limit=True, said={"limit": 1}
    )
    assert len(found) == 1


def test_a_question_of_conditions_alone(garden: MilvusStore) -> None:
    translator = FilterTranslator()

    assert asked(garden, 'eq("year", 2026)', query="", structured_query_translator=translator) == set()
    model = FakeListChatModel(responses=['```json\n{"query": "", "filter": "eq(\\"year\\", 2026)"}\n```'])
    retriever = SelfQueryRetriever.from_llm(
        model, garden, "Notes.", KEYS, structured_query_translator=translator, use_original_query=True
    )
    assert [found.id for found in retriever.invoke("roses of 2026")] == ["r"]


async def test_async(garden: MilvusStore) -> None:
    model = FakeListChatModel(responses=['```json\n{"query": "watered", "filter": "eq(\\"by\\", \\"Ann\\")"}\n```'])
    retriever = SelfQueryRetriever.from_llm(
        model, garden, "Notes.", KEYS, structured_query_translator=FilterTranslator()
    )
    assert [found.id for found in await retriever.ainvoke("What did Ann do?")] == ["t"]


def test_not_is_of_one_filter() -> None:
    from langchain_core.structured_query import Comparator, Comparison, Operation, Operator

    one = Comparison(comparator=Comparator.EQ, attribute="a", value=1)
    with pytest.raises(FilterError, match="of one filter, not of 2"):
        FilterTranslator().visit_operation(Operation(operator=Operator.NOT, arguments=[one, one]))
