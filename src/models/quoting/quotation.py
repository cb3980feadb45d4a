"""Which pieces of the passages answer a question best, and how they are put together."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ...markdown.quotable import Quotable, quotables
from ...text_analysis import analyse
from .passages import Passage

# Okapi BM25 with the usual constants (Robertson and Zaragoza, 2009), over the passages' pieces as the collection.
_K1, _B = 1.2, 0.75
# What a match in the innermost heading, in an outer one, and of two neighbouring words is worth; a match in the text
# is worth 1.
_HEADING, _OUTER_HEADING, _PHRASE = 0.8, 0.3, 0.3
# How much less a heading is worth for each further piece of its section.
_HEADING_DECAY = 0.8
# How much less a passage is worth than the one retrieved before it.
_RANK_DECAY = 0.95
# A piece is quoted when its score is at least this part of the best one's.
_NEAR_BEST = 0.45
# A piece of which more than this part is links ("See [this page](x.md).") points at an answer and is worth less.
_POINTER, _POINTER_WORTH = 0.4, 0.6
# Below this part of the question's weight, piece and headings together, nothing is an answer.
_FLOOR = 0.25
# A question's word weighs at least and at most this: few passages say little about how rare a word is.
_LIGHTEST, _HEAVIEST = 0.7, 3.0
# From this character on terms are bigrams: one that is missing is mostly a particle, an ending or two words' border.
_FIRST_CJK = "\u2e80"
# A section whose headings hold this part of the question's weight answers it from its first piece on ("Yes.").
_SAME_QUESTION = 0.7
# What likeness in meaning is worth, of a piece's value.
_MEANING = 0.3
# Of so many pieces, those that come first: each takes some milliseconds.
_MOST_COMPARED = 150
# So many characters are quoted at least, where there are as many, and so much more than what is chosen.
_LEAST_ROOM, _MORE = 510, 1.6
# Code, and any piece of a passage of which nothing is chosen, is worth at least this part of the best one.
_WORTH_QUOTING = 0.25
# What another citation takes of it.
_CITATION = 60
# What a Chinese, Japanese or Korean character counts.
_CJK_CHARACTERS = 2.5
# After so many pieces that are too long for the room that is left, nothing else is tried.
_MOST_MISSES = 10
# What a piece gains from each neighbour that is quoted, and from being in the first passage.
_BESIDE, _FIRST = 0.6, 0.15
# What a chosen piece introduces is brought along up to this many characters.
_COMPANY = 1200

# Without brackets inside, so that a page of brackets takes no longer than any other; an address may hold pairs of them.
_ADDRESS_PATTERN = r"\]\((?:[^()\s]|\([^()\s]*\))*\)"
_LINK = re.compile(rf"\[[^\[\]]*{_ADDRESS_PATTERN}")
# What a link leads to is not said by it.
_ADDRESS = re.compile(_ADDRESS_PATTERN)

Meaning = Callable[[Sequence[str]], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Quotation:
    """Pieces of one passage, in reading order, and where they come from: in words, and the passage's number from 1."""

    text: str
    citation: str
    number: int
    is_nearest: bool = False


@dataclass(frozen=True, slots=True)
class _Candidate:
    piece: Quotable
    passage: int
    position: int
    terms: tuple[str, ...]
    is_led: bool = False


def quote(
    question: str,
    passages: Sequence[Passage],
    *,
    max_quotes: int = 5,
    language: str = "english",
    meaning: Meaning | None = None,
) -> list[Quotation]:
    """Choose the pieces of the passages that best match the question.

    A piece is worth what its words that the question asks for are worth (BM25), more when they stand side by side as
    they do in the question, when the headings above it hold them, and when its passage was retrieved first; and, where
    meanings can be compared, what its likeness to the question is worth. What stands around a chosen piece comes along
    while there is room, since an answer goes on over the end of a sentence.

    Args:
        question: What was asked.
        passages: The most relevant first.
        max_quotes: How many pieces are chosen; those that belong to a chosen one, and what stands around it, are not
            counted.
        language: See `milvus_rag.text_analysis.analyse`.
        meaning: Says of texts how like the question each is, from -1 to 1.

    Returns:
        One quotation a passage, the best first. Where no piece holds enough of the question's words, it is the opening
        of the first passage, which is said to be the nearest; none where there is no text at all.
    """
    asked = list(dict.fromkeys(analyse(question, language)))
    pieces = list(_candidates(passages, language))
    if not pieces:
        return []
    scores = _Scores(asked, pieces, language)
    values = _with_meaning(scores, [piece.piece.text for piece in pieces], meaning)
    chosen = _matching(scores, values, pieces, max_quotes=max_quotes)
    is_nearest = not chosen
    if is_nearest:
        chosen = [max(range(len(pieces)), key=lambda i: values[i])] if meaning and max(values) > 0 else [0]
    own = _with_company(set(chosen), pieces)
    around = _grown(own, values, pieces, passages)
    return _put_together(chosen, around, pieces, passages, is_nearest=is_nearest)


