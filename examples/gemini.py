"""Build RAG with Milvus and Gemini: the tutorial's steps, its question and its prompts, on models that live.

Before: ``pip install '.[gemini]'``, and set ``GEMINI_API_KEY``.

Run it on this project's documentation, or on the tutorial's pages:

    python examples/gemini.py
    python examples/gemini.py milvus_docs_2.4.x_en.zip --glob 'en/faq/*.md'

It prints who the model says it is, the dimension of a test embedding and its first values, how many chunks it
stored, the three nearest ones with their scores as JSON, and the answer.
"""

import argparse
import json
import sys
from pathlib import Path

from milvus_rag import (
    MarkdownLoader,
    MarkerSplitter,
    MilvusRagError,
    chat_model,
    embedding_model,
    milvus_retriever,
    open_store,
    rag_chain,
    sync,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"
COLLECTION = "my_rag_collection"
QUESTION = "How is data stored in milvus?"


def main() -> None:
    """Take the tutorial's steps."""
    parser = argparse.ArgumentParser(description="Build RAG with Milvus and Gemini.")
    parser.add_argument("path", nargs="?", default=str(DOCS), help="folder, file, .zip or URL of Markdown pages")
    parser.add_argument("--glob", default="**/*.md", help="files to take from it")
    parser.add_argument("--uri", default="./milvus_demo.db", help="Milvus: a .db path, or a server's URI")
    arguments = parser.parse_args()

    chat = chat_model("gemini")
    print(chat.invoke("who are you").text)

    embedding = embedding_model("gemini")
    test_embedding, _ = embedding.embed_documents(["This is a test1", "This is a test2"])
    print(len(test_embedding))
    print(test_embedding[:10])

    # What is there goes, as in the tutorial: another one may have left vectors of another model.
    with open_store(arguments.uri, collection=COLLECTION, full_text=False) as old:
        old.drop()

    with open_store(arguments.uri, embedding=embedding, collection=COLLECTION, full_text=False) as store:
        loader = MarkdownLoader(arguments.path, arguments.glob)
        report = sync(loader, MarkerSplitter(), store)
        print(f"Stored {report.added} chunks of {report.sources} files.")

        chain = rag_chain(milvus_retriever(store, k=3), chat)
        result = chain.invoke(QUESTION)

    retrieved_lines_with_distances = [
        (document.page_content, document.metadata["score"]) for document in result["context"]
    ]
    print(json.dumps(retrieved_lines_with_distances, indent=4))
    print(result["answer"])


if __name__ == "__main__":
    try:
        main()
    except MilvusRagError as exc:
        sys.exit(str(exc))
