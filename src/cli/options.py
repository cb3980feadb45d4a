"""Options that several commands share. None means: not given here, so the environment, .env or the default decides."""

from typing import Annotated

import typer

_MILVUS = "Milvus"
_MODELS = "Models"
_FILES = "Files"
_RETRIEVAL = "Retrieval"

Uri = Annotated[
    str | None,
    typer.Option(
        help="A path ending in .db (Milvus Lite), or a server's URI. [default: ./milvus_demo.db]",
        rich_help_panel=_MILVUS,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(help="user:password or API key; better set as MILVUS_RAG_TOKEN.", rich_help_panel=_MILVUS),
]
DbName = Annotated[str | None, typer.Option(help="Database on the server.", rich_help_panel=_MILVUS)]
CollectionName = Annotated[
    str | None, typer.Option(help="Collection or alias. [default: my_rag_collection]", rich_help_panel=_MILVUS)
]
Provider = Annotated[
    str | None,
    typer.Option(help="Provider of chat model and embeddings: gemini, fireworks, …", rich_help_panel=_MODELS),
]
Llm = Annotated[
    str | None,
    typer.Option(
        help="Chat model: PROVIDER or PROVIDER:MODEL. [default: local, which quotes the passages]",
        rich_help_panel=_MODELS,
    ),
]
Embeddings = Annotated[
    str | None,
    typer.Option(
        help="Embedding model: PROVIDER or PROVIDER:MODEL; none for full-text search only. "
        "[default: what the collection was built with; none for a new one]",
        rich_help_panel=_MODELS,
    ),
]
Rerank = Annotated[
    str | None, typer.Option(help="Reranker: jina, jina:MODEL, local:MODEL.", rich_help_panel=_RETRIEVAL)
]
Glob = Annotated[str | None, typer.Option(help="Files to take. [default: **/*.md]", rich_help_panel=_FILES)]
Splitter = Annotated[
    str | None,
    typer.Option(help="markdown, or marker ('# ', as the tutorials do). [default: markdown]", rich_help_panel=_FILES),
]
ChunkSize = Annotated[
    int | None, typer.Option(help="Characters a chunk may have (markdown splitter).", rich_help_panel=_FILES)
]
Language = Annotated[
    str | None,
    typer.Option(help="Language of full-text search; none for no stems. [default: english]", rich_help_panel=_FILES),
]
Mode = Annotated[
    str | None,
    typer.Option(help="dense, full_text or hybrid. [default: all that the collection has]", rich_help_panel=_RETRIEVAL),
]
K = Annotated[int | None, typer.Option("--k", "-k", help="Passages. [default: 3]", rich_help_panel=_RETRIEVAL)]
FetchK = Annotated[
    int | None, typer.Option(help="Hits of each search before they are fused.", rich_help_panel=_RETRIEVAL)
]
MinScore = Annotated[
    float | None, typer.Option(help="Floor on the cosine of question and passage.", rich_help_panel=_RETRIEVAL)
]
Expand = Annotated[
    int | None, typer.Option(help="Chunks to add before and after each passage.", rich_help_panel=_RETRIEVAL)
]
Filter = Annotated[
    str | None,
    typer.Option(
        help='Metadata filter as JSON, e.g. \'{"source": "faq.md"}\', or a Milvus expression.',
        rich_help_panel=_RETRIEVAL,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document; all else goes to stderr.")]
