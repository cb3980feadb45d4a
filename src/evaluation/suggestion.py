"""Which setting to change, if any: a handful is tried, and one is named only where chance does not explain its gain."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..configured_store import build_store
from ..errors import InputError
from ..indexing.report import SyncReport
from ..setting_fields import declared_settings
from ..settings import Settings
from .configurations import CUTTING, SEARCHING, Configuration, evaluate, written
from .measures import MAIN, Result
from .questions import Question
from .significance import LEVEL, Difference
from .unfound import told

# What is less is not worth a setting that somebody has to know of.
_LEAST_GAIN = 0.01
# The choice is made without each of these parts of the questions, and measured on it.
_FOLDS = 5
_EVIDENCE = "evidence"
_CHUNK_SIZES = (600, 2000)
_WEIGHTS = ((0.3, 0.7), (0.5, 0.5), (0.7, 0.3))


@dataclass(frozen=True)
class Trial:
    """One change of the settings.

    Attributes:
        changes: Settings by name.
        measure: By which it is compared: chunks of other sizes by the evidence within the budget, since long ones are
            found easily and answer little; all else by MRR.
        result: How it did.
        difference: From the settings as they are.
        chance: How often the best of as many changes that do nothing gains as much: p by Holm's method.
    """

    changes: Mapping[str, Any]
    measure: str
    result: Result
    difference: Difference
    chance: float

    @property
    def is_better(self) -> bool:
        """Whether it is better, all the others that were tried considered."""
        return self.difference.mean >= _LEAST_GAIN and self.difference.low > 0 and self.chance < 1 - LEVEL

    @property
    def options(self) -> str:
        """As it is written on the command line."""
        fields = declared_settings(Settings)
        return " ".join(f"{fields[name].flags[0]} {written(value)}" for name, value in self.changes.items())

    @property
    def variables(self) -> dict[str, str]:
        """As environment variables, or lines of ``.env``."""
        fields = declared_settings(Settings)
        return {fields[name].variable: written(value) for name, value in self.changes.items()}


@dataclass(frozen=True)
class Suggestion:
    """What came of it.

    Attributes:
        now: The settings as they are.
        trials: What was tried, the best first.
        left_out: Gain of the change that is best on four fifths of the questions, on the fifth that is left out; 0
            where no change is better.
    """

    now: Result
    trials: list[Trial] = field(default_factory=list)
    left_out: float = 0.0

    @property
    def better(self) -> Trial | None:
        """The change to make; None where none is better."""
        return next((trial for trial in self.trials if trial.is_better), None)

    @property
    def told(self) -> str:
        """In a sentence or two."""
        count = len(self.now.ranks)
        trial = self.better or self.trials[0]
        gain = trial.difference
        measured = f"{trial.measure} {gain.mean:+.3f}, with 95 % confidence from {gain.low:+.3f} to {gain.high:+.3f}"
        if trial is not self.better:
            return (
                f"Leave the settings as they are: of {len(self.trials)} changes none is better by more than chance "
                f"over n = {count} questions. The best, {trial.options}, has {measured}: by itself, and of "
                f"{len(self.trials)} that change nothing one gains as much with a chance of {trial.chance:.2f}."
            )
        variables = ", ".join(f"{name}={value}" for name, value in trial.variables.items())
        needs = " and index anew (--rebuild)" if any(name in trial.changes for name in CUTTING) else ""
        return (
            f"Set {trial.options}{needs} (or {variables}): {measured}, n = {count}; {len(self.trials)} changes were "
            f"tried, and chosen on four fifths of the questions the gain on the fifth left out is {self.left_out:+.3f}."
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        better = self.better
        return {
            "set": better.variables if better else None,
            "told": self.told,
            "questions": len(self.now.ranks),
            "left_out": self.left_out,
            "tried": [
                {
                    "settings": trial.variables,
                    "measure": trial.measure,
                    "value": trial.result.measures[trial.measure],
                    "gain": trial.difference.mean,
                    "interval": (trial.difference.low, trial.difference.high),
                    "chance": trial.chance,
                    "is_better": trial.is_better,
                }
                for trial in self.trials
            ],
        }


def suggest(
    settings: Settings,
    questions: Sequence[Question],
    *,
    docs: Sequence[str] = (),
    budget: float,
    say: Callable[[str], None] = lambda _: None,
    on_indexed: Callable[[Sequence[SyncReport]], None] = lambda _: None,
) -> Suggestion:
    """Try a handful of settings beside those that are set.

    Args:
        settings: As they are.
        questions: With their passages.
        docs: As of `evaluate`; without any, nothing is cut in another way.
        budget: As of `evaluate`.
        say: Told what is going on.
        on_indexed: As of `evaluate`.

    Raises:
        InputError: There is nothing to try.
        MilvusRagError: As indexing and searching.
    """
    changes = _changes(settings, is_cut=bool(docs), is_hybrid=_is_hybrid(settings, is_cut=bool(docs)))
    if not changes:
        raise InputError(
            "There is nothing to try: full-text search alone has no weights. Give the files (--docs PATH), so that "
            "chunks of other sizes are tried, or an embedding (--embeddings)."
        )
    ways = [_way(settings, change, is_cut=bool(docs)) for change in ({}, *changes)]
    now, *results = evaluate(
        settings,
        questions,
        docs=docs,
        ways=ways,
        budget=budget,
        say=say,
        on_indexed=on_indexed,
        on_unfound=lambda missing: say(told(missing, len(questions))),
    )
    return judged(now, list(zip(changes, results, strict=True)))


def judged(now: Result, tried: Sequence[tuple[Mapping[str, Any], Result]]) -> Suggestion:
    """Tell which of several changes are better than the settings as they are.

    Args:
        now: The settings as they are.
        tried: Changes with how they did; at least one.
    """
    measures = [_EVIDENCE if any(name in changes for name in CUTTING) else MAIN for changes, _ in tried]
    differences = [result.beside(now, measure) for (_, result), measure in zip(tried, measures, strict=True)]
    chances = _holm([difference.p for difference in differences])
    trials = [
        Trial(changes, measure, result, difference, chance)
        for (changes, result), measure, difference, chance in zip(tried, measures, differences, chances, strict=True)
    ]
    trials.sort(key=lambda trial: -trial.difference.mean)
    suggestion = Suggestion(now, trials)
    if (better := suggestion.better) is None:
        return suggestion
    others = [trial.result for trial in trials if trial.measure == better.measure]
    return Suggestion(now, trials, _left_out(now, others, better.measure))


def _is_hybrid(settings: Settings, *, is_cut: bool) -> bool:
    if settings.mode in ("dense", "full_text"):
        return False
    if is_cut:
        return settings.embeddings not in (None, "none")
    with build_store(settings, must_exist=True) as store:
        return store.has_dense and store.has_full_text


def _changes(settings: Settings, *, is_cut: bool, is_hybrid: bool) -> list[dict[str, Any]]:
    changes: list[dict[str, Any]] = []
    if is_hybrid:
        changes += [{"weights": weights} for weights in (*_WEIGHTS, "auto") if weights != settings.weights]
        changes.append({"fusion": "rrf" if settings.fusion == "weighted" else "weighted"})
        changes += [{"mode": mode} for mode in ("full_text", "dense")]
    if is_cut and settings.splitter == "markdown":
        changes += [{"chunk_size": size} for size in _CHUNK_SIZES if size != settings.chunk_size]
    return changes


def _way(settings: Settings, change: Mapping[str, Any], *, is_cut: bool) -> Configuration:
    """The settings with a change; their own cut is written out, so that it is made once."""
    cut = {name: change.get(name, getattr(settings, name)) for name in CUTTING} if is_cut else {}
    return Configuration(cut, {name: value for name, value in change.items() if name in SEARCHING})


def _holm(chances: Sequence[float]) -> list[float]:
    """Holm, A Simple Sequentially Rejective Multiple Test Procedure, 1979."""
    adjusted, least = [0.0] * len(chances), 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        least = max(least, min(1.0, (len(chances) - rank) * chances[at]))
        adjusted[at] = least
    return adjusted


def _left_out(now: Result, results: Sequence[Result], measure: str) -> float:
    """The gain on questions that the choice did not see; to change nothing is a choice too."""
    ways = [now.values[measure], *(result.values[measure] for result in results)]
    gains = []
    for fold in range(_FOLDS):
        seen = [at for at in range(len(now.ranks)) if at % _FOLDS != fold]
        best = max(ways, key=lambda values: sum(values[at] for at in seen))
        gains += [best[at] - ways[0][at] for at in range(fold, len(now.ranks), _FOLDS)]
    return statistics.fmean(gains)
