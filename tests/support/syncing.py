"""What the tests of `sync` share: a folder of pages, an embedding on loopback, and what is in a store."""

import random
from pathlib import Path
from typing import Any

from langchain_core.embeddings import Embeddings

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, embedding_model, open_store, sync
from support.openai_server import OpenAIServer

KEY = "sk-loopback-only"
BATCH = 8
CONCURRENCY = 2


def loopback_embedding(base_url: str) -> Embeddings:
    """An embedding whose requests the server of a test sees."""
    return embedding_model("openai:test", base_url=base_url, api_key=KEY, timeout=10)


def write_pages(folder: Path, pages: int, sections: int, seed: int = 0) -> None:
    """Pages with sections of a few words each, no two alike."""
    chance = random.Random(seed)  # noqa: S311 - test data
    for page in range(pages):
        text = "".join(
            f"# Section {section}\n\n{' '.join(f'w{chance.randrange(10**9)}' for _ in range(12))}\n\n"
            for section in range(sections)
        )
        (folder / f"page{page:02}.md").write_text(text, "utf-8")


def index(folder: Path, uri: str, base_url: str, announce: Path | None = None) -> None:
    """Sync a folder; runs in a process of its own in the tests that kill it."""
    with open_store(uri, embedding=loopback_embedding(base_url)) as store:
        if announce is not None:
            announce.touch()
        sync(
            MarkdownLoader(folder),
            MarkdownSplitter(),
            store,
            batch_size=BATCH,
            max_concurrency=CONCURRENCY,
        )


def rows_of(store: MilvusStore) -> dict[str, tuple[str, dict[str, Any], list[float]]]:
    """All that a store holds: id to text, metadata and vector, the vector rounded as float32 is."""
    ids = store.get_pks("")
    documents = {document.id: document for document in store.get_by_ids(ids)}
    rows = store.client.get(store.collection_name, ids=ids, output_fields=["pk", "vector"]) if ids else []
    vectors = {row["pk"]: [round(float(value), 4) for value in row["vector"]] for row in rows}
    return {
        str(row_id): (document.page_content, document.metadata, vectors[str(row_id)])
        for row_id, document in documents.items()
    }


def texts_sent(server: OpenAIServer) -> list[str]:
    """Every text that was sent to be embedded, oldest first. Of a request that was cut off, the server has no body."""
    return [text for request in server.requests if request.body for text in request.body["input"]]
