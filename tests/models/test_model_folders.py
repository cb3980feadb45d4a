"""Model folders as people copy them: right vectors, or an error that says what to add."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from milvus_rag import LocalEmbeddings
from milvus_rag.errors import InputError, ModelError, ModelNotFoundError
from milvus_rag.models.embedding_traits import embedding_traits, known_pooling
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.local.folder_pooling import declared_pooling
from milvus_rag.models.local.folder_tokenizer import token_limit
from milvus_rag.models.local.model_folder import read_model_folder
from support.tiny_onnx import MAX_TOKENS, make_dense_model

POOLING = "sentence_transformers.models.Pooling"
TEXT = "where is the data stored in milvus"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_dense_model(tmp_path_factory.mktemp("models") / "template")
    shutil.rmtree(folder / "1_Pooling")
    return folder


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    """A folder that does not say how it is pooled."""
    return shutil.copytree(template, tmp_path / "some-model")


def write(folder: Path, **files: Any) -> Path:
    """Write JSON files: ``a__b`` is ``a/b.json``."""
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


def named(folder: Path, name: str) -> Path:
    return folder.rename(folder.parent / name)


def token_vectors(folder: Path, text: str) -> Any:
    """The vectors of a text's tokens, by onnxruntime itself."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokens = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    row = np.array([tokens.ids], np.int64)
    fed = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
    return session.run(None, fed)[0][0]


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


