"""Several ways to cut and to search the same files, measured side by side."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..extras import require
from ..indexing.report import SyncReport
from ..models.rerankers import reranker
from ..pipeline import build_index, build_retriever, build_store
from ..settings import Settings
from ..stores.milvus import MilvusStore
from .measures import DEPTH, Result, measure
from .questions import Question


@dataclass(frozen=True)
class Configuration:
    """One way.

    Attributes:
        splitter: Name of the splitter; None for an index as it is.
        mode: ``"dense"``, ``"full_text"`` or ``"hybrid"``; None for all that the index has.
        reranker: Spec of a reranker; None for none.
    """

    splitter: str | None
    mode: str | None
    reranker: str | None

    @property
    def name(self) -> str:
        """For tables."""
        return ", ".join(part for part in (self.splitter, self.mode or "all", self.reranker) if part)


def evaluate(
    settings: Settings,
    questions: Sequence[Question],
    *,
    docs: Sequence[str] = (),
    splitters: Sequence[str] = (),
    modes: Sequence[str] = (),
    rerankers: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
    on_indexed: Callable[[Sequence[SyncReport]], None] = lambda _: None,
) -> list[Result]:
    """Measure every combination of splitter, mode and reranker.

    Args:
        settings: All else: where Milvus is, the embedding, the retriever's numbers.
        questions: With their passages.
        docs: Files to index with each splitter, into a database that is gone afterwards. Without any, the
            settings' collection is searched as it is.
        splitters: Names; the settings' by default.
        modes: Names; the settings' by default.
        rerankers: Specs, ``"none"`` for none; the settings' by default.
        say: Told what is going on.
        on_indexed: Given the reports of each splitter's index; files that failed are not in it.

    Raises:
        InputError: Splitters are given without files to cut.
        UnknownProviderError: There is no such reranker.
        MissingExtraError: The extra ``eval`` is not installed.
        MilvusRagError: As indexing and searching.
    """
    require("ir_measures", "eval", "The evaluation")
    if splitters and not docs:
        raise InputError("Splitters are compared on files: give them with --docs PATH.")
    ranking: list[str | None] = [spec if spec != "none" else None for spec in rerankers] or [settings.reranker]
    searching: list[str | None] = [*modes] or [settings.mode]
    # Made here to be checked: indexing may take hours.
    for spec in filter(None, ranking):
        reranker(spec, timeout=settings.model_timeout)
    if not docs:
        with build_store(settings, must_exist=True) as store:
            ways = [Configuration(None, mode, spec) for mode in searching for spec in ranking]
            return list(_measure_all(settings, store, ways, questions))
    results: list[Result] = []
    for splitter in splitters or [settings.splitter]:
        with tempfile.TemporaryDirectory(prefix="milvus-rag-eval-") as folder:
            # A database of Milvus Lite: the server's token and database are not its own.
            place = {"uri": str(Path(folder) / "eval.db"), "token": None, "db_name": None}
            own = settings.model_copy(update={"splitter": splitter, **place})
            reports = build_index(own, docs)
            on_indexed(reports)
            say(f"{splitter}: {sum(report.added for report in reports)} chunks")
            with build_store(own, must_exist=True) as store:
                ways = [Configuration(splitter, mode, spec) for mode in searching for spec in ranking]
                results += _measure_all(own, store, ways, questions)
    return results


def _measure_all(
    settings: Settings, store: MilvusStore, ways: Sequence[Configuration], questions: Sequence[Question]
) -> Iterator[Result]:
    for way in ways:
        own = settings.model_copy(update={"mode": way.mode, "reranker": way.reranker})
        retriever = build_retriever(own, store, k=DEPTH)
        found, seconds = [], []
        for question in questions:
            started = time.perf_counter()
            found.append(retriever.invoke(question.text))
            seconds.append(time.perf_counter() - started)
        yield measure(way.name, questions, found, seconds)
