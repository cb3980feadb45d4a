"""Whether the passages that were found can answer a question at all: decided on the whole, by the question's words.

What is looked at are words, since what each is worth is known of every collection. Cosines are left out: they mean
something else with every embedding, and of a question near the subject they tell little (``docs/retrieval.md``).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ..text_analysis import has_stop_word, is_pair_of_characters
from ..word_statistics import WordStatistics

# So many of the passages that full-text search finds are looked at.
LOOKED_AT = 3
# Okapi BM25 with the usual constants (Robertson and Zaragoza, 2009).
_K1, _B = 1.2, 0.75
# A logistic regression on two signals, the best passage's match and the logarithm of the number of the question's
# words, fitted by benchmarks/answerability.py to questions over five sets of documents; of those that their documents
# answer, it refuses 2 % in the mean. It comes down to a line: a question of one word needs the first of these, and of
# each e-fold more words the second less, since no passage has all words of a long question.
_LEAST_MATCH, _LESS_BY_LENGTH = 0.331, 0.073
# Of a longer text, such as a log that somebody pasted, no passage has most of the words.
_MOST_TERMS = 30
# In fewer chunks nothing is known of what words are worth: each is rare.
_LEAST_ROWS = 50
# Of a question in another language than the documents', at most this part of the words is in them.
_FOREIGN = 0.5


class Answerability:
    """The decision about one question.

    Args:
        question: What is searched for.
        terms: Its terms, by the names that they have in the collection.
        passages: Terms of the first that full-text search found.
        language: Of the documents.
        by_meaning: Whether there is dense search beside: it may find what has none of the question's words.
    """

    def __init__(
        self,
        question: str,
        terms: Mapping[str, str],
        passages: Sequence[Sequence[str]],
        *,
        language: str,
        by_meaning: bool,
    ) -> None:
        self._terms = terms
        self._passages = passages
        self._may_be_foreign = by_meaning and not has_stop_word(question, language)

    def is_outdated(self, words: WordStatistics) -> bool:
        """Whether the passages have words that counts of the whole collection do not know: it has grown since."""
        own = {term for passage in self._passages for term in passage}
        return words.is_whole and any(term in own and not words.has(term) for term in self._terms)

    def refuses(self, words: WordStatistics) -> bool:
        """Whether the documents do not answer the question; False also where that cannot be told.

        Args:
            words: Of the collection.
        """
        if not self._terms or words.rows < _LEAST_ROWS or len(self._terms) > _MOST_TERMS:
            return False
        own = {term for passage in self._passages for term in passage}
        known = [name for name in self._terms if name in own or words.has(name)]
        if self._may_be_foreign and len(known) < _FOREIGN * len(self._terms):
            return False
        # Two characters that never stand together are mostly the end of one word and the beginning of the next.
        asked = [name for name, term in self._terms.items() if name in known or not is_pair_of_characters(term)]
        if not asked:
            return not self._may_be_foreign
        return match(asked, self._passages, words) < _LEAST_MATCH - _LESS_BY_LENGTH * math.log(len(asked))


def match(question: Sequence[str], passages: Sequence[Sequence[str]], words: WordStatistics) -> float:
    """How well the best passage matches, from 0 to 1: its BM25 score, as a part of the most that one could have.

    A word that no passage of the collection has is worth most, so a question that turns on one matches nothing well.

    Args:
        question: Its terms, each once; at least one.
        passages: Their terms.
        words: Of the collection, as the passages' terms are counted there.
    """
    weight = {term: words.weight(term) for term in question}
    best = 0.0
    for passage in passages:
        counts = Counter(passage)
        room = _K1 * (1 - _B + _B * len(passage) / words.mean_length)
        best = max(best, sum(weight[term] * counts[term] / (counts[term] + room) for term in question))
    return best / sum(weight.values())
