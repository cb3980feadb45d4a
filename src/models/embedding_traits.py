"""What embedding models want done with their texts, by model name, whoever serves them."""

import re
from dataclasses import dataclass
from typing import Final, Literal

Pooling = Literal["mean", "cls", "lasttoken"]
"""How one vector is made of those of a text's tokens: their mean, the first, or the last."""


@dataclass(frozen=True, slots=True)
class EmbeddingTraits:
    """How a model wants its texts.

    Attributes:
        query_prefix: Put in front of a question.
        document_prefix: Put in front of a document.
        dimension: Length of its vectors, ``None`` where it is learned from the first answer.
        asks_dimension: Whether the request must name the dimension, because the model's own is larger.
    """

    query_prefix: str = ""
    document_prefix: str = ""
    dimension: int | None = None
    asks_dimension: bool = False


# Looked for anywhere in the model's name: servers put owners in front of it and versions behind it.
_TRAITS: Final = (
    # https://ai.google.dev/gemini-api/docs/embeddings: this model ignores task types and wants text prefixes; 3072
    # values, of which 768 keep nearly all the quality and are what the tutorials use.
    (
        re.compile(r"gemini-embedding-2\b"),
        EmbeddingTraits("task: search result | query: ", "title: none | text: ", 768, asks_dimension=True),
    ),
    (re.compile(r"gemini-embedding-001\b"), EmbeddingTraits(dimension=768, asks_dimension=True)),
    (re.compile(r"\btext-embedding-004\b"), EmbeddingTraits(dimension=768)),
    # https://huggingface.co/nomic-ai/nomic-embed-text-v1.5
    (re.compile(r"nomic-embed-text-v1\.5\b"), EmbeddingTraits("search_query: ", "search_document: ", 768)),
    (re.compile(r"nomic-embed-text"), EmbeddingTraits("search_query: ", "search_document: ")),
    # https://huggingface.co/intfloat/multilingual-e5-large; its instruct variants want a task in place of it.
    (re.compile(r"\be5-(small|base|large)(?!.*instruct)"), EmbeddingTraits("query: ", "passage: ")),
    # https://huggingface.co/google/embeddinggemma-300m
    (re.compile(r"embeddinggemma"), EmbeddingTraits("task: search result | query: ", "title: none | text: ")),
    # https://huggingface.co/Snowflake/snowflake-arctic-embed-m-v2.0
    (re.compile(r"arctic-embed.*v2"), EmbeddingTraits("query: ")),
    # https://huggingface.co/mixedbread-ai/mxbai-embed-large-v1, https://huggingface.co/Snowflake/snowflake-arctic-embed-m
    (
        re.compile(r"mxbai-embed-large|arctic-embed"),
        EmbeddingTraits("Represent this sentence for searching relevant passages: "),
    ),
    # https://huggingface.co/Qwen/Qwen3-Embedding-8B: an instruction for questions, nothing for documents.
    (
        re.compile(r"qwen3-embedding"),
        EmbeddingTraits("Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"),
    ),
)


# How models pool that leave it to whoever runs them, by sentence-transformers' files of each (1_Pooling/config.json).
_POOLINGS: Final[tuple[tuple[re.Pattern[str], Pooling], ...]] = (
    (re.compile(r"qwen3-embedding|gte-qwen|e5-mistral|sfr-embedding|linq-embed"), "lasttoken"),
    (
        re.compile(
            r"\bbge-(?!multilingual-gemma)|arctic-embed|mxbai-embed|uae-large|ember-v1|granite-embedding|gte-modernbert"
            r"|gte-(?:base|large)-en-v1\.5|gte-multilingual|multi-qa-(?:mpnet-base|distilbert)-dot|-tas-b\b|\bkure-v1"
        ),
        "cls",
    ),
    (
        re.compile(
            r"all-(?:minilm|mpnet|distilroberta|roberta)|multi-qa-|paraphrase-|\be5-|nomic-embed|modernbert-embed"
            # The model under all-MiniLM-*, whose exports name it.
            r"|minilm-l\d+-h384|\bgte-(?:small|base|large|tiny)|jina-embeddings-v[23]|ko-sroberta|\bmsmarco-(?:minilm|distilbert)"
        ),
        "mean",
    ),
)


def known_pooling(model: str) -> Pooling | None:
    """How a model pools, by its name; None where it is not known."""
    name = model.lower()
    return next((pooling for pattern, pooling in _POOLINGS if pattern.search(name)), None)


def embedding_traits(model: str) -> EmbeddingTraits:
    """Look up what a model wants; nothing special where it is not known."""
    name = model.lower()
    return next((traits for pattern, traits in _TRAITS if pattern.search(name)), EmbeddingTraits())
