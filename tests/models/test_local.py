"""Embeddings on this machine."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests

from milvus_rag import LocalEmbeddings
from milvus_rag.errors import MissingExtraError, ModelError, ModelNotFoundError
from support.hub_server import hub_server
from support.tiny_onnx import make_cross_encoder, make_dense_model

TEXTS = ["Where is data stored?", "The cat", "data is stored in memory", "a", "pizza and weather " * 30]


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dense_model(tmp_path_factory.mktemp("models") / "tiny")


def _cosines(left: list[list[float]], right: list[list[float]]) -> Any:
    return (np.array(left) * np.array(right)).sum(axis=1)


class TestUnit(EmbeddingsUnitTests):
    """LangChain's own tests of embeddings' interface."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LocalEmbeddings


class TestTiny(EmbeddingsIntegrationTests):
    """LangChain's own tests of embeddings that answer, with a model that the tests make."""

    @pytest.fixture(autouse=True)
    def _model(self, tiny_model: Path) -> None:
        self._folder = tiny_model

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LocalEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": str(self._folder)}


class TestShared(EmbeddingsIntegrationTests):
    """The same with a real model."""

    @pytest.fixture(autouse=True)
    def _model(self, shared_model: Path) -> None:
        self._folder = shared_model

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return LocalEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": str(self._folder)}


def test_a_real_model_finds_the_passage(shared_model: Path) -> None:
    embeddings = LocalEmbeddings(shared_model)
    passages = ["The cat sleeps on the sofa.", "Inserted data are stored in persistent storage.", "It rains."]

    scores = np.array(embeddings.embed_documents(passages)) @ np.array(embeddings.embed_query("Where is data kept?"))

    assert int(scores.argmax()) == 1
    assert embeddings.fingerprint["dimension"] == 384


def test_vectors_come_in_the_order_of_the_texts_and_have_length_one(tiny_model: Path) -> None:
    vectors = LocalEmbeddings(tiny_model).embed_documents(TEXTS)

    alone = [LocalEmbeddings(tiny_model).embed_documents([text])[0] for text in TEXTS]
    assert vectors == alone
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_the_number_of_threads_changes_no_vector(tiny_model: Path, threads: int) -> None:
    assert LocalEmbeddings(tiny_model, threads=threads).embed_documents(TEXTS) == (
        LocalEmbeddings(tiny_model).embed_documents(TEXTS)
    )


def test_an_fp32_model_agrees_with_fastembeds_own_batches(tiny_model: Path) -> None:
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    source = ModelSource(hf="tests/none")
    TextEmbedding.add_custom_model(
        "tests/tiny", PoolingType.MEAN, normalization=True, sources=source, dim=32, model_file="model.onnx"
    )
    model = TextEmbedding("tests/tiny", specific_model_path=str(tiny_model))
    theirs = [vector.tolist() for vector in model.embed(TEXTS)]

    assert _cosines(LocalEmbeddings(tiny_model).embed_documents(TEXTS), theirs).min() >= 0.999


def test_an_int8_model_gives_a_text_the_same_vector_whatever_it_is_embedded_with(shared_model: Path) -> None:
    """In batches, int8 activations are scaled by the whole batch, and vectors differ by a cosine of up to 0.02."""
    embeddings = LocalEmbeddings(shared_model)
    assert embeddings.embed_documents(TEXTS)[0] == embeddings.embed_documents(TEXTS[:1])[0]


def test_nothing_to_embed_is_no_vectors(tiny_model: Path) -> None:
    assert LocalEmbeddings(tiny_model).embed_documents([]) == []


def test_a_text_over_the_models_limit_is_cut_off(tiny_model: Path) -> None:
    embeddings = LocalEmbeddings(tiny_model)
    assert embeddings.embed_query("data " * 5000) == embeddings.embed_query("data " * 200)


async def test_it_is_the_same_async(tiny_model: Path) -> None:
    embeddings = LocalEmbeddings(tiny_model)
    assert await embeddings.aembed_documents(TEXTS) == embeddings.embed_documents(TEXTS)


