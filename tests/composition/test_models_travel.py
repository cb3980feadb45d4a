"""Models are pickled and copied as how they were made; keys of the environment stay where they are."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import (
    LocalEmbeddings,
    MarkdownLoader,
    MarkdownSplitter,
    PymilvusSparseEmbeddings,
    chat_model,
    embedding_model,
    reranker,
    swappable_chat_model,
)
from support.gemini_server import GeminiServer
from support.jina_server import JinaServer
from support.model_server import ModelServer
from support.openai_server import OpenAIServer
from support.tiny_onnx import make_dense_model

KEYS = {"gemini": "key-of-gemini-0123456789", "openai": "key-of-openai-0123456789", "jina": "key-of-jina-0123456789"}


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModelServer]]:
    with (
        GeminiServer(key=KEYS["gemini"], answer=lambda system, user: "from gemini") as gemini,
        OpenAIServer(key=KEYS["openai"], answer=lambda system, user: "from openai") as openai,
        JinaServer(key=KEYS["jina"]) as jina,
    ):
        environments = (gemini.environment("gemini"), openai.environment("openai"))
        environ = {**environments[0], **environments[1], "JINA_API_KEY": KEYS["jina"], "JINA_BASE_URL": jina.base_url}
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        yield {"gemini": gemini, "openai": openai, "jina": jina}


MAKERS: dict[str, Callable[[], Any]] = {
    "chat gemini": lambda: chat_model("gemini", temperature=0.5),
    "chat openai": lambda: chat_model("openai:m", temperature=0.5, max_retries=0),
    "chat local": lambda: chat_model("local"),
    "a switch": lambda: swappable_chat_model("gemini", "openai:m"),
    "a switch with tools": lambda: swappable_chat_model("openai:m").bind_tools([]),
    "embedding gemini": lambda: embedding_model("gemini", max_batch=3),
    "embedding openai": lambda: embedding_model("openai", document_prefix="text: "),
    "reranker jina": lambda: reranker("jina", top_n=1),
}


def used(model: Any) -> Any:
    """What comes of it."""
    if hasattr(model, "embed_query"):
        return model.embed_query("tea"), model.embed_documents(["tea", "coffee"]), model.fingerprint
    if hasattr(model, "compress_documents"):
        return model.compress_documents([Document("coffee"), Document("tea")], "tea")
    return model.invoke("tea?").text


def unpickled(given: Any) -> Any:
    return pickle.loads(pickle.dumps(given))  # noqa: S301 - our own


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("copied", [unpickled, copy.deepcopy])
def test_a_copy_does_what_the_original_does(
    servers: dict[str, ModelServer], name: str, copied: Callable[[Any], Any]
) -> None:
    model = MAKERS[name]()

    early, before = copied(model), used(model)
    late = copied(early)

    assert used(early) == before
    assert used(late) == used(copied(model)) == before
    assert [server.violations for server in servers.values()] == [[], [], []]


@pytest.mark.parametrize("name", MAKERS)
def test_no_key_of_the_environment_is_in_a_pickle(servers: dict[str, ModelServer], name: str) -> None:
    model = MAKERS[name]()
    used(model)

    written = pickle.dumps(model)

    assert [key for key in KEYS.values() if key.encode() in written] == []
    assert b"127.0.0.1" not in written


def test_a_key_that_was_given_is(servers: dict[str, ModelServer], monkeypatch: pytest.MonkeyPatch) -> None:
    model = chat_model("openai:m", api_key=KEYS["openai"], base_url=os.environ["OPENAI_BASE_URL"])
    written = pickle.dumps(model)
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")

    assert KEYS["openai"].encode() in written
    assert pickle.loads(written).invoke("tea?").text == "from openai"  # noqa: S301 - our own


@pytest.mark.parametrize("copied", [unpickled, copy.deepcopy])
def test_what_was_changed_later_is_kept(servers: dict[str, ModelServer], copied: Callable[[Any], Any]) -> None:
    model: Any = chat_model("openai:m", temperature=0.5).model_copy(update={"temperature": 0.25, "tags": ["mine"]})

    other = copied(model)
    other.tags.append("other")

    assert (other.temperature, model.tags) == (0.25, ["mine"])
    other.invoke("tea?")
    assert servers["openai"].requests[-1].body["temperature"] == 0.25


def test_embeddings_without_retries_stay_so(servers: dict[str, ModelServer]) -> None:
    once = unpickled(embedding_model("openai").without_retries())  # type: ignore[attr-defined]  # see its docstring

    assert once._calls.policy.max_retries == 0


def test_models_on_this_machine(tmp_path: Path) -> None:
    make_dense_model(tmp_path / "model")
    local = LocalEmbeddings(tmp_path / "model", threads=1, query_prefix="question: ")
    vector = local.embed_query("tea")
    sparse = PymilvusSparseEmbeddings()
    sparse.fit(["Green tea is steeped.", "Coffee is brewed."])

    for copied in (unpickled, copy.deepcopy):
        assert copied(local).embed_query("tea") == vector
        assert copied(local).fingerprint == local.fingerprint
        assert copied(sparse).fingerprint == sparse.fingerprint
        assert copied(sparse).embed_query("coffee") == sparse.embed_query("coffee")


def test_loaders_and_splitters(tmp_path: Path) -> None:
    (tmp_path / "tea.md").write_text("# Tea\n\n## Green\n\nSteep it.\n")
    loader, splitter = MarkdownLoader(tmp_path), MarkdownSplitter(chunk_size=500)

    for copied in (unpickled, copy.deepcopy):
        chunks = copied(splitter).split_documents(copied(loader).load())
        assert chunks == splitter.split_documents(loader.load())
        assert copied(splitter).fingerprint == splitter.fingerprint


@pytest.mark.slow
def test_in_a_pool_of_processes(servers: dict[str, ModelServer]) -> None:
    embedding = embedding_model("openai")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        vectors = list(pool.map(embedding.embed_query, ["tea", "coffee", "tea"]))

    assert vectors == [embedding.embed_query(text) for text in ("tea", "coffee", "tea")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_after_a_fork_each_process_has_connections_of_its_own(servers: dict[str, ModelServer]) -> None:
    program = (
        "import os, sys\n"
        "from milvus_rag import embedding_model\n"
        "embedding = embedding_model('openai')\n"
        "embedding.embed_query('parent')\n"
        "pid = os.fork()\n"
        "embedding.embed_query('child' if not pid else 'parent')\n"
        "if pid:\n"
        "    assert os.waitpid(pid, 0)[1] == 0\n"
        "    embedding.embed_query('parent')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ))
    assert run.returncode == 0, run.stderr

    ports: dict[str, set[int]] = {}
    for request in servers["openai"].requests:
        ports.setdefault("child" if "child" in str(request.body) else "parent", set()).add(request.port)
    assert len(ports["parent"]) == 1
    assert not ports["parent"] & ports["child"]