def _matching(
    scores: "_Scores", values: Sequence[float], pieces: Sequence["_Candidate"], *, max_quotes: int
) -> list[int]:
    """The best pieces, of those that hold enough of the question; all of its words are in none for a bare match."""
    ranked = [i for i in sorted(range(len(pieces)), key=lambda i: (-values[i], i)) if scores.coverage(i) >= _FLOOR]
    if not ranked or values[ranked[0]] <= 0:
        return []
    best = values[ranked[0]]
    chosen: list[int] = []
    seen: set[str] = set()
    for i in ranked:
        if len(chosen) == max_quotes or values[i] < _NEAR_BEST * best:
            break
        text = " ".join(pieces[i].piece.text.split())
        if text not in seen:
            seen.add(text)
            chosen.append(i)
    for i in tuple(chosen):
        opening = i - pieces[i].position
        if scores.coverage(i, headings_only=True) >= _SAME_QUESTION and opening not in chosen:
            chosen.append(opening)
    return chosen


def _with_meaning(scores: "_Scores", texts: Sequence[str], meaning: Meaning | None) -> list[float]:
    """Scores of words and likenesses, each part of the best one."""
    best = max(scores.of)
    words = [score / best for score in scores.of] if best > 0 else scores.of
    if meaning is None:
        return words
    likeness = list(meaning(texts[:_MOST_COMPARED]))
    least, most = min(likeness), max(likeness)
    likeness += [least] * (len(texts) - len(likeness))
    scaled = [(like - least) / (most - least) if most > least else 0.0 for like in likeness]
    return [(1 - _MEANING) * word + _MEANING * like for word, like in zip(words, scaled, strict=True)]


def _grown(
    chosen: set[int], values: Sequence[float], pieces: Sequence["_Candidate"], passages: Sequence[Passage]
) -> set[int]:
    """The chosen pieces, and what is worth most beside them while there is room."""
    room = max(_LEAST_ROOM, _MORE * sum(_length(pieces[i].piece.text) for i in chosen))
    grown = set(chosen)
    used = sum(_length(pieces[i].piece.text) for i in chosen)
    seen = {" ".join(pieces[i].piece.text.split()) for i in chosen}
    near = {pieces[i].passage for i in chosen}
    waiting = {
        i
        for i, piece in enumerate(pieces)
        if i not in grown
        and passages[piece.passage].is_one
        # Prose comes along by standing beside what is chosen, all else by what it says itself.
        and ((piece.passage in near and piece.piece.is_prose) or values[i] >= _WORTH_QUOTING)
    }
    misses = 0
    while waiting and misses < _MOST_MISSES:
        i = max(waiting, key=lambda i: (_worth_beside(i, grown, values, pieces), -i))
        waiting.discard(i)
        is_new = all(pieces[j].passage != pieces[i].passage for j in grown)
        length = _length(pieces[i].piece.text) + is_new * _CITATION
        text = " ".join(pieces[i].piece.text.split())
        if used + length > room or text in seen:
            misses += 1
            continue
        grown.add(i)
        seen.add(text)
        used += length
    return grown


def _worth_beside(i: int, grown: set[int], values: Sequence[float], pieces: Sequence["_Candidate"]) -> float:
    beside = [j for j in (i - 1, i + 1) if j in grown and pieces[j].passage == pieces[i].passage]
    return values[i] + _BESIDE * len(beside) + _FIRST * (pieces[i].passage == 0)


def _length(text: str) -> int:
    """Its characters; of languages without blanks each counts for some, as it says as much as a word."""
    if text.isascii():
        return len(text)
    return len(text) + int((_CJK_CHARACTERS - 1) * sum(character >= _FIRST_CJK for character in text))


def _candidates(passages: Sequence[Passage], language: str) -> Iterator[_Candidate]:
    for number, passage in enumerate(passages):
        found = quotables(passage.text, passage.headings, start=passage.start, within=passage.within)
        bodies = [piece for piece in found if not piece.is_heading]
        position = Counter[int]()
        for piece in bodies or found:
            is_led = bool(passage.lead_in) and piece.block == (bodies or found)[0].block
            text = f"{passage.lead_in}\n{piece.text}" if is_led else piece.text
            terms = tuple(analyse(_ADDRESS.sub("]", text), language))
            yield _Candidate(piece, number, position[piece.section], terms, is_led)
            position[piece.section] += 1


