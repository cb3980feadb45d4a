"""What of a chunk is searched: the text that is embedded, and the terms for BM25.

A chunk that says where its body begins (``body_start``, as `MarkdownSplitter` writes it) is Markdown with a path of
titles before it. Both its vector and its terms are made of its text without markup, and the titles count twice among
the terms. Any other text is embedded as it is.
"""

from base64 import b32encode
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from ..chunk_keys import BODY_START_KEY
from ..markdown.plain_text import plain_text, reading_version
from ..markdown.within import lead_in_of, markdown_start, within_of
from ..text_analysis import analyse
from .layout import MAX_VARCHAR

# A change of `plain_text` gets a new version for the chunks that it reads in another way, whose vectors the next sync
# makes anew. All others keep the one that they had, and with it the vectors that an index has.
# A shorter text has no more terms than Milvus keeps: hardly a character makes more than one of them, of six letters.
_LEAST_CUT = MAX_VARCHAR // 9


def embedded_text(text: str, metadata: Mapping[str, Any] | None) -> str:
    """What an embedding model is given for a chunk."""
    title_end = _title_end(metadata)
    if title_end is None:
        return text
    plain = _plain(text, title_end, metadata)
    return plain if plain.strip() else text


def embedded_as(text: str, metadata: Mapping[str, Any] | None) -> str:
    """Names what `embedded_text` does: chunks with the same text and the same name have the same vector."""
    title_end = _title_end(metadata)
    if title_end is None:
        return "text"
    start = markdown_start(text, title_end)
    stands = metadata or {}
    return f"plain text {reading_version(text, start=start, within=within_of(stands), lead_in=lead_in_of(stands))}"


def embedded_texts(texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """`embedded_text` of many chunks."""
    return [
        embedded_text(text, metadatas[i] if metadatas and i < len(metadatas) else None) for i, text in enumerate(texts)
    ]


def index_terms(text: str, language: str, metadata: Mapping[str, Any] | None = None) -> str:
    """The analysed text for the BM25 field, joined by blanks.

    Of more than Milvus keeps, each term is there once before any is there again; see `cuts_terms`.
    """
    terms = _terms(text, language, metadata)
    joined = " ".join(terms)
    if len(joined) <= MAX_VARCHAR:
        return joined
    distinct = dict.fromkeys(terms)
    repeated = (Counter(terms) - Counter(distinct.keys())).elements()
    return " ".join([*distinct, *repeated])[:MAX_VARCHAR].rpartition(" ")[0]


def named_terms(text: str, language: str) -> dict[str, str]:
    """The terms of a question, each once: by the name that it has among `index_terms`, the term as it is."""
    return {_named(term): term for term in analyse(text, language)}


def cuts_terms(text: str, language: str, metadata: Mapping[str, Any] | None = None) -> bool:
    """Whether a text has more terms than Milvus keeps, so that it is not found by some of them."""
    if len(text) < _LEAST_CUT:
        return False
    return len(" ".join(dict.fromkeys(_terms(text, language, metadata)))) > MAX_VARCHAR


def _terms(text: str, language: str, metadata: Mapping[str, Any] | None) -> list[str]:
    title_end = _title_end(metadata)
    found = analyse(text if title_end is None else _plain(text, title_end, metadata, link_names=True), language)
    if title_end:
        found = [*analyse(text[:title_end], language), *found]
    # Terms are joined to be stored: where that is ASCII, each is.
    return found if "".join(found).isascii() else [_named(term) for term in found]


def _plain(text: str, title_end: int, metadata: Mapping[str, Any] | None, *, link_names: bool = False) -> str:
    start = markdown_start(text, title_end)
    stands = metadata or {}
    return plain_text(text, start=start, within=within_of(stands), lead_in=lead_in_of(stands), link_names=link_names)


def _title_end(metadata: Mapping[str, Any] | None) -> int | None:
    """Where the titles before a Markdown chunk end; None for any other text."""
    end = (metadata or {}).get(BODY_START_KEY)
    return end if isinstance(end, int) and not isinstance(end, bool) and end >= 0 else None


def _named(term: str) -> str:
    return term if term.isascii() else _name(term)


@lru_cache(maxsize=100_000)
def _name(term: str) -> str:
    # Milvus' analyzers disagree on what a word is beyond ASCII: some cut Chinese into characters, some cut at
    # combining marks. In ASCII letters and digits every one of them keeps a term whole. So a term is known by a digest
    # of it: a digit, which no word of English begins with, and 25 bits as five letters or digits. Spelled out, the
    # pairs of characters of a long Chinese text are twice as long, and do not fit. Of 100,000 terms, one in 3,000
    # shares its name with another.
    digest = blake2b(term.encode("utf-8", "surrogatepass"), digest_size=5).digest()
    return f"{digest[0] % 10}{b32encode(digest)[3:].decode().lower()}"