def test_it_can_be_used_from_many_threads(tiny_model: Path) -> None:
    embeddings = LocalEmbeddings(tiny_model)
    results: list[list[list[float]]] = []
    threads = [threading.Thread(target=lambda: results.append(embeddings.embed_documents(TEXTS))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [LocalEmbeddings(tiny_model).embed_documents(TEXTS)] * 8


def test_no_more_texts_than_allowed_are_run_at_once(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever calls: indexing embeds from several threads."""
    from fastembed.text.custom_text_embedding import CustomTextEmbedding

    embed, lock = CustomTextEmbedding.onnx_embed, threading.Lock()
    running = most = 0

    def counted(self: Any, texts: list[str], **options: Any) -> Any:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.002)
        result = embed(self, texts, **options)
        with lock:
            running -= 1
        return result

    monkeypatch.setattr(CustomTextEmbedding, "onnx_embed", counted)
    embeddings = LocalEmbeddings(tiny_model, threads=2)
    threads = [threading.Thread(target=embeddings.embed_documents, args=(TEXTS * 2,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2


def test_folders_are_kept_apart(tiny_model: Path, tmp_path: Path) -> None:
    """Even folders of one name, in one process, at the same time."""
    other = LocalEmbeddings(make_dense_model(tmp_path / "tiny", dimension=16, seed=1))
    first, again = LocalEmbeddings(tiny_model), LocalEmbeddings(tiny_model)

    assert len(other.embed_query("data")) == 16
    assert len(first.embed_query("data")) == 32
    assert first.embed_query("data") == again.embed_query("data")


def test_a_model_that_pools_by_itself_is_used_as_it_is(tmp_path: Path) -> None:
    pooled = LocalEmbeddings(make_dense_model(tmp_path / "pooled", pooled=True)).embed_documents(TEXTS)
    by_us = LocalEmbeddings(make_dense_model(tmp_path / "plain")).embed_documents(TEXTS)

    assert _cosines(pooled, by_us) == pytest.approx(1)


def test_the_fingerprint_is_the_same_for_the_same_model_elsewhere(tiny_model: Path, tmp_path: Path) -> None:
    copied = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(tiny_model, copied)
    fingerprint = LocalEmbeddings(tiny_model).fingerprint

    assert LocalEmbeddings(copied).fingerprint == fingerprint
    assert fingerprint == {
        "provider": "local",
        "model": fingerprint["model"],
        "dimension": 32,
        "query_prefix": "",
        "document_prefix": "",
        "normalised": True,
        "digest": fingerprint["digest"],
    }
    assert str(tiny_model) not in json.dumps(fingerprint)


def test_another_model_under_the_same_name_has_another_fingerprint(tiny_model: Path, tmp_path: Path) -> None:
    other = make_dense_model(tmp_path / "tiny", seed=1)
    assert LocalEmbeddings(other).fingerprint != LocalEmbeddings(tiny_model).fingerprint


def test_a_models_fingerprint_needs_no_download() -> None:
    fingerprint = LocalEmbeddings().fingerprint
    assert (fingerprint["model"], fingerprint["dimension"]) == ("sentence-transformers/all-MiniLM-L6-v2", 384)


@pytest.mark.parametrize(
    ("model", "query", "document"),
    [
        ("multilingual-e5-large", "query: ", "passage: "),
        ("nomic-embed-text-v1.5", "search_query: ", "search_document: "),
        ("mxbai-embed-large-v1", "Represent this sentence for searching relevant passages: ", ""),
        ("embeddinggemma-300m", "task: search result | query: ", "title: none | text: "),
    ],
)
def test_models_that_want_prefixes_get_them(model: str, query: str, document: str) -> None:
    fingerprint = LocalEmbeddings(model).fingerprint
    assert (fingerprint["query_prefix"], fingerprint["document_prefix"]) == (query, document)


def test_prefixes_are_put_in_front(tiny_model: Path) -> None:
    plain = LocalEmbeddings(tiny_model)
    prefixed = LocalEmbeddings(tiny_model, query_prefix="hello ", document_prefix="world ")

    assert prefixed.embed_query("data") == plain.embed_query("hello data")
    assert prefixed.embed_documents(["data"]) == plain.embed_documents(["world data"])
    assert prefixed.fingerprint["query_prefix"] == "hello "


def test_prompts_and_pooling_of_sentence_transformers_are_followed(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "tiny")
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": {"query": "hello "}}))
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "include_prompt": True})
    )
    embeddings = LocalEmbeddings(folder)

    # The first token is always [CLS], which this model does not mix with the others.
    assert embeddings.embed_query("data") == pytest.approx(embeddings.embed_documents(["cat"])[0])
    assert embeddings.fingerprint["query_prefix"] == "hello "


def test_the_constructor_does_nothing() -> None:
    embeddings = LocalEmbeddings("/no/such/folder")
    assert repr(embeddings) == "LocalEmbeddings('/no/such/folder')"


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _write(name: str, content: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)

    return write


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (shutil.rmtree, ModelNotFoundError, "There is no model folder"),
        (_remove("model.onnx"), ModelNotFoundError, "no ONNX file"),
        (_remove("tokenizer.json"), ModelNotFoundError, "lacks tokenizer.json"),
        (_remove("tokenizer_config.json"), ModelNotFoundError, "lacks tokenizer_config.json"),
        (_write("model.onnx", "not a model"), ModelNotFoundError, "cannot be loaded"),
        (_write("tokenizer.json", "{}"), ModelNotFoundError, "cannot be loaded"),
        (_write("tokenizer_config.json", "{}"), ModelNotFoundError, "cannot be loaded"),
        (_write("config.json", "{"), ModelError, "cannot be read as JSON"),
        (_write("config.json", "[]"), ModelError, "does not hold what its name promises"),
        (_write("config.json", '{"hidden_size": 7}'), ModelError, "vector of 32 values where 7"),
        (_write("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}'), ModelError, "max_tokens"),
        (_write("modules.json", '[{"type": "sentence_transformers.models.Dense"}]'), ModelError, "'Dense'"),
    ],
)
def test_a_folder_that_cannot_be_used_is_said_to_be_so(
    tiny_model: Path, tmp_path: Path, spoil: Callable[[Path], None], error: type[Exception], words: str
) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "tiny")
    spoil(folder)

    with pytest.raises(error, match=words):
        LocalEmbeddings(folder).embed_query("data")


def test_several_models_in_a_folder_are_not_guessed_among(tiny_model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_model, tmp_path / "tiny")
    (folder / "model.onnx").rename(folder / "a.onnx")
    assert len(LocalEmbeddings(folder).embed_query("data")) == 32

    shutil.copy(folder / "a.onnx", folder / "b.onnx")
    with pytest.raises(ModelNotFoundError, match=r"several ONNX files \(a\.onnx, b\.onnx\)"):
        LocalEmbeddings(folder).embed_query("data")


def test_a_model_that_is_no_sentence_encoder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="vector of 1 values where 256"):
        LocalEmbeddings(make_cross_encoder(tmp_path / "cross")).embed_query("data")


def test_an_unknown_name_is_answered_with_names_like_it() -> None:
    with pytest.raises(ModelNotFoundError, match=r"'bge-smal-en'.*BAAI/bge-small-en"):
        LocalEmbeddings("bge-smal-en").embed_query("data")


def test_a_model_that_cannot_be_downloaded_says_what_to_do(tmp_path: Path) -> None:
    """The tests switch the hub off."""
    with pytest.raises(ModelNotFoundError) as raised:
        LocalEmbeddings(cache_dir=tmp_path).embed_query("data")

    message = str(raised.value)
    for part in (
        "sentence-transformers/all-MiniLM-L6-v2",
        str(tmp_path),
        "HF_HUB_OFFLINE",
        "tokenizer.json",
        "local:/",
    ):
        assert part in message


def test_a_hub_that_cannot_be_reached_is_found_out_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(ModelNotFoundError, match=r"http://127\.0\.0\.1:9 cannot be reached"):
        LocalEmbeddings(cache_dir=tmp_path).embed_query("data")


def test_fastembed_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setitem(sys.modules, "fastembed", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[local\]"):
        LocalEmbeddings(tiny_model).embed_query("data")


_PROGRAM = """
import sys
from milvus_rag import LocalEmbeddings
print(len(LocalEmbeddings(cache_dir=sys.argv[1]).embed_query("data")))
"""


def test_the_default_model_is_downloaded_once_and_then_used_without_a_network(tmp_path: Path) -> None:
    files = make_dense_model(tmp_path / "repository", dimension=384)
    cache = tmp_path / "cache"
    with hub_server("Qdrant/all-MiniLM-L6-v2-onnx", files) as (endpoint, requests):
        environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}

        def run() -> str:
            command = [sys.executable, "-c", _PROGRAM, str(cache)]
            return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

        assert run() == "384\n"
        assert any("model.onnx" in request for request in requests)
        requests.clear()
        assert run() == "384\n"
        assert requests == []
