"""How well `min_score="auto"` tells questions that documents answer from others, and where its constants come from.

It is fitted on five sets of documents with questions in ../shared, and judged on two others: this project's docs and
the Milvus docs, each with 60 questions that they answer and 60 others (`tests/data/answered_*.jsonl`). Questions
without an answer to fit on are those of the other sets, and a set's own with their passages, or pages, taken out.
Without ../shared it says so and ends.

    python benchmarks/answerability.py              words alone, two minutes
    python benchmarks/answerability.py --dense      also the floor on the cosine that it took the place of, six minutes
"""

import argparse
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from milvus_rag import LocalEmbeddings, MarkdownLoader, MarkdownSplitter, MilvusStore, open_store, sync
from milvus_rag.chains.answerability import LOOKED_AT, match
from milvus_rag.chunk_keys import POSITION_KEY, SOURCE_KEY, TERMS_KEY
from milvus_rag.evaluation.questions import Question, read_questions
from milvus_rag.stores.searched_text import index_terms, named_terms
from milvus_rag.text_analysis import is_pair_of_characters
from milvus_rag.word_statistics import WordStatistics

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
SETS = SHARED / "data" / "retrieval"
MODEL = SHARED / "models" / "all-MiniLM-L6-v2-int8"
FITTED = {
    "anthropic_docs": "english",
    "chunkeval_small": "english",
    "xquad_en": "english",
    "xquad_es": "spanish",
    "xquad_zh": "none",
}
JUDGED = {
    "project": (ROOT / "docs", ROOT / "tests" / "data" / "questions.jsonl"),
    "milvus": (SHARED / "data" / "milvus_docs_2.4.x_en.zip", ROOT / "benchmarks" / "questions_milvus.jsonl"),
}
SHARES = (0.005, 0.01, 0.02, 0.03, 0.05)
OTHERS = 60
# Of so few pages, one that is gone is much of what there is.
FEW = 10
# Of each set together, so that large ones do not outweigh the rest.
WEIGHT = 100.0


@dataclass(frozen=True)
class Signals:
    """What was seen of one question."""

    match: float = 0.0
    cover: float = 0.0
    known: float = 0.0
    length: float = 0.0
    cosine: float = 0.0


@dataclass
class Corpus:
    """Signals of the questions that a set of documents answers, and of others, by their kind."""

    answered: list[Signals] = field(default_factory=list)
    others: dict[str, list[Signals]] = field(default_factory=dict)


Score = Callable[[Signals], float]
WAYS: dict[str, Score] = {
    "words that the collection knows": lambda s: s.known,
    "weight of the words in one passage": lambda s: s.cover,
    "match": lambda s: s.match,
}


def by_cosine(signals: Signals) -> float:
    return signals.cosine


Place = tuple[str, int]


@dataclass(frozen=True)
class Rows:
    """The terms of all chunks by their places, and how often they occur."""

    terms: dict[Place, str]
    words: WordStatistics


def without(rows: Rows, gone: Set[Place]) -> WordStatistics:
    """How often words occur in the chunks that are not gone."""
    there = gone & rows.terms.keys()
    rows_with = Counter(rows.words.rows_with)
    for place in there:
        rows_with.subtract(set(rows.terms[place].split()))
    left = {term: count for term, count in rows_with.items() if count > 0}
    return replace(rows.words, rows=rows.words.rows - len(there), rows_with=left)


def look(store: MilvusStore, rows: Rows, text: str, *, gone: Set[Place] = frozenset()) -> Signals:
    """Search for a question, as if some chunks were not there, by their sources and positions."""
    hits = [
        document.metadata[TERMS_KEY].split()
        for document, _ in store.search_full_text(text, LOOKED_AT + len(gone), terms=True)
        if (document.metadata[SOURCE_KEY], document.metadata[POSITION_KEY]) not in gone
    ][:LOOKED_AT]
    words = without(rows, gone)
    own = {term for terms in hits for term in terms}
    named = named_terms(text, store.language)
    asked = [n for n, term in named.items() if n in own or words.has(n) or not is_pair_of_characters(term)]
    cosine = 0.0
    if store.embedding is not None:
        cosine = store.search_dense(store.embedding.embed_query(text), 1)[0][1]
    if not asked:
        return Signals(cosine=cosine)
    total = sum(map(words.weight, asked))
    covers = [sum(words.weight(term) for term in asked if term in set(terms)) / total for terms in hits]
    known = sum(n in own or words.has(n) for n in asked) / len(asked)
    return Signals(match(asked, hits, words), max(covers, default=0.0), known, math.log(len(asked)), cosine)


