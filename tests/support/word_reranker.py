"""A reranker whose scores can be worked out by hand."""

from collections.abc import Sequence

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import Field


class CountingReranker(BaseDocumentCompressor):
    """Scores a document by how often it says a word.

    Attributes:
        word: The word.
        seen: How many documents it was given at each call.
    """

    word: str
    seen: list[int] = Field(default_factory=list)

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """The documents, the one that says the word most often first."""
        self.seen.append(len(documents))
        scored = [
            Document(
                document.page_content,
                id=document.id,
                metadata={
                    **document.metadata,
                    "rerank_score": float(document.page_content.lower().split().count(self.word)),
                },
            )
            for document in documents
        ]
        return sorted(scored, key=lambda document: -document.metadata["rerank_score"])
