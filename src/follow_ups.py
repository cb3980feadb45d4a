"""A follow-up question made one that can be searched for by itself, without a model.

"And how do I delete it?" says nothing to a search engine. What it leaves out was said in the turns before: the words of
the last question that stood alone, without its stop words, and without its verb where the follow-up has its own.
"""

import re
from collections.abc import Sequence
from functools import cache

from .follow_up_words import CJK_ASKING, CJK_OPENERS, CJK_POINTERS, DEFINITION, WORDS
from .text_analysis import analyse, stop_words_of

# So many words of the turns before are enough to find their subject; more would outweigh the follow-up's own.
_MOST_WORDS = 10
# With so few words of its own, a question that names no subject ("What is …") goes on with one.
_FEW_WORDS = 1

_WORD = re.compile(r"[^\W_]+(?:[-_.'\u2019/:][^\W_]+)*")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]+")
# A Chinese, Japanese or Korean question of so few characters has no subject of its own.
_FEW_CHARACTERS = 6


# That may stand before a noun of the question itself, or join two halves of it.
_RELATIVE = "that"


def stands_alone(question: str, language: str = "english") -> bool:
    """Whether a question says itself what it is about.

    Args:
        question: What was asked.
        language: A Snowball language; of one without a list of its words, only questions of few words are told.
    """
    if _CJK.search(question):
        return _cjk_stands_alone(question)
    own = WORDS.get(language)
    text = question.strip().lower().replace("\u2019", "'")
    if own is not None:
        begins = text.lstrip("¿¡\"'([ ")
        if any(re.match(rf"{re.escape(opener)}(?!\w)", begins) for opener in own.openers):
            return False
        rest = re.sub(own.alone, " ", text)
        if _points_back(rest, own.pointers, language):
            return False
    terms = set(analyse(question, language))
    if own is not None and terms <= _stems(own.general, language):
        return False
    return bool(terms) and (len(terms) > _FEW_WORDS or DEFINITION.match(question) is not None or "_" in question)


def standalone_question(question: str, earlier: Sequence[str], language: str = "english") -> str:
    """A question with what it leaves out, from the questions before it.

    Args:
        question: The last one.
        earlier: Those before it, the oldest first.
        language: Whose stop words and pronouns; a Snowball language.

    Returns:
        The question as it is where it stands alone, or where nothing was asked before. Otherwise the question with the
        words that it leaves out in brackets behind it.
    """
    subject = ""
    for before in earlier:
        subject = _completed(before, subject, language)
    return _completed(question, subject, language)


def _completed(question: str, subject: str, language: str) -> str:
    if not subject or not question.strip() or stands_alone(question, language):
        return question
    missing = _subject_words(subject, question, language)
    return f"{question.strip()} ({' '.join(missing)})" if missing else question


def _subject_words(subject: str, question: str, language: str) -> list[str]:
    """What another question is about: its words that are no stop words and that this question has not."""
    known = set(analyse(question, language))
    own = WORDS.get(language)
    left_out = set(own.fillers) if own is not None else set()
    if own is not None and re.search(own.verb, question.lower()):
        left_out |= {match[1] for match in re.finditer(own.verb, subject.lower())}
    words = []
    subject_words = _CJK.findall(CJK_ASKING.sub(" ", subject)) if _CJK.search(subject) else []
    for word in subject_words + _WORD.findall(_CJK.sub(" ", subject)):
        terms = set(analyse(word, language)) if word.lower() not in left_out else set()
        if terms and not terms <= known:
            known |= terms
            words.append(word)
    return words[-_MOST_WORDS:] if _is_completed(subject) else words[:_MOST_WORDS]


def _is_completed(question: str) -> bool:
    # What a follow-up left out stands behind it, and is what the conversation is about.
    return question.endswith(")")


def _points_back(text: str, pointers: frozenset[str], language: str) -> bool:
    words = _WORD.findall(text)
    for position, word in enumerate(words):
        if word not in pointers:
            continue
        if language != "english" or word != _RELATIVE:
            return True
        before = words[position - 1] if position else ""
        is_last = position == len(words) - 1
        # "a filter that is empty" joins, "is that safe", "delete that" and "that limit" point.
        if is_last or not before or before in _asking_words():
            return True
    return False


@cache
def _stems(words: frozenset[str], language: str) -> frozenset[str]:
    return frozenset(analyse(" ".join(words), language))


@cache
def _asking_words() -> frozenset[str]:
    return stop_words_of("english")


def _cjk_stands_alone(question: str) -> bool:
    text = question.strip()
    if text.startswith(CJK_OPENERS) or any(pointer in text for pointer in CJK_POINTERS):
        return False
    return sum(map(len, _CJK.findall(text))) > _FEW_CHARACTERS or _WORD.search(_CJK.sub(" ", text)) is not None
