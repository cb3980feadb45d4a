"""Text analysis under load: texts that mean no good, and many threads."""

import importlib
import re
import sys
import threading
from pathlib import Path

import pytest
import snowballstemmer
import stop_words

from milvus_rag.text_analysis import _terms, analyse, languages

DOCS = Path(__file__).parents[1] / "docs"
MEGABYTE = 1_000_000
# Each is read, cut or stemmed by another part of the analysis.
PIECES = ["y", "iyi", "é", "a.", "a'", "a/", "'s", "aB", "가나", "_", ".", " ", "1", "\u0301", "a\u0301", "don't "]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.huge
def test_a_megabyte_of_anything_is_analysed(piece: str) -> None:
    """Snowball's stemmers take minutes for one word of that length."""
    assert analyse(piece * (MEGABYTE // len(piece)) + " stores")[-1] == "store"


@pytest.mark.parametrize("language", ["catalan", "dutch_porter", "arabic", "turkish"])
@pytest.mark.parametrize("piece", ["y", "é", "iyi"])
@pytest.mark.huge
def test_in_the_languages_with_the_slowest_stemmers_too(language: str, piece: str) -> None:
    word = piece * (MEGABYTE // len(piece))

    assert analyse(word, language) == [word]


@pytest.mark.parametrize("language", [language for language in languages() if language != "none"])
@pytest.mark.huge
def test_stems_in_c_are_those_in_python(language: str) -> None:
    """An index that was made without the stemmers in C is found by the same questions."""
    module = importlib.import_module(f"snowballstemmer.{language}_stemmer")
    (name,) = (name for name in vars(module) if name.lower() == f"{language.replace('_', '')}stemmer")
    in_python, in_use = getattr(module, name)(), snowballstemmer.stemmer(language)
    known = sorted({word for name in stop_words.AVAILABLE_LANGUAGES for word in stop_words.get_stop_words(name)})
    read = {word.lower() for page in DOCS.glob("*.md") for word in re.findall(r"[^\W\d_]+", page.read_text("utf-8"))}

    words = [*known, *sorted(read)]
    assert [in_use.stemWord(word) for word in words] == [in_python.stemWord(word) for word in words]


def test_threads_do_not_get_each_others_stems() -> None:
    """Snowball's stemmers keep the word that they are at in themselves."""
    words = [
        "relational",
        "valency",
        "digitizer",
        "conformably",
        "radically",
        "predication",
        "feudalism",
        "hopefulness",
    ]
    # Not `analyse`, which remembers the terms of a word and stems it once.
    expected = {word: _terms(word, "english") for word in words}
    wrong: list[str] = []

    def stem_all(first: int) -> None:
        for word in (words[first:] + words[:first]) * 150:
            try:
                if _terms(word, "english") != expected[word]:
                    wrong.append(word)
            except IndexError:
                wrong.append(word)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=stem_all, args=(first,)) for first in range(0, 8, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert wrong == []
