"""How a splitter is met: what it is called in the collection's memory, and how it is asked to split."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from langchain_core.documents import BaseDocumentTransformer, Document

from ..errors import InputError


@runtime_checkable
class FingerprintedSplitter(Protocol):
    """Says which splitter with which parameters it is."""

    @property
    def fingerprint(self) -> str:
        """Another one makes other chunks of the same text."""
        ...


def splitter_fingerprint(splitter: BaseDocumentTransformer) -> str:
    """Says which splitter with which parameters this is."""
    if isinstance(splitter, FingerprintedSplitter) and splitter.fingerprint:
        return str(splitter.fingerprint)
    # LangChain's splitters keep what they were made with in attributes like these.
    sizes = [
        f"{name.removeprefix('_')}={getattr(splitter, name)}"
        for name in ("_chunk_size", "_chunk_overlap")
        if hasattr(splitter, name)
    ]
    return f"{type(splitter).__name__}({', '.join(sizes)})"


def check_splitter(splitter: object) -> None:
    """Raise an `InputError` for what cannot split documents."""
    if not any(
        callable(getattr(splitter, name, None)) for name in ("transform_documents", "split_documents", "split_text")
    ):
        raise InputError(
            f"A {type(splitter).__name__} is no splitter: it has neither transform_documents, nor split_documents, nor "
            f"split_text."
        )


def split(splitter: Any, documents: Sequence[Document]) -> Sequence[Document]:
    """Split documents, by a splitter of LangChain's or by one that only has some of a splitter's methods.

    LangChain's header splitters have ``split_text`` alone, which gives documents without the metadata of theirs.
    """
    if callable(getattr(splitter, "transform_documents", None)):
        return list(splitter.transform_documents(documents))
    if callable(getattr(splitter, "split_documents", None)):
        return list(splitter.split_documents(documents))
    chunks: list[Document] = []
    for document in documents:
        for part in splitter.split_text(document.page_content):
            text, own = (part.page_content, part.metadata) if isinstance(part, Document) else (str(part), {})
            chunks.append(Document(page_content=text, metadata={**own, **document.metadata}))
    return chunks
