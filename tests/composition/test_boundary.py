"""What bounds a retriever stays a bound in other people's apps, whoever calls."""

from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField, ConfigurableFieldSingleOption
from langserve import add_routes

from milvus_rag import MilvusStore, chat_model, milvus_retriever, rag_chain
from milvus_rag.errors import FilterError, InputError
from milvus_rag.stores.filters import read_filter

QUESTION = "second evening in March"


def teams(documents: list[Document]) -> set[str]:
    return {document.metadata["team"] for document in documents}


def served(retriever: Any) -> TestClient:
    """A foreign app that serves a chain of ours by LangServe's defaults."""
    app = FastAPI()
    add_routes(app, rag_chain(retriever, chat_model("local")), path="/rag")
    return TestClient(app)


def found(client: TestClient, **configurable: Any) -> set[str]:
    body = {"input": QUESTION, "config": {"configurable": configurable}}
    answer = client.post("/rag/invoke", json=body)
    assert answer.status_code == 200, answer.text
    return {document["metadata"]["team"] for document in answer.json()["output"]["context"]}


def test_nothing_is_configurable_from_outside_by_itself(notes: MilvusStore) -> None:
    retriever = milvus_retriever(notes, filter={"team": "garden"})

    assert retriever.config_specs == []
    assert found(served(retriever), filter={"team": "workshop"}, k=10_000) == {"garden"}


@pytest.mark.parametrize("asked", [{"team": "workshop"}, {"$or": [{"team": "workshop"}]}, 'team == "workshop"'])
def test_a_client_narrows_an_open_filter_and_cannot_leave_it(notes: MilvusStore, asked: Any) -> None:
    client = served(milvus_retriever(notes, filter={"team": "garden"}, configurable=["filter"]))

    assert found(client) == {"garden"}
    assert found(client, filter=asked) == set()


@pytest.mark.parametrize(
    "asked",
    [
        "1 == 1) or (1 == 1",
        'team == "x") or (team like "%"',
        "team == 'a\\') or (1 == 1",
        "[1) or (2]",
        "(",
        ")",
        "'",
        ']"[',
    ],
)
def test_an_expression_cannot_close_the_brackets_that_it_is_put_in(notes: MilvusStore, asked: str) -> None:
    retriever = milvus_retriever(notes, filter={"team": "garden"})

    with pytest.raises(FilterError, match="expression"):
        retriever.invoke(QUESTION, filter=asked)


def test_brackets_and_marks_inside_texts_are_text(notes: MilvusStore) -> None:
    retriever = milvus_retriever(notes)

    assert retriever.invoke(QUESTION, filter="""source == ")" or source == '(' or team == "\\"]" """) == []
    assert teams(retriever.invoke(QUESTION, filter='(team in ["garden"])')) == {"garden"}


@given(st.text(alphabet="()[]{}\"'\\a ", max_size=12))
def test_what_is_accepted_is_whole(expression: str) -> None:
    """Read to its end by a reader of its own: the bracket around it is closed by nothing in it."""
    try:
        read_filter(expression)
    except FilterError:
        return
    depth, mark, escaped = 0, "", False
    for character in expression:
        if mark:
            mark = "" if character == mark and not escaped else mark
            escaped = character == "\\" and not escaped
        elif character in "\"'":
            mark = character
        else:
            depth += (character in "([{") - (character in ")]}")
            assert depth >= 0
    assert (depth, mark) == (0, "")


def test_a_filter_that_is_not_read_is_refused_and_not_lost(notes: MilvusStore) -> None:
    chain = rag_chain(milvus_retriever(notes), chat_model("local"))

    with pytest.raises(InputError, match=r"configurable\.filter.*configurable=\['filter'\]"):
        chain.invoke(QUESTION, {"configurable": {"filter": {"team": "garden"}}})


