"""The results as a picture."""

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from ..extras import require
from .measures import MEASURES, Result


def check_chart(path: str | Path) -> None:
    """Find out, before anything is measured, whether a chart can be drawn there.

    Raises:
        InputError: The name does not end with .png, or there is no such folder.
        MissingExtraError: matplotlib is not installed.
    """
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"A chart is a PNG file; {path} does not end with .png.")
    if not Path(path).absolute().parent.is_dir():
        raise InputError(f"The chart {path} cannot be written: there is no folder {Path(path).parent}.")
    require("matplotlib.figure", "eval", "A chart")


def save_chart(results: Sequence[Result], path: str | Path, *, questions: int) -> None:
    """Draw the measures of each configuration as bars into a PNG file.

    Raises:
        InputError: The file cannot be written, or its name does not end with .png.
        MissingExtraError: matplotlib is not installed.
    """
    check_chart(path)
    figure_module = require("matplotlib.figure", "eval", "A chart")
    figure = figure_module.Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(results)
    for i, result in enumerate(results):
        heights = [result.measures[name] for name in MEASURES]
        places = [group + (i - (len(results) - 1) / 2) * width for group in range(len(MEASURES))]
        bars = axes.bar(places, heights, width, label=result.configuration)
        axes.bar_label(bars, fmt="%.2f", fontsize=8 if len(results) < 4 else 6)
    axes.set_xticks(range(len(MEASURES)), MEASURES)
    axes.set_ylim(0, 1.05)
    axes.set_ylabel(f"mean over {questions} questions")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(3, len(results)), frameon=False)
    try:
        figure.savefig(path, dpi=120)
    except OSError as exc:
        raise InputError(f"The chart {path} cannot be written: {exc.strerror}.") from exc