class TestPooling:
    @pytest.mark.parametrize(
        ("settings", "pooling"),
        [
            ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "cls"),
            ({"pooling_mode_lasttoken": True, "include_prompt": True}, "lasttoken"),
            ({"pooling_mode_mean_tokens": True}, "mean"),
            ({"pooling_mode": "cls", "embedding_dimension": 32}, "cls"),
            ({"pooling_mode": "lasttoken"}, "lasttoken"),
            ({"word_embedding_dimension": 32}, "mean"),
        ],
    )
    @pytest.mark.parametrize("place", ["1_Pooling", "2_Pool", "pool"])
    def test_is_what_the_folder_says(self, folder: Path, settings: Any, pooling: str, place: str) -> None:
        (folder / place).mkdir()
        (folder / place / "config.json").write_text(json.dumps(settings))
        modules = [{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": POOLING, "path": place}]
        write(folder, modules=modules)
        assert read_model_folder(folder).pooling == pooling
        vectors = token_vectors(folder, TEXT)
        expected = {"mean": vectors.mean(axis=0), "cls": vectors[0], "lasttoken": vectors[-1]}[pooling]
        assert LocalEmbeddings(folder).embed_query(TEXT) == pytest.approx(unit(expected), abs=1e-5)

    def test_modules_win_over_a_folder_of_the_usual_name(self, folder: Path) -> None:
        write(folder, modules=[{"type": POOLING, "path": "other"}])
        write(folder, **{"1_Pooling__config": {"pooling_mode_mean_tokens": True}})
        write(folder, other__config={"pooling_mode_cls_token": True})
        assert declared_pooling(folder) == "cls"

    @pytest.mark.parametrize(
        "settings",
        [
            {"pooling_mode_max_tokens": True},
            {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
            {"pooling_mode": "weightedmean"},
            {"pooling_mode": ["cls", "mean"]},
        ],
    )
    def test_what_cannot_be_done_is_refused(self, folder: Path, settings: Any) -> None:
        write(folder, **{"1_Pooling__config": settings})
        with pytest.raises(ModelError, match="cannot be done here"):
            LocalEmbeddings(folder).embed_query(TEXT)

    @pytest.mark.parametrize(
        ("name", "pooling"),
        [
            ("BAAI/bge-large-zh-v1.5", "cls"),
            ("BAAI/bge-m3", "cls"),
            ("Snowflake/snowflake-arctic-embed-l-v2.0", "cls"),
            ("Alibaba-NLP/gte-large-en-v1.5", "cls"),
            ("thenlper/gte-large", "mean"),
            ("Qwen/Qwen3-Embedding-8B", "lasttoken"),
            ("intfloat/e5-mistral-7b-instruct", "lasttoken"),
            ("intfloat/multilingual-e5-base", "mean"),
            ("sentence-transformers/multi-qa-mpnet-base-dot-v1", "cls"),
            ("sentence-transformers/multi-qa-mpnet-base-cos-v1", "mean"),
            ("jinaai/jina-embeddings-v2-base-de", "mean"),
            ("somebody/of-their-own", None),
        ],
    )
    def test_of_known_families_is_known(self, folder: Path, name: str, pooling: str | None) -> None:
        assert known_pooling(name) == pooling
        write(folder, config={"hidden_size": 32, "_name_or_path": name})
        assert read_model_folder(folder).pooling == pooling
        assert read_model_folder(named(folder, name.rpartition("/")[2])).pooling == pooling

    def test_is_found_in_hugging_faces_cache(self, folder: Path, tmp_path: Path) -> None:
        snapshot = tmp_path / "models--BAAI--bge-small-en" / "snapshots" / "0a1b2c"
        shutil.copytree(folder, snapshot)
        assert read_model_folder(snapshot).pooling == "cls"

    def test_that_nobody_knows_is_asked_for(self, folder: Path) -> None:
        with pytest.raises(ModelError, match=r"1_Pooling/config.json.*pooling= \(--pooling\)"):
            LocalEmbeddings(folder).embed_query(TEXT)

    @pytest.mark.parametrize("pooling", ["mean", "cls", "lasttoken"])
    def test_can_be_given(self, folder: Path, pooling: Any) -> None:
        vectors = token_vectors(folder, TEXT)
        expected = {"mean": vectors.mean(axis=0), "cls": vectors[0], "lasttoken": vectors[-1]}[pooling]
        model = embedding_model(f"local:{folder}", pooling=pooling)
        assert model.embed_query(TEXT) == pytest.approx(unit(expected), abs=1e-5)

    def test_is_not_asked_for_where_the_graph_pools(self, tmp_path: Path) -> None:
        folder = make_dense_model(tmp_path / "pooled", pooled=True)
        shutil.rmtree(folder / "1_Pooling")
        assert len(LocalEmbeddings(folder).embed_query(TEXT)) == 32

    @pytest.mark.parametrize("model", ["all-MiniLM-L6-v2", "bge-small-en-v1.5"])
    def test_is_for_folders_only(self, model: str) -> None:
        with pytest.raises(InputError, match="pooling= is for models in folders"):
            LocalEmbeddings(model, pooling="cls").embed_query("a")
        with pytest.raises(InputError, match="pooling= is for models in folders"):
            embedding_model(f"openai:{model}", pooling="cls", base_url="http://127.0.0.1:1")


class TestPrefixes:
    @pytest.mark.parametrize("name", ["multilingual-e5-small", "nomic-embed-text-v1.5", "mxbai-embed-large-v1"])
    @pytest.mark.parametrize("by", ["folder", "config"])
    def test_are_those_of_the_same_model_elsewhere(self, folder: Path, name: str, by: str) -> None:
        write(folder, config={"hidden_size": 32, **({"_name_or_path": f"org/{name}"} if by == "config" else {})})
        folder = named(folder, name) if by == "folder" else folder
        traits, found = embedding_traits(name), LocalEmbeddings(folder).fingerprint
        assert (found["query_prefix"], found["document_prefix"]) == (traits.query_prefix, traits.document_prefix)

    @pytest.mark.parametrize(
        ("prompts", "prefixes"),
        [
            ({"query": "q: ", "document": "d: "}, ("q: ", "d: ")),
            ({"query": "q: ", "passage": "p: "}, ("q: ", "p: ")),
            ({"web_search_query": "w: "}, ("w: ", "")),
            ({"retrieval.query": "q: ", "retrieval.passage": "p: "}, ("q: ", "p: ")),
            ({"query": "", "document": ""}, ("query: ", "passage: ")),
            ({"query": None, "classification": "c: "}, ("query: ", "passage: ")),
        ],
    )
    def test_of_the_folder_win(self, folder: Path, prompts: Any, prefixes: tuple[str, str]) -> None:
        write(folder, config_sentence_transformers={"prompts": prompts})
        found = LocalEmbeddings(named(folder, "e5-base-v2")).fingerprint
        assert (found["query_prefix"], found["document_prefix"]) == prefixes


class TestTheLimit:
    @pytest.mark.parametrize(
        ("files", "limit"),
        [
            ({}, MAX_TOKENS),
            ({"sentence_bert_config": {"max_seq_length": 16}}, 16),
            ({"sentence_roberta_config": {"max_seq_length": 24}}, 24),
            ({"sentence_bert_config": {"max_seq_length": 999}}, 999),
            ({"sentence_bert_config": {"max_seq_length": None}}, MAX_TOKENS),
            ({"tokenizer_config": {"model_max_length": 1e30}, "config": {"max_position_embeddings": 64}}, 64),
            (
                {
                    "tokenizer_config": {"model_max_length": 10**30},
                    "config": {"max_position_embeddings": 66, "model_type": "roberta"},
                },
                64,
            ),
            ({"config": {"max_position_embeddings": 32}}, 32),
            ({"tokenizer_config": {}}, None),
        ],
    )
    def test_is_what_the_model_reads(self, folder: Path, files: Any, limit: int | None) -> None:
        assert token_limit(write(folder, **files)) == limit

    def test_is_where_a_text_ends(self, folder: Path) -> None:
        write(folder, sentence_bert_config={"max_seq_length": 8})
        model = LocalEmbeddings(folder, pooling="mean")
        words = "data store milvus vector search index"
        assert model.embed_query(f"{words} memory windows") == model.embed_query(words)
        assert model.embed_query(words) != model.embed_query(words.removesuffix(" index"))


class TestTheFingerprint:
    def test_is_that_of_before_where_vectors_are(self, folder: Path) -> None:
        before = f"some-model@{LocalEmbeddings(folder).fingerprint['model'].rpartition('@')[2]}"
        assert "+" not in before
        assert LocalEmbeddings(folder, pooling="mean").fingerprint["model"] == before
        write(folder, **{"1_Pooling__config": {"pooling_mode_cls_token": True}})
        assert LocalEmbeddings(folder).fingerprint["model"] == before

    @pytest.mark.parametrize(
        ("files", "options", "end"),
        [
            ({"sentence_bert_config": {"max_seq_length": 16}}, {"pooling": "mean"}, "+16"),
            ({}, {"pooling": "cls"}, "+cls"),
            (
                {"modules": [{"type": POOLING, "path": "p"}], "p__config": {"pooling_mode": "lasttoken"}},
                {},
                "+lasttoken",
            ),
            ({"1_Pooling__config": {"pooling_mode": "cls"}}, {"pooling": "mean"}, "+mean"),
        ],
    )
    def test_is_another_where_vectors_are_others(self, folder: Path, files: Any, options: Any, end: str) -> None:
        assert LocalEmbeddings(write(folder, **files), **options).fingerprint["model"].endswith(end)

    @pytest.mark.parametrize("name", ["tokenizer.json", "special_tokens_map.json", "model.onnx_data"])
    def test_changes_with_each_file_that_changes_a_vector(self, folder: Path, name: str) -> None:
        before = LocalEmbeddings(folder).fingerprint
        with (folder / name).open("a") as file:
            file.write("\n")
        after = LocalEmbeddings(folder).fingerprint
        assert before["model"] == after["model"]
        assert before["digest"] != after["digest"]


def test_a_folder_without_a_limit_says_what_it_lacks(folder: Path) -> None:
    write(folder, tokenizer_config={"pad_token": "[PAD]"})
    with pytest.raises(ModelNotFoundError, match="model_max_length"):
        LocalEmbeddings(folder, pooling="mean").embed_query(TEXT)
