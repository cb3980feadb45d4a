"""Which language texts are in, of those that full-text search knows.

Pieces of the texts are looked at by themselves, so that a mixed collection is seen to be one. What is plainly English
is told by its stop words; only for the rest is the model of py3langid loaded, which takes half a second and 90 MB.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from .text_analysis import DEFAULT_LANGUAGE, NO_STEMS, stop_words_of

# ISO 639 codes, as py3langid has them, to the Snowball languages.
_SNOWBALL = {
    "ar": "arabic", "ary": "arabic", "arz": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german",
    "el": "greek", "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque",
    "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "nn": "norwegian", "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian",
    "sr": "serbian", "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
# Languages without a stemmer. Those that the model knows besides are rare, or no pages are written in them (Latin, the
# pidgins): a list of commands would rather be one of these than English.
_WITHOUT_STEMMER = (
    "af", "az", "be", "bg", "bn", "bs", "gl", "gu", "he", "hr", "is", "ja", "ka", "kk", "km", "kn", "ko", "lo", "lv",
    "mk", "ml", "mn", "mr", "ms", "my", "pa", "si", "sk", "sl", "sq", "sw", "te", "th", "tl", "uk", "ur", "uz", "vi",
    "wuu", "yue", "zh",
)  # fmt: skip
# Names of those that a question is told to be in.
_NAMES = {
    **{code: name.capitalize() for code, name in _SNOWBALL.items()}, "af": "Afrikaans", "be": "Belarusian",
    "bg": "Bulgarian", "bn": "Bengali", "gl": "Galician", "he": "Hebrew", "hr": "Croatian", "is": "Icelandic",
    "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean", "lv": "Latvian", "mk": "Macedonian",
    "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "th": "Thai", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "yue": "Chinese", "wuu": "Chinese", "zh": "Chinese",
}  # fmt: skip
# What is no language at all: numbers, identifiers.
_NOTHING = "zxx"

_WORD = re.compile(r"[^\W\d_]+")
# Of so many bytes of letters, the model told all 300 Spanish questions of XQuAD from other languages. Bytes, since a
# character of Chinese says as much as three of an alphabet.
_LEAST_BYTES = 100
_PIECE_CHARACTERS = 400
# A piece is told when the model gives it so much; of 240 paragraphs of XQuAD in Spanish and in English each, all are.
_SURE = 0.8
# A question has few words, so it is told only where the language of the passages is as good as ruled out for it. None
# of 1,596 questions is so taken for one in another language than what it found (docs/retrieval.md).
_RULED_OUT = 0.02
_LEAST_QUESTION_BYTES = 12
_PASSAGE_CHARACTERS = 1500
# A collection has a language when so much of it has.
_MOST = 0.7
# Of English prose, 35 to 50 % of the words are stop words, of other languages' less than 20 % are English ones.
_ENGLISH_STOP_WORDS = 0.28


def recognised_language(texts: Iterable[str]) -> str:
    """Tell in which language texts are, by all of them.

    Args:
        texts: Prose, without code and markup.

    Returns:
        A Snowball language; ``"none"`` for a language without a stemmer, such as Chinese, Japanese, Korean or Thai;
        ``"english"`` too where the texts are short, mixed, or cannot be told.
    """
    pieces = list(_pieces(texts))
    total = sum(map(_weight, pieces))
    rest = [piece for piece in pieces if not _is_plainly_english(piece)]
    # What is left may be too little to be most of it.
    if total < _LEAST_BYTES or sum(map(_weight, rest)) < _MOST * total:
        return DEFAULT_LANGUAGE
    probabilities = _model()
    found: Counter[str] = Counter()
    for piece in rest:
        found[_language_of(probabilities(piece))] += _weight(piece)
    language, weight = found.most_common(1)[0]
    return language if language and weight >= _MOST * total else DEFAULT_LANGUAGE


def foreign_language(question: str, passages: Iterable[str], *, language: str = DEFAULT_LANGUAGE) -> str:
    """Tell whether a question is in another language than the passages that were found for it.

    Args:
        question: What was asked.
        passages: Texts of what was found.
        language: Of the collection's full-text search: what is plainly English is not foreign to an English one, and
            the model need not be loaded to tell.

    Returns:
        Name of the question's language, e.g. ``"Spanish"``; empty where it is that of the passages, or cannot be told.
    """
    text = "\n".join(passages)[:_PASSAGE_CHARACTERS]
    if not _may_be_beside(question, language) or _weight(text) < _LEAST_BYTES:
        return ""
    probabilities = _model()
    of_text = _by_name(probabilities(text))
    told = max(of_text, key=of_text.__getitem__)
    return _unless(told, question) if of_text[told] >= _SURE else ""


def language_beside(question: str, language: str) -> str:
    """Tell whether a question is in another language than a collection.

    Args:
        question: What was asked.
        language: Of the collection's full-text search.

    Returns:
        As of `foreign_language`; empty too where the collection has no stemmer, and so no language that is known.
    """
    is_told = language in _SNOWBALL.values() and _may_be_beside(question, language)
    return _unless(language.capitalize(), question) if is_told else ""


def _may_be_beside(question: str, language: str) -> bool:
    is_its_own = language == DEFAULT_LANGUAGE and _is_plainly_english(question)
    return not is_its_own and _weight(question) >= _LEAST_QUESTION_BYTES


def _unless(name: str, question: str) -> str:
    """The language of a question, if it is plainly not the one of that name."""
    found = _by_name(_model()(question))
    asked = max(found, key=found.__getitem__)
    return asked if found[asked] >= _SURE and found[name] <= _RULED_OUT else ""


def _by_name(probabilities: Iterable[tuple[str, float]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for code, probability in probabilities:
        found[_NAMES.get(code, "")] += probability  # type: ignore[assignment]
    return found


def _language_of(probabilities: Iterable[tuple[str, float]]) -> str:
    """The language of a piece of text, by how likely each is; empty where it cannot be told."""
    found: Counter[str] = Counter()
    for code, probability in probabilities:
        found["" if code == _NOTHING else _SNOWBALL.get(code, NO_STEMS)] += probability  # type: ignore[assignment]
    language, probability = found.most_common(1)[0]
    return language if probability >= _SURE else ""


def _is_plainly_english(piece: str) -> bool:
    words = [word.lower() for word in _WORD.findall(piece)]
    stop_words = stop_words_of(DEFAULT_LANGUAGE)
    return sum(word in stop_words for word in words) > _ENGLISH_STOP_WORDS * max(len(words), 1)


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """Texts cut to some length; what is short is put together with what follows."""
    waiting = ""
    for text in texts:
        for at in range(0, len(text), _PIECE_CHARACTERS):
            waiting = f"{waiting}\n{text[at : at + _PIECE_CHARACTERS]}"
            if _weight(waiting) >= _PIECE_CHARACTERS // 2:
                yield waiting
                waiting = ""
    if waiting:
        yield waiting


def _weight(text: str) -> int:
    return sum(len(word.encode("utf-8", "replace")) for word in _WORD.findall(text))


# Once a process: a server may be asked in another language again.
@cache
def _model() -> Callable[[str], list[tuple[str, float]]]:
    """What tells of a text how likely each language is, by its code; together they are 1."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages({*_SNOWBALL, *_WITHOUT_STEMMER, _NOTHING})

    def probabilities(text: str) -> list[tuple[str, float]]:
        return [(code, float(probability)) for code, probability in identifier.rank(text)]

    return probabilities