class _Scores:
    """Scores of all pieces for one question."""

    def __init__(self, asked: list[str], pieces: list[_Candidate], language: str) -> None:
        self._asked = asked
        self._pieces = pieces
        self._terms_of_heading = {
            heading: frozenset(analyse(heading, language)) for piece in pieces for heading in piece.piece.headings
        }
        occurs = Counter(term for piece in pieces for term in set(piece.terms))
        self._weight = {term: _weight(term, occurs[term], len(pieces)) for term in asked}
        self._length = sum(len(piece.terms) for piece in pieces) / len(pieces) or 1.0
        self.of = [self._score(piece) for piece in pieces]

    def coverage(self, i: int, *, headings_only: bool = False) -> float:
        """Which part of the question's weight a piece and its headings hold."""
        piece = self._pieces[i]
        own = () if headings_only else piece.terms
        held = set(own).union(*(self._terms_of_heading[heading] for heading in piece.piece.headings))
        return sum(self._weight[term] for term in self._asked if term in held) / (sum(self._weight.values()) or 1.0)

    def _score(self, piece: _Candidate) -> float:
        counts = Counter(piece.terms)
        room = _K1 * (1 - _B + _B * len(piece.terms) / self._length)
        score = sum(self._weight[term] * counts[term] * (_K1 + 1) / (counts[term] + room) for term in self._asked)
        together = set(pairwise(piece.terms))
        score += _PHRASE * sum(
            self._weight[one] + self._weight[other] for one, other in pairwise(self._asked) if (one, other) in together
        )
        score = (score + self._of_headings(piece)) * _RANK_DECAY**piece.passage
        linked = sum(len(link[0]) for link in _LINK.finditer(piece.piece.text))
        return score * _POINTER_WORTH if linked > _POINTER * len(piece.piece.text) else score

    def _of_headings(self, piece: _Candidate) -> float:
        *outer, inner = piece.piece.headings or ("",)
        inside = self._terms_of_heading.get(inner, frozenset[str]())
        outside = frozenset[str]().union(*(self._terms_of_heading[heading] for heading in outer)) - inside
        held = _HEADING * sum(self._weight[term] for term in self._asked if term in inside)
        held += _OUTER_HEADING * sum(self._weight[term] for term in self._asked if term in outside)
        return held * _HEADING_DECAY**piece.position


def _weight(term: str, occurs: int, pieces: int) -> float:
    """Robertson's inverse document frequency, within bounds."""
    if not occurs and term[0] >= _FIRST_CJK:
        return _LIGHTEST
    return min(max(math.log(1 + (pieces - occurs + 0.5) / (occurs + 0.5)), _LIGHTEST), _HEAVIEST)


def _put_together(
    chosen: list[int], grown: set[int], pieces: list[_Candidate], passages: Sequence[Passage], *, is_nearest: bool
) -> list[Quotation]:
    quotations = []
    for number in dict.fromkeys(pieces[i].passage for i in (*chosen, *sorted(grown))):
        own = sorted(i for i in grown if pieces[i].passage == number)
        text = ""
        for before, i in zip([None, *own], own, strict=False):
            opening, closing = pieces[i].piece.fence
            code = "\n".join(part for part in (opening, pieces[i].piece.text, closing) if part)
            text += _joint(before, i, pieces) + code
        if pieces[own[0]].is_led and passages[number].lead_in not in text:
            text = passages[number].lead_in + ("\n\n" if pieces[own[0]].piece.fence[0] else "\n") + text
        quotations.append(Quotation(text, passages[number].citation, passages[number].number, is_nearest))
    return quotations


def _with_company(chosen: set[int], pieces: list[_Candidate]) -> set[int]:
    """The chosen pieces, what introduces them, and what they introduce."""
    company = set(chosen)
    for i in chosen:
        block = [j for j in _same_passage(i, pieces) if pieces[j].piece.block == pieces[i].piece.block]
        before = (i if pieces[i].piece.inline else block[0]) - 1
        if before in _same_passage(i, pieces) and pieces[before].piece.leads_in:
            company.add(before)
        if pieces[i].piece.leads_in:
            company |= _introduced(i, pieces)
    return company


def _introduced(i: int, pieces: list[_Candidate]) -> set[int]:
    following: set[int] = set()
    room = _COMPANY
    for j in _same_passage(i, pieces):
        if j <= i:
            continue
        new_block = pieces[j].piece.block != pieces[i + 1].piece.block
        too_long = following and len(pieces[j].piece.text) > room
        if new_block or pieces[j].piece.section != pieces[i].piece.section or too_long:
            break
        following.add(j)
        room -= len(pieces[j].piece.text)
    return following


def _same_passage(i: int, pieces: list[_Candidate]) -> list[int]:
    return [j for j, other in enumerate(pieces) if other.passage == pieces[i].passage]


def _joint(before: int | None, i: int, pieces: list[_Candidate]) -> str:
    """What stands between two quoted pieces, and before a table row that comes first."""
    piece = pieces[i].piece
    head = f"{piece.table_head}\n" if piece.table_head else ""
    if before is None:
        return head
    last = pieces[before].piece
    if last.block != piece.block:
        return f"\n\n{head}"
    if not piece.inline:
        return "\n"
    if before + 1 != i:
        return " […] "
    return "" if piece.is_joined else " "
