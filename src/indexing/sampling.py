"""Some prose of what is to be indexed, read before anything is stored: by it the language is recognised."""

import threading
from collections.abc import Iterator, Sequence
from itertools import chain

from langchain_core.documents import Document

from ..markdown.plain_text import prose_of
from .loader_protocols import SamplingLoader

# Documents that are looked at, and characters of prose that are taken of all of them together.
_DOCUMENTS = 40
_CHARACTERS = 12_000
# Of a long document no more is looked at.
_MOST_OF_ONE = 20_000
# What is read ahead of a loader whose documents come one after the other, and is held in memory.
_AHEAD_DOCUMENTS = 200
_AHEAD_CHARACTERS = 200_000


def sampled(loader: SamplingLoader) -> list[str]:
    """Prose of documents from all over; none where the loader fails or gives none."""
    try:
        return prose_samples(list(loader.sample(_DOCUMENTS)))
    except Exception:  # noqa: BLE001 - the loader's, whatever it is
        return []


def prose_samples(documents: Sequence[Document]) -> list[str]:
    """Prose of some of the documents, from the middle of each."""
    chosen = documents[:: -(-len(documents) // _DOCUMENTS) or 1]
    texts = [prose_of(document.page_content[:_MOST_OF_ONE]) for document in chosen if isinstance(document, Document)]
    room = _CHARACTERS // max(1, len(texts))
    return [text[max(0, len(text) - room) // 2 :][:room] for text in texts]


def peeked(documents: Iterator[Document], stop: threading.Event) -> tuple[list[Document], Iterator[Document]]:
    """The first of some documents, and all of them, with what is raised where it would have been."""
    first: list[Document] = []
    characters = 0
    try:
        for document in documents:
            first.append(document)
            characters += len(document.page_content) if isinstance(document, Document) else 0
            if len(first) >= _AHEAD_DOCUMENTS or characters >= _AHEAD_CHARACTERS or stop.is_set():
                break
    except Exception as exc:  # noqa: BLE001 - the loader's, whatever it is
        return first, chain(first, _raising(exc))
    return first, chain(first, documents)


def _raising(error: Exception) -> Iterator[Document]:
    raise error
    yield
