"""How a splitter is met: what it is called in the collection's memory."""

from typing import Protocol, runtime_checkable

from langchain_core.documents import BaseDocumentTransformer


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