def test_k_has_a_maximum(notes: MilvusStore) -> None:
    usual = milvus_retriever(notes, configurable=["k"])
    small = milvus_retriever(notes, k=1, max_k=2)

    assert len(usual.invoke(QUESTION, {"configurable": {"k": 4}})) == 4
    with pytest.raises(InputError, match="100 passages, not for 101"):
        usual.invoke(QUESTION, {"configurable": {"k": 101}})
    assert len(small.invoke(QUESTION, k=2)) == 2
    with pytest.raises(InputError, match="2 passages, not for 3"):
        small.invoke(QUESTION, k=3)
    assert len(milvus_retriever(notes, k=500).invoke(QUESTION, k=400)) == 4
    with pytest.raises(InputError, match="max_k"):
        milvus_retriever(notes, k=3, max_k=2)


def test_langchains_own_way_to_open_fields(notes: MilvusStore) -> None:
    """`configurable_fields`: keys of the developer's own, and the same bounds."""
    retriever = milvus_retriever(notes, filter={"team": "garden"}, k=1).configurable_fields(
        k=ConfigurableField(id="k", name="Passages"), filter=ConfigurableField(id="only")
    )
    chain = rag_chain(retriever, chat_model("local"))

    assert {spec.id: spec.name for spec in chain.config_specs} == {"k": "Passages", "only": None}
    assert "only" in str(chain.config_schema().model_json_schema())
    assert len(chain.invoke(QUESTION, {"configurable": {"k": 2}})["context"]) == 2
    assert retriever.invoke(QUESTION, {"configurable": {"only": {"team": "workshop"}}}) == []
    with pytest.raises(InputError, match="100 passages"):
        retriever.invoke(QUESTION, {"configurable": {"k": 101}})
    assert found(served(retriever), only={"source": "g.md"}) == {"garden"}


def test_options_that_the_developer_lists(notes: MilvusStore) -> None:
    choice = ConfigurableFieldSingleOption(
        id="filter", options={"garden": {"team": "garden"}, "workshop": {"team": "workshop"}}, default="garden"
    )
    retriever = milvus_retriever(notes).configurable_fields(filter=choice)

    assert teams(retriever.invoke(QUESTION)) == {"garden"}
    assert teams(retriever.invoke(QUESTION, {"configurable": {"filter": "workshop"}})) == {"workshop"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_score", 5.0), ("expand", -1), ("fetch_k", 0), ("weights", (0, 0)), ("fusion", "sum"), ("mode", "fuzzy")],
)
def test_fields_are_checked_whichever_way_they_come(notes: MilvusStore, field: str, value: Any) -> None:
    retriever = milvus_retriever(notes)
    opened = retriever.configurable_fields(**{field: ConfigurableField(id="x")})

    with pytest.raises(InputError):
        milvus_retriever(notes, **{field: value})
    with pytest.raises(InputError):
        setattr(retriever, field, value)
    with pytest.raises(InputError):
        opened.invoke(QUESTION, {"configurable": {"x": value}})
    retriever.k = 1
    assert len(retriever.invoke(QUESTION)) == 1


@pytest.mark.parametrize("names", ["filter", ["mode"], ["filter", "store"]])
def test_what_cannot_be_opened_is_refused(notes: MilvusStore, names: Any) -> None:
    with pytest.raises(InputError, match="'filter' and 'k'"):
        milvus_retriever(notes, configurable=names)


def test_a_tenant_from_the_identity(notes: MilvusStore) -> None:
    """The recipe of the docs: who asks decides, whatever the request says."""
    teams_of = {"key-1": "garden", "key-2": "workshop"}
    app, chat = FastAPI(), chat_model("local")

    def team(key: str = Header()) -> str:
        return teams_of[key]

    @app.post("/ask")
    def ask(body: dict[str, Any], team: str = Depends(team)) -> list[str]:
        chain = rag_chain(milvus_retriever(notes, filter={"team": team}), chat)
        return [document.metadata["team"] for document in chain.invoke(body["question"])["context"]]

    client, body = TestClient(app), {"question": QUESTION, "filter": {"team": "workshop"}}

    assert set(client.post("/ask", json=body, headers={"key": "key-1"}).json()) == {"garden"}
    assert set(client.post("/ask", json=body, headers={"key": "key-2"}).json()) == {"workshop"}
