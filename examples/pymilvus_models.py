"""PyMilvus' models in LangChain: the blog post's three examples, and the hybrid search that it promises.

The post: https://milvus.io/blog/introducing-pymilvus-integrations-with-embedding-models.md

Before: ``pip install '.[pymilvus,rerank,local]'``, and set ``JINA_API_KEY`` for the reranker, or choose one
that needs no key with ``--reranker local``. The dense model is downloaded at the first run, unless ``--dense`` names a
folder with a model in ONNX.

    python examples/pymilvus_models.py
    python examples/pymilvus_models.py --dense local:/path/to/model --reranker local:/path/to/cross-encoder

It prints the dense vectors and their dimension, how well BM25 finds where Turing was born, the reranker's order of four
documents with their scores, and what a hybrid search over all of them finds, with score and rank in each of its halves.
"""

import argparse
import sys

from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.embeddings import Embeddings

from milvus_rag import (
    MilvusRagError,
    PymilvusEmbeddings,
    PymilvusSparseEmbeddings,
    embedding_model,
    milvus_retriever,
    open_store,
    reranker,
)

DOCUMENTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]
QUESTION = "Where was Turing born?"

RERANK_QUESTION = "What event in 1956 marked the official birth of artificial intelligence as a discipline?"
RERANK_DOCUMENTS = [
    "In 1950, Alan Turing published his seminal paper, 'Computing Machinery and Intelligence,' proposing the Turing "
    "Test as a criterion of intelligence, a foundational concept in the philosophy and development of artificial "
    "intelligence.",
    "The Dartmouth Conference in 1956 is considered the birthplace of artificial intelligence as a field; here, John "
    "McCarthy and others coined the term 'artificial intelligence' and laid out its basic goals.",
    "In 1951, British mathematician and computer scientist Alan Turing also developed the first program designed to "
    "play chess, demonstrating an early example of AI in game strategy.",
    "The invention of the Logic Theorist by Allen Newell, Herbert A. Simon, and Cliff Shaw in 1955 marked the creation "
    "of the first true AI program, which was capable of solving logic problems, akin to proving mathematical theorems.",
]


def dense_vectors(embedding: Embeddings) -> None:
    """Example 1: dense vectors of the default embedding function."""
    embeddings = embedding.embed_documents(DOCUMENTS)
    print("Embeddings:", [f"[{vector[0]:.8f}, {vector[1]:.8f}, ...]" for vector in embeddings])
    print("Dim:", len(embeddings[0]), "\n")


def sparse_vectors(params: str) -> PymilvusSparseEmbeddings:
    """Example 2: BM25, fitted on a corpus, saved and loaded."""
    fitted = PymilvusSparseEmbeddings("BM25EmbeddingFunction")
    fitted.fit(DOCUMENTS + RERANK_DOCUMENTS)
    fitted.save(params)

    sparse = PymilvusSparseEmbeddings("BM25EmbeddingFunction")
    sparse.load(params)
    query = sparse.embed_query(QUESTION)
    for text, weights in zip(DOCUMENTS, sparse.embed_documents(DOCUMENTS), strict=True):
        score = sum(weight * query.get(word, 0.0) for word, weight in weights.items())
        print(f"BM25 {score:.4f}  {text}")
    print()
    return sparse


def reranked(compressor: BaseDocumentCompressor) -> None:
    """Example 3: a reranker reads question and document together."""
    documents = [Document(text, metadata={"index": index}) for index, text in enumerate(RERANK_DOCUMENTS)]
    for document in compressor.compress_documents(documents, RERANK_QUESTION):
        print(f"Index: {document.metadata['index']}")
        print(f"Score: {document.metadata['rerank_score']:.6f}")
        print(f"Text: {document.page_content}\n")


def hybrid_search(uri: str, embedding: Embeddings, sparse: PymilvusSparseEmbeddings) -> None:
    """What the post promises: both vectors in one collection, and their results merged."""
    with open_store(uri, embedding=embedding, sparse_embedding=sparse, collection="pymilvus_models") as store:
        store.drop()
        store.add_texts(DOCUMENTS + RERANK_DOCUMENTS)
        for document in milvus_retriever(store, mode="hybrid", k=2).invoke(QUESTION):
            found = document.metadata
            legs = [
                f"{leg} {found[f'{leg}_score']:.4f} (rank {found[f'{leg}_rank']})"
                for leg in ("dense", "full_text")
                if f"{leg}_score" in found
            ]
            print(f"Hybrid {found['score']:.4f} = {' + '.join(legs)}  {document.page_content}")


def main() -> None:
    """Take the post's examples in turn."""
    parser = argparse.ArgumentParser(description="PyMilvus' embedding and rerank models in LangChain.")
    parser.add_argument(
        "--dense", default="DefaultEmbeddingFunction", help="a function of pymilvus.model, or local:/folder"
    )
    parser.add_argument("--reranker", default="jina:jina-reranker-v1-base-en", help="jina, local, or local:/folder")
    parser.add_argument("--params", default="bm25_params.json", help="where the BM25 parameters are saved")
    parser.add_argument("--uri", default="./pymilvus_models.db", help="Milvus: a .db path, or a server's URI")
    arguments = parser.parse_args()

    compressor = reranker(arguments.reranker)
    own = arguments.dense.endswith("Function")
    embedding = PymilvusEmbeddings(arguments.dense) if own else embedding_model(arguments.dense)
    dense_vectors(embedding)
    sparse = sparse_vectors(arguments.params)
    reranked(compressor)
    hybrid_search(arguments.uri, embedding, sparse)


if __name__ == "__main__":
    try:
        main()
    except MilvusRagError as exc:
        sys.exit(str(exc))
