"""Text to search terms: for BM25 fields and their questions, and for picking sentences.

One function, so that rows and questions are analysed alike, and Milvus Lite and a server rank alike: their own
analyzers differ, and Lite's has no stemmer. What it does, in order:

1. Runs of Chinese, Japanese and Korean characters become overlapping bigrams, the usual way to search languages
   without blanks and languages with particles (Lunde, CJKV Information Processing, 2nd ed., ch. 9; Lucene's
   CJKBigramFilter).
2. Identifiers stay findable whole and by part: ``queryNode.gracefulTime`` gives the whole, and ``query``, ``node``,
   ``graceful``, ``time``.
3. Stop words go, also contractions of them (``don't``), and a possessive ``'s``; the rest is stemmed (Snowball).
"""

import re
import unicodedata
from functools import cache, lru_cache
from itertools import chain, repeat
from threading import Lock

from .errors import InputError

# Version of the analysis. Part of the fingerprint of an index: rows and questions must be analysed alike.
VERSION = 4

DEFAULT_LANGUAGE = "english"
NO_STEMS = "none"

_CJK = (
    r"\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f"
    r"\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
)
# Vowel signs and accents that stand by themselves belong to the word, though \w knows letters and digits only: most
# words of Hindi have one. Beyond these blocks there are none of living languages but those in _CJK.
_MARKS = "".join(mark for mark in map(chr, range(0x300, 0x2000)) if unicodedata.category(mark).startswith("M"))
_WORD = rf"[^\W_{_CJK}]+(?:[{_MARKS}]+[^\W_{_CJK}]*)*"
# A token may hold apostrophes (don't) and, as an identifier does, dots, underscores, hyphens and slashes between parts.
_TOKEN = re.compile(rf"[{_CJK}々〆ヵヶ]+|{_WORD}(?:['\u2019._\-/:]+{_WORD})*")
# The same for a text in ASCII, as most of English are: without the long sets it takes a third of the time.
_ASCII_TOKEN = re.compile(r"[A-Za-z0-9]+(?:['._\-/:]+[A-Za-z0-9]+)*")
_PART = re.compile(_WORD)
_ASCII_PART = re.compile(r"[A-Za-z0-9]+")
# aB | HTTPServer -> HTTP Server
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_POSSESSIVE = re.compile(r"['\u2019][sS]$")
_DIGIT = re.compile(r"\d")
_CJK_CHARACTER = re.compile(f"[{_CJK}々〆ヵヶ]")

# Snowball's names are the stop word lists' names too, but for these.
_STOP_WORD_LISTS = {"porter": "english", "dutch_porter": "dutch"}

# No language has longer words. What is longer is data: the stemmers' time grows with the square of its length (minutes
# for a megabyte), and it does not come back, so remembering its terms would only fill the memory.
_LONGEST_WORD = 100


class _Stemmer:
    """A Snowball stemmer for any number of threads: Snowball's own keeps the word that it is at in itself."""

    def __init__(self, language: str) -> None:
        import snowballstemmer

        self._stemmer = snowballstemmer.stemmer(language)
        self._lock = Lock()

    def stem(self, word: str) -> str:
        with self._lock:
            return str(self._stemmer.stemWord(word))


def languages() -> tuple[str, ...]:
    """Names that `analyse` takes: every Snowball language, and ``none``."""
    import snowballstemmer

    return (*sorted(snowballstemmer.algorithms()), NO_STEMS)


def check_language(language: str) -> None:
    """Refuse a language that `analyse` does not know.

    Raises:
        InputError: It is none of `languages`.
    """
    _stemmer(language)


def analyse(text: str, language: str = DEFAULT_LANGUAGE) -> list[str]:
    """Turn text into search terms.

    Args:
        text: Any text, e.g. a chunk or a question.
        language: Whose stop words and stems; a Snowball language, or ``"none"`` for neither.

    Returns:
        Terms in reading order, repeated as often as they occur; empty for a text of stop words only.

    Raises:
        InputError: The language is not known.
    """
    check_language(language)
    tokens = _tokens(text)
    if max(map(len, tokens), default=0) > _LONGEST_WORD:
        return [
            term
            for token in tokens
            for term in (_known_terms if len(token) <= _LONGEST_WORD else _terms)(token, language)
        ]
    # No loop of Python's over all words of all texts.
    return list(chain.from_iterable(map(_known_terms, tokens, repeat(language))))


def _tokens(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_TOKEN.findall(text)
    return _TOKEN.findall(unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=100_000)
def _known_terms(token: str, language: str) -> tuple[str, ...]:
    """The terms of a token. Texts repeat their words, and stemming one takes longer than looking it up."""
    return _terms(token, language)


def _terms(token: str, language: str) -> tuple[str, ...]:
    stem, stop_words = _stemmer(language), stop_words_of(language)
    if token.isascii() and token.isalpha() and (token.islower() or token[1:].islower()):
        # Nearly all are one word with nothing to take apart.
        word = token.lower()
        return () if word in stop_words else (_stem(word, stem),)
    if _is_cjk(token[0]):
        return tuple(_bigrams(token))
    if token.lower().replace("\u2019", "'") in stop_words:
        return ()
    parts = (_ASCII_PART if token.isascii() else _PART).findall(_POSSESSIVE.sub("", token))
    words = [word for part in parts for word in ((part,) if part.islower() else _CAMEL.split(part))]
    # The separators go, so that dropCollection, drop_collection and DROP-COLLECTION are one identifier.
    terms = ["".join(words).lower()] if len(words) > 1 else []
    terms += [_stem(word, stem) for word in map(str.lower, words) if word not in stop_words]
    return tuple(terms)


def _stem(word: str, stem: _Stemmer | None) -> str:
    # Stems of words with digits would only blur identifiers and versions.
    return stem.stem(word) if stem and not _DIGIT.search(word) and len(word) <= _LONGEST_WORD else word


def has_stop_word(text: str, language: str) -> bool:
    """Whether a text has one of a language's stop words, as most sentences of that language do."""
    tokens = (token.lower().replace("\u2019", "'") for token in _tokens(text))
    return not stop_words_of(language).isdisjoint(tokens)


def is_pair_of_characters(term: str) -> bool:
    """Whether a term is cut out of a run of Chinese, Japanese or Korean characters: it may be no word at all."""
    return _is_cjk(term[0])


def _is_cjk(character: str) -> bool:
    return _CJK_CHARACTER.match(character) is not None


def _bigrams(run: str) -> list[str]:
    return [run] if len(run) == 1 else [run[i : i + 2] for i in range(len(run) - 1)]


@cache
def _stemmer(language: str) -> _Stemmer | None:
    if language == NO_STEMS:
        return None
    import snowballstemmer

    if language not in snowballstemmer.algorithms():
        raise InputError(
            f"There is no text analysis for the language {language!r}. Use one of: {', '.join(languages())}."
        )
    return _Stemmer(language)


@cache
def stop_words_of(language: str) -> frozenset[str]:
    """Stop words of a Snowball language; none where no list is known."""
    if language == NO_STEMS:
        return frozenset()
    import stop_words

    name = _STOP_WORD_LISTS.get(language, language)
    if name not in stop_words.AVAILABLE_LANGUAGES:
        return frozenset()
    # The parts too: of "l'homme" and "don't/won't", "l", "don" and "t" are left over.
    return frozenset(form for word in stop_words.get_stop_words(name) for form in (word, *re.split("['\u2019]", word)))
