"""Questions to begin with: what the indexed pages are called, and what they ask themselves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ..chunk_keys import SOURCE_KEY, TITLE_KEY, headings_of

MOST_STARTERS: Final = 4
ROWS_READ: Final = 200
"""Chunks that are looked at: enough for a few titles, and read at once from any collection."""
# A heading that is a question, and fits on a button.
_SHORTEST: Final = 8
_LONGEST: Final = 80
_QUESTION_MARKS: Final = ("?", "\uff1f", "\u061f")


def starter_questions(chunks: Iterable[Mapping[str, Any]]) -> list[str]:
    """A few questions that the chunks of a collection surely have something about.

    Headings that are questions first, then titles; each from another page, spread over all that is given.

    Args:
        chunks: Metadata of chunks.
    """
    questions: dict[str, str] = {}
    titles: dict[str, str] = {}
    for metadata in chunks:
        source = str(metadata.get(SOURCE_KEY, ""))
        last = (headings_of(metadata) or [""])[-1].strip()
        title = str(metadata.get(TITLE_KEY) or "").strip()
        if last.endswith(_QUESTION_MARKS) and _fits(last):
            questions.setdefault(source, last)
        if _fits(title):
            titles.setdefault(source, title)
    asked = _spread(list(dict.fromkeys(questions.values())))
    named = _spread([title for title in dict.fromkeys(titles.values()) if title not in asked])
    return [*asked, *named][:MOST_STARTERS]


def _fits(text: str) -> bool:
    return _SHORTEST <= len(text) <= _LONGEST and text.isprintable()


def _spread(texts: Sequence[str]) -> list[str]:
    step = max(1, len(texts) // MOST_STARTERS)
    return list(texts[::step][:MOST_STARTERS])
