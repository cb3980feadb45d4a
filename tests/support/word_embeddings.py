"""Embeddings of hashed words, whose scores can be worked out by hand."""

from langchain_core.embeddings import Embeddings

from .embedding import hashed_words


class WordEmbeddings(Embeddings):
    """Texts that share words are near each other; see `hashed_words`.

    Attributes:
        questions: What it was asked to embed as a question.
    """

    def __init__(self, dimension: int = 256) -> None:
        self.dimension = dimension
        self.questions: list[str] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector of length 1 a text."""
        return [hashed_words(text, self.dimension) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector of length 1."""
        self.questions.append(text)
        return hashed_words(text, self.dimension)
