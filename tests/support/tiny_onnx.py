"""Tiny models in ONNX that mean something: for machines without a model hub.

Texts that share words are near each other, so that searches and rankings over them can be worked out by hand.
"""

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

MAX_TOKENS = 128
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
_WORDS = (
    "data", "store", "stores", "stored", "milvus", "where", "how", "is", "in", "the", "vector", "vectors", "search",
    "index", "memory", "windows", "install", "flush", "artificial", "intelligence", "1956", "dartmouth", "conference",
    "birth", "birthplace", "turing", "born", "london", "chess", "computer", "scientist", "proof", "foo", "bar", "hello",
    "world", "pizza", "weather", "cat", "dog", "a", "of", "and", "for", "to",
)  # fmt: skip
# Older than the newest opset, so that every onnxruntime of the supported range can load it.
_OPSET = 17


def make_dense_model(folder: Path, *, dimension: int = 32, seed: int = 0, pooled: bool = False) -> Path:
    """Write a model that embeds a text as the mean of its words' vectors.

    Args:
        folder: Where to; made when absent.
        dimension: Length of a vector.
        seed: Another seed is another model.
        pooled: Whether the model's output is one vector a text, not one a token.

    Returns:
        The folder.
    """
    vocabulary = _write_tokenizer(folder)
    words = _word_vectors(len(vocabulary), dimension, seed)
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["of_words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        # The types are zeros here; they are an input because real models have it.
        helper.make_node("Add", ["mask", "types"], ["weights"]),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["of_words", "column"], ["last_hidden_state"]),
    ]
    output, shape = "last_hidden_state", ["batch", "tokens", dimension]
    if pooled:
        nodes.append(helper.make_node("ReduceMean", ["last_hidden_state"], ["pooled"], axes=[1], keepdims=0))
        output, shape = "pooled", ["batch", dimension]
    _write_model(folder, nodes, {"words": words, "last": np.array([-1], np.int64)}, output, shape)
    _write_config(folder, dimension, len(vocabulary))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def make_cross_encoder(folder: Path, *, dimension: int = 256, seed: int = 0) -> Path:
    """Write a model that scores a pair by how often the words of the one occur in the other.

    Args:
        folder: Where to; made when absent.
        dimension: Length of the words' vectors: the longer, the nearer to zero two different words' product.
        seed: Another seed is another model.

    Returns:
        The folder.
    """
    vocabulary = _write_tokenizer(folder)
    words = _word_vectors(len(vocabulary), dimension, seed)
    words[[vocabulary[token] for token in _SPECIAL]] = 0
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["of_words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["mask", "types"], ["second"]),
        helper.make_node("Sub", ["mask", "second"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "last"], ["of_first"]),
        helper.make_node("Unsqueeze", ["second", "last"], ["of_second"]),
        helper.make_node("Mul", ["of_words", "of_first"], ["first_words"]),
        helper.make_node("Mul", ["of_words", "of_second"], ["second_words"]),
        helper.make_node("ReduceSum", ["first_words", "tokens"], ["first_sum"], keepdims=0),
        helper.make_node("ReduceSum", ["second_words", "tokens"], ["second_sum"], keepdims=0),
        helper.make_node("Mul", ["first_sum", "second_sum"], ["products"]),
        helper.make_node("ReduceSum", ["products", "last"], ["logits"], keepdims=1),
    ]
    constants = {"words": words, "last": np.array([-1], np.int64), "tokens": np.array([1], np.int64)}
    _write_model(folder, nodes, constants, "logits", ["batch", 1])
    _write_config(folder, dimension, len(vocabulary))
    return folder


def _word_vectors(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _write_tokenizer(folder: Path) -> dict[str, int]:
    folder.mkdir(parents=True, exist_ok=True)
    pieces = dict.fromkeys([*_SPECIAL, *_WORDS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), ".", "?", ",", "#"])
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    settings = {**special, "tokenizer_class": "BertTokenizer", "model_max_length": MAX_TOKENS, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    return vocabulary


def _write_model(
    folder: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, NDArray[np.float32] | NDArray[np.int64]],
    output: str,
    shape: list[str | int],
) -> None:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        inputs,
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / "model.onnx"))


def _write_config(folder: Path, dimension: int, vocabulary: int) -> None:
    settings = {"model_type": "bert", "hidden_size": dimension, "vocab_size": vocabulary, "pad_token_id": 0}
    (folder / "config.json").write_text(json.dumps(settings))
