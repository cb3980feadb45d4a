"""Several ways to cut and to search the same files, measured side by side."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

from ..configured_store import build_store
from ..errors import InputError
from ..extras import require
from ..indexing.report import SyncReport
from ..models.rerankers import reranker
from ..pipeline import build_index, build_retriever
from ..settings import Settings
from ..stores.milvus import MilvusStore
from .evidence import BUDGET
from .measures import DEPTH, Result, measure
from .questions import Question
from .unfound import Unfound, unfound

CUTTING: Final = ("splitter", "chunk_size")
"""Settings of which each value needs an index of its own."""
SEARCHING: Final = ("mode", "fusion", "weights", "expand", "reranker")
"""Settings of which one index has all values."""
# What only a hybrid search has.
_OF_HYBRID = ("fusion", "weights")


# Chunks of a collection in which the questions' passages are looked for.
_MOST_READ = 200_000


@dataclass(frozen=True)
class Configuration:
    """One way.

    Attributes:
        cut: Settings of the index, by name: those of which several are tried, and the splitter.
        searched: Settings of the search: those of which several are tried, the mode, and the reranker.
    """

    cut: Mapping[str, Any] = field(default_factory=dict)
    searched: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """All of it."""
        return {**self.cut, **self.searched}

    @property
    def name(self) -> str:
        """For tables."""
        chosen = self.settings
        splitter = " ".join(str(chosen[name]) for name in CUTTING if chosen.get(name) is not None)
        parts = [splitter, chosen.get("mode") or "all", chosen.get("fusion"), _weights(chosen.get("weights"))]
        parts.append(f"expand {chosen['expand']}" if chosen.get("expand") is not None else None)
        return ", ".join(part for part in (*parts, chosen.get("reranker")) if part)


def _weights(given: Any) -> str | None:
    return f"weights {written(given)}" if given is not None else None


def written(value: Any) -> str:
    """A setting's value as it is written on the command line."""
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)


def configurations(settings: Settings, tried: Mapping[str, Sequence[Any]], *, is_cut: bool) -> list[Configuration]:
    """Every combination, without those that differ in nothing that counts.

    Args:
        settings: Have what is not tried.
        tried: Values by the name of their setting.
        is_cut: Whether an index is made for each way to cut.

    Raises:
        InputError: Ways to cut are given where nothing is cut, or ways to fuse where nothing is fused.
    """
    given = {name: list(dict.fromkeys(values)) for name, values in tried.items() if values}
    if not is_cut and any(name in given for name in CUTTING):
        raise InputError("Splitters and sizes of chunks are compared on files: give them with --docs PATH.")
    given.setdefault("mode", [settings.mode])
    given["reranker"] = [None if spec == "none" else spec for spec in given.get("reranker", [settings.reranker])]
    if is_cut:
        given.setdefault("splitter", [settings.splitter])
    modes = set(given["mode"])
    if modes.isdisjoint({"hybrid", None}) and any(name in given for name in _OF_HYBRID):
        raise InputError("Weights and fusion are of hybrid search: add --mode hybrid, or leave them out.")
    names = [name for name in (*CUTTING, *SEARCHING) if name in given]
    found: list[Configuration] = []
    for values in product(*(given[name] for name in names)):
        chosen = dict(zip(names, values, strict=True))
        if chosen["mode"] not in ("hybrid", None):
            chosen = {name: value for name, value in chosen.items() if name not in _OF_HYBRID}
        if chosen.get("splitter") == "marker":
            chosen.pop("chunk_size", None)
        configuration = Configuration(
            {name: chosen[name] for name in CUTTING if name in chosen},
            {name: chosen[name] for name in SEARCHING if name in chosen},
        )
        if configuration not in found:
            found.append(configuration)
    return found


