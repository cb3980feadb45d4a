"""Made-up pages for `scale.py`: Markdown of varied documents, the same ones in each run.

Most words are seldom and a few are frequent, as in natural text; the frequent ones are English, so that the language is
recognised, and the others have English endings, so that there is something to stem.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

_FREQUENT = (
    "the of and to a in is it that for you with on as are this be by or from at an not can when which your if all will "
    "has one we more each use must other than then only into also what how new no after before between where may its"
)
_SYLLABLES = (
    "ba ce di fo gu ha ki lo mu na pe ri so ta vu wa xi ye zo bra cle dri flo gra sta tro ple shi cha ner lor mir tan"
)
_ENDINGS = ("", "", "", "s", "ed", "ing", "er", "ation", "ness", "able")
_WORDS = 40_000
_FOLDERS = 200
# Of a section: mostly one chunk of the default splitter, whose limit is 1,200 characters, and sometimes two or three.
_LEAST_WORDS, _MOST_WORDS, _LONG_WORDS = 35, 160, 420
_LONG_SHARE = 0.04
_MOST_SECTIONS = 30


def vocabulary() -> list[str]:
    """The words, the frequent ones first."""
    draw, syllables = np.random.default_rng(1), _SYLLABLES.split()
    words = dict.fromkeys(_FREQUENT.split())
    while len(words) < _WORDS:
        stem = "".join(draw.choice(syllables, draw.integers(2, 5)))
        words.setdefault(f"{stem}{_ENDINGS[draw.integers(len(_ENDINGS))]}")
    return list(words)


def write_pages(folder: Path, sections: int) -> list[Path]:
    """Write pages of so many sections together, each some 1.12 chunks of the default splitter.

    Args:
        folder: For the pages; some of its own folders have several.
        sections: Of all pages together.

    Returns:
        The pages' files.
    """
    words = vocabulary()
    chances = np.cumsum(1 / np.arange(1, _WORDS + 1))
    files, left, number = [], sections, 0
    while left:
        draw = np.random.default_rng((2, number))
        # A few pages are long, and most are short.
        count = min(left, int(1 + _MOST_SECTIONS * draw.beta(1.2, 2.5)))
        file = folder / f"area-{number % _FOLDERS:03}" / f"page-{number:05}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(_page(number, count, words, chances, draw)), "utf-8")
        files.append(file)
        left, number = left - count, number + 1
    return files


def questions(count: int) -> list[str]:
    """Questions of six words, neither the most frequent ones nor the rarest."""
    words, draw = vocabulary(), np.random.default_rng(3)
    return [
        " ".join(words[int(place)] for place in _WORDS ** draw.uniform(0.4, 0.95, size=6)) + "?" for _ in range(count)
    ]


def _page(
    number: int, sections: int, words: list[str], chances: np.ndarray, draw: np.random.Generator
) -> Iterator[str]:
    def text(count: int) -> str:
        places = np.searchsorted(chances, draw.random(count) * chances[-1])
        return " ".join(words[place] for place in places)

    if number % 3 == 0:
        yield f"---\ntitle: {text(3)}\nsummary: {text(8)}\n---\n\n"
    yield f"# Page {number} {text(2)}\n\n"
    for section in range(sections):
        long = draw.random() < _LONG_SHARE
        count = int(draw.integers(_MOST_WORDS, _LONG_WORDS) if long else draw.integers(_LEAST_WORDS, _MOST_WORDS))
        if section:
            yield f"{'#' * int(draw.integers(2, 4))} {text(3)}\n\n"
        kind = draw.random()
        if kind < 0.15:
            yield "".join(f"- {text(count // 5)}\n" for _ in range(5)) + "\n"
        elif kind < 0.25:
            yield f"{text(count // 2)}:\n\n```bash\n" + "".join(f"{text(4)}\n" for _ in range(count // 8)) + "```\n\n"
        elif kind < 0.32:
            rows = "".join(f"| {text(2)} | {text(6)} |\n" for _ in range(count // 8))
            yield f"| {text(1)} | {text(1)} |\n|---|---|\n{rows}\n"
        else:
            yield "".join(f"{text(count // 3).capitalize()}.\n\n" for _ in range(3))
