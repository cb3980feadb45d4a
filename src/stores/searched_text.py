"""What of a chunk is searched: the text that is embedded, and the terms for BM25.

A chunk that says where its body begins (``body_start``, as `MarkdownSplitter` writes it) is Markdown with a path of
titles before it. Both its vector and its terms are made of its text without markup, and the titles count twice among
the terms. Any other text is embedded as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..plain_text import plain_text
from ..text_analysis import analyse
from .layout import MAX_VARCHAR

_BODY_START = "body_start"
# To be raised with each change of `plain_text`, so that the vectors of an index are made anew by the next sync.
_PLAIN_TEXT_VERSION = 1


def embedded_text(text: str, metadata: Mapping[str, Any] | None) -> str:
    """What an embedding model is given for a chunk."""
    if _title_end(metadata) is None:
        return text
    plain = plain_text(text)
    return plain if plain.strip() else text


def embedded_as(metadata: Mapping[str, Any] | None) -> str:
    """Names what `embedded_text` does: chunks with the same text and the same name have the same vector."""
    return "text" if _title_end(metadata) is None else f"plain text {_PLAIN_TEXT_VERSION}"


def embedded_texts(texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """`embedded_text` of many chunks."""
    return [
        embedded_text(text, metadatas[i] if metadatas and i < len(metadatas) else None) for i, text in enumerate(texts)
    ]


def index_terms(text: str, language: str, metadata: Mapping[str, Any] | None = None) -> str:
    """The analysed text for the BM25 field, joined by blanks and cut to what Milvus keeps."""
    title_end = _title_end(metadata)
    found = analyse(text if title_end is None else plain_text(text, link_names=True), language)
    if title_end:
        found = [*analyse(text[:title_end], language), *found]
    terms = " ".join(map(_searchable, found))
    if len(terms) <= MAX_VARCHAR:
        return terms
    return terms[:MAX_VARCHAR].rpartition(" ")[0]


def _title_end(metadata: Mapping[str, Any] | None) -> int | None:
    """Where the titles before a Markdown chunk end; None for any other text."""
    end = (metadata or {}).get(_BODY_START)
    return end if isinstance(end, int) and not isinstance(end, bool) and end >= 0 else None


def _searchable(term: str) -> str:
    # Milvus' analyzers disagree on what a word is beyond ASCII: some cut Chinese into characters, some cut at
    # combining marks. In ASCII letters and digits every one of them keeps a term whole.
    return term if term.isascii() else "u" + "x".join(f"{ord(character):x}" for character in term)