def evaluate(
    settings: Settings,
    questions: Sequence[Question],
    *,
    docs: Sequence[str] = (),
    tried: Mapping[str, Sequence[Any]] | None = None,
    ways: Sequence[Configuration] | None = None,
    budget: float = BUDGET,
    say: Callable[[str], None] = lambda _: None,
    on_indexed: Callable[[Sequence[SyncReport]], None] = lambda _: None,
    on_unfound: Callable[[Sequence[Unfound]], None] = lambda _: None,
) -> list[Result]:
    """Measure every combination of ways to cut and to search.

    Args:
        settings: All else: where Milvus is, the embedding, the retriever's numbers.
        questions: With their passages.
        docs: Files to index with each splitter, into a database that is gone afterwards. Without any, the
            settings' collection is searched as it is.
        tried: Values of the settings in `CUTTING` and `SEARCHING`, by name; the settings' own by default. Of rerankers,
            ``"none"`` is none.
        ways: In place of all combinations.
        budget: Tokens that a model may read, for the measure of what it gets.
        say: Told what is going on.
        on_indexed: Given the reports of each index; files that failed are not in it.
        on_unfound: Given the questions whose passage is not in the collection, if there are any; they count as missed.

    Returns:
        Results in the order of the combinations.

    Raises:
        InputError: What is tried cannot be told apart, see `configurations`.
        UnknownProviderError: There is no such reranker.
        MissingExtraError: The extra ``eval`` is not installed.
        MilvusRagError: As indexing and searching.
    """
    require("ir_measures", "eval", "The evaluation")
    ways = ways if ways is not None else configurations(settings, tried or {}, is_cut=bool(docs))
    # Made here to be checked: indexing may take hours.
    for spec in dict.fromkeys(filter(None, (way.searched.get("reranker") for way in ways))):
        reranker(spec, timeout=settings.model_timeout)
    results: dict[int, Result] = {}
    for cut in _distinct(way.cut for way in ways):
        with indexed(settings, docs, cut=cut, say=say, on_indexed=on_indexed) as (own, store):
            if not results:
                _look_for(questions, store, on_unfound)
            for at, way in enumerate(ways):
                if way.cut == cut:
                    _check_fused(way, store)
                    results[at] = _measured(own, store, way, questions, budget)
    return [results[at] for at in range(len(ways))]


def _look_for(
    questions: Sequence[Question], store: MilvusStore, on_unfound: Callable[[Sequence[Unfound]], None]
) -> None:
    # All rows are read for it.
    if store.count() <= _MOST_READ and (missing := unfound(questions, store.find_all({}))):
        on_unfound(missing)


def _distinct(cuts: Iterator[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    for cut in cuts:
        if cut not in found:
            found.append(cut)
    return found


@contextmanager
def indexed(
    settings: Settings,
    docs: Sequence[str] = (),
    *,
    cut: Mapping[str, Any] | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_indexed: Callable[[Sequence[SyncReport]], None] = lambda _: None,
) -> Iterator[tuple[Settings, MilvusStore]]:
    """The settings' collection as it is, or one of files, which is gone afterwards.

    Args:
        settings: Where it is, and how files are cut.
        docs: Files; none for the collection.
        cut: Settings of how files are cut, in place of the settings' own.
        say: Told how many chunks there are.
        on_indexed: Given the reports of the index.

    Yields:
        The settings of the collection, and the store.
    """
    if not docs:
        with build_store(settings, must_exist=True) as store:
            yield settings, store
        return
    with tempfile.TemporaryDirectory(prefix="milvus-rag-eval-") as folder:
        # A database of Milvus Lite: the server's token and database are not its own.
        place = {"uri": str(Path(folder) / "eval.db"), "token": None, "db_name": None}
        own = settings.model_copy(update={**(cut or {}), **place})
        reports = build_index(own, docs)
        on_indexed(reports)
        name = " ".join(map(str, (cut or {}).values())) or own.splitter
        say(f"{name}: {sum(report.added for report in reports)} chunks")
        with build_store(own, must_exist=True) as store:
            yield own, store


def _check_fused(way: Configuration, store: MilvusStore) -> None:
    is_fused = store.has_dense and store.has_full_text
    if not is_fused and any(way.searched.get(name) is not None for name in _OF_HYBRID):
        missing = "an embedding (--embeddings)" if not store.has_dense else "full-text search, which it has not"
        raise InputError(f"Weights and fusion are of hybrid search, which needs {missing}.")


def _measured(
    settings: Settings, store: MilvusStore, way: Configuration, questions: Sequence[Question], budget: float
) -> Result:
    own = settings.model_copy(update=dict(way.searched))
    retriever = build_retriever(own, store, k=DEPTH)
    found, seconds = [], []
    for question in questions:
        started = time.perf_counter()
        found.append(retriever.invoke(question.text))
        seconds.append(time.perf_counter() - started)
    return measure(way.name, questions, found, seconds, budget=budget)
