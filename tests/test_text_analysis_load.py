"""Text analysis under load: texts that mean no good, and many threads."""

import sys
import threading

import pytest

from milvus_rag.text_analysis import _terms, analyse

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
def test_in_the_languages_with_the_slowest_stemmers_too(language: str, piece: str) -> None:
    word = piece * (MEGABYTE // len(piece))

    assert analyse(word, language) == [word]


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