def seen(name: str, embedding: LocalEmbeddings | None, questions: dict[str, list[Question]]) -> Corpus:
    """Index a set of documents and look at all questions."""
    judged = name in JUDGED
    path = JUDGED[name][0] if judged else SETS / name / "docs"
    language = "english" if judged else FITTED[name]
    corpus = Corpus()
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(str(Path(folder) / "a.db"), embedding=embedding, language=language) as store,
    ):
        sync(MarkdownLoader(path), MarkdownSplitter(), store)
        chunks = [
            d for d in store.search_by_metadata(None, limit=16_000) if d.metadata[SOURCE_KEY] != "borrowed-names.md"
        ]
        terms = {
            (d.metadata[SOURCE_KEY], d.metadata[POSITION_KEY]): index_terms(d.page_content, language, d.metadata)
            for d in chunks
        }
        rows = Rows(terms, WordStatistics.of(terms.values(), is_whole=True))
        everywhere = terms.keys()
        for question in questions[name]:
            right = [chunk for chunk in chunks if any(passage.is_in(chunk) for passage in question.passages)]
            if right:
                corpus.answered.append(look(store, rows, question.text))
                places = {(d.metadata[SOURCE_KEY], d.metadata[POSITION_KEY]) for d in right}
                sources = {source for source, _ in places}
                near = {(source, position + step) for source, position in places for step in (-1, 0, 1)}
                corpus.others.setdefault("its passages gone", []).append(look(store, rows, question.text, gone=near))
                if len({source for source, _ in everywhere}) > FEW:
                    page = {place for place in everywhere if place[0] in sources}
                    corpus.others.setdefault("its page gone", []).append(look(store, rows, question.text, gone=page))
        for other in questions:
            same = (FITTED.get(other, "english")) == language
            if other != name and same:
                some = questions[other][:OTHERS]
                corpus.others.setdefault("of another set", []).extend(look(store, rows, q.text) for q in some)
        if judged:
            lines = (ROOT / "tests" / "data" / f"answered_{name}.jsonl").read_text("utf-8").splitlines()
            for line in map(json.loads, lines):
                kind = "written, answered" if line["answered"] else "written, near"
                corpus.others.setdefault(kind, []).append(look(store, rows, line["question"]))
    return corpus


def fit(corpora: Sequence[Corpus]) -> tuple[float, float]:
    """A logistic regression on match and length; gives what each is worth."""
    rows, truth, weights = [], [], []
    for corpus in corpora:
        others = [
            s for kind in ("its passages gone", "its page gone", "of another set") for s in corpus.others.get(kind, [])
        ]
        for signals, answered in ((corpus.answered, 1.0), (others, 0.0)):
            rows += [(s.match, s.length, 1.0) for s in signals]
            truth += [answered] * len(signals)
            weights += [WEIGHT / len(signals)] * len(signals)
    x, y, w, b = np.array(rows), np.array(truth), np.array(weights), np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ b))
        b -= np.linalg.solve((x.T * (w * p * (1 - p))) @ x + 1e-6 * np.eye(3), x.T @ (w * (p - y)))
    return float(b[0]), float(b[1])


def by_line(ratio: float) -> Score:
    """Match and length, with what the second is worth of the first."""
    return lambda signals: signals.match + ratio * signals.length


def limit(corpora: Sequence[Corpus], score: Score, share: float) -> float:
    """The highest limit below which, in the mean of the corpora, that share of the answered questions lies."""
    values = sorted({score(s) for corpus in corpora for s in corpus.answered})
    fitting = [v for v in values if np.mean([refused(corpus.answered, score, v) for corpus in corpora]) <= share]
    return fitting[-1] if fitting else values[0]


def refused(signals: Sequence[Signals], score: Score, least: float) -> float:
    """The share of questions below a limit."""
    return sum(score(s) < least for s in signals) / len(signals)


def row(title: str, corpus: Corpus, score: Score, least: float) -> None:
    """Print what is refused of each kind."""
    kinds = "".join(f"  {kind} {refused(s, score, least):.2f}" for kind, s in sorted(corpus.others.items()))
    print(f"{title:28} answered {refused(corpus.answered, score, least):.3f}{kinds}", flush=True)


def main() -> None:
    """Fit, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dense", action="store_true", help="measure a floor on the cosine too")
    arguments = parser.parse_args()
    missing = [str(path) for path in (SETS, JUDGED["milvus"][0], MODEL) if not path.exists()]
    if missing:
        print(f"Nothing to measure: there is no {' and no '.join(missing)}.")
        return
    questions = {name: read_questions(SETS / name / "questions.jsonl") for name in FITTED}
    questions |= {name: read_questions(path) for name, (_, path) in JUDGED.items()}
    embedding = LocalEmbeddings(MODEL) if arguments.dense else None
    corpora = {name: seen(name, embedding if name in JUDGED else None, questions) for name in questions}
    training = [corpora[name] for name in FITTED]

    worth, by_length = fit(training)
    ways = {**WAYS, "match and length": by_line(by_length / worth)}
    print(f"match counts {worth:.2f}, length {by_length:.2f}: {by_length / worth:.3f} of a match")
    for way, score in ways.items():
        for share in SHARES if way == "match and length" else (0.02,):
            least = limit(training, score, share)
            print(f"\n{way}, {share:.1%} of the answered in the mean of the fitted: {least:.3f}")
            for name, corpus in corpora.items():
                row(f"  {name}", corpus, score, least)
    print("\nleave one out, 2 % of the answered in the mean of the others")
    for name in FITTED:
        rest = [corpora[other] for other in FITTED if other != name]
        own_worth, own_length = fit(rest)
        ratio = own_length / own_worth
        row(f"  {name}", corpora[name], by_line(ratio), limit(rest, by_line(ratio), 0.02))
    if arguments.dense:
        print("\na floor on the best cosine, as each set of documents would want it for itself")
        for name in JUDGED:
            row(f"  {name}", corpora[name], by_cosine, limit([corpora[name]], by_cosine, 0.02))


if __name__ == "__main__":
    main()
