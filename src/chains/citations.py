"""Which passages an answer cites, and whether what it says of each is in the words of that passage."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from langchain_core.documents import Document
from typing_extensions import TypedDict

from ..chunk_keys import END_LINE_KEY, SOURCE_KEY, START_LINE_KEY, headings_of, path_of
from ..markdown.sentences import sentences
from ..text_analysis import analyse
from .citation_filter import CITATION, CitationFilter

# From this part of a sentence's words on that its passage has, the passage is said to support it.
SUPPORT = 0.5

_NUMBERS = re.compile("[0-9]+")
_QUOTED = re.compile(r"^ {0,3}> ?", re.MULTILINE)
_PARAGRAPH_END = re.compile(r"\n[ \t]*\n|\n(?=[ \t]*(?:[-*+]|[0-9]+[.)])[ \t])")
# Citations at the beginning of a sentence, which are of the one before it: they stand behind its full stop.
_LEADING = re.compile(rf"(?:(?:{re.sub('[?]P<[a-z]+>', '?:', CITATION.pattern)})[ \t.,;]*)+")
# The line below a quotation that says where it is from.
_ATTRIBUTION = "\u2014"


class Citation(TypedDict):
    """A passage that an answer cites.

    Attributes:
        number: The passage's in the context, from 1.
        source: The file or other source that it is from; None where that is not known.
        headings: Those above it, the outermost first.
        start_line: Its first line in the source, from 1; None where that is not known.
        end_line: Its last.
        overlap: The part of the words of a sentence that cites it (stems, without stop words) that the passage has,
            from 0 to 1; the least, where several cite it.
        supported: Whether that is at least half of them.
    """

    number: int
    source: str | None
    headings: list[str]
    start_line: int | None
    end_line: int | None
    overlap: float
    supported: bool


def citations_of(answer: str, documents: Sequence[Document], *, language: str = "english") -> list[Citation]:
    """Find what an answer cites, and measure it.

    Args:
        answer: What `CitationFilter` let through.
        documents: The passages, in the order in which they were numbered.
        language: Whose stop words and stems are used to compare words.

    Returns:
        One for each passage that is cited, by their numbers; none for an answer that cites nothing.
    """
    least: dict[int, float] = {}
    # Each passage is read once, however often it is cited.
    terms = cache(lambda number: _terms_of(documents[number - 1], language))
    for sentence, numbers in cited_sentences(answer, len(documents)):
        said = set(analyse(sentence, language))
        for number in numbers:
            overlap = len(said & terms(number)) / len(said) if said else 0.0
            least[number] = min(overlap, least.get(number, 1.0))
    return [_citation(number, documents[number - 1], least[number]) for number in sorted(least)]


def cited_sentences(answer: str, count: int) -> Iterator[tuple[str, list[int]]]:
    """Each sentence of an answer that cites something, without its citations, and the numbers that it cites.

    Citations behind a sentence's full stop are that sentence's; those below a quotation are the quotation's.

    Args:
        answer: What `CitationFilter` let through.
        count: How many passages there are.
    """
    for paragraph in _PARAGRAPH_END.split(CitationFilter.only_citations(answer, count)):
        lines: list[str] = []
        for line in _QUOTED.sub("", paragraph).split("\n"):
            if line.lstrip().startswith(_ATTRIBUTION) and (numbers := _numbers(line)):
                yield CITATION.sub(" ", "\n".join(lines)), numbers
                lines.clear()
            else:
                lines.append(line)
        yield from _by_sentences("\n".join(lines))


def _by_sentences(paragraph: str) -> Iterator[tuple[str, list[int]]]:
    found: list[tuple[str, list[int]]] = []
    for sentence in sentences(paragraph):
        rest = sentence
        if found and (leading := _LEADING.match(sentence)):
            found[-1][1].extend(_numbers(leading[0]))
            rest = sentence[leading.end() :]
        if rest.strip():
            found.append((CITATION.sub(" ", rest), _numbers(rest)))
    return iter([(text, list(dict.fromkeys(numbers))) for text, numbers in found if numbers])


def _numbers(text: str) -> list[int]:
    lists = (found["double"] or found["plain"] or found["wide"] for found in CITATION.finditer(text))
    return [int(number) for given in lists for number in _NUMBERS.findall(given)]


def _terms_of(document: Document, language: str) -> set[str]:
    return {*analyse(document.page_content, language), *analyse(" ".join(path_of(document.metadata)), language)}


def _citation(number: int, document: Document, overlap: float) -> Citation:
    metadata = document.metadata
    source = metadata.get(SOURCE_KEY)
    return {
        "number": number,
        "source": None if source is None else str(source),
        "headings": headings_of(metadata),
        "start_line": metadata.get(START_LINE_KEY),
        "end_line": metadata.get(END_LINE_KEY),
        "overlap": round(overlap, 3),
        "supported": overlap >= SUPPORT,
    }
