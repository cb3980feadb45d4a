"""Text at places on pages, as Markdown: columns, headings, lists, tables, paragraphs, code.

A page says nothing of these, so they are told by sizes and gaps. Pure: what reads the file is in `pdf`.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from .pdf_columns import in_reading_order
from .pdf_lines import Line, Segment, lines_of, without_repeated
from .tables import cell_text, table_lines

__all__ = ["Segment", "as_markdown"]

_LARGER = 1.12
_LONGEST_HEADING = 160
_MOST_HEADING_LINES = 3
_BULLET = re.compile(r"([•◦▪‣·∙●○■–*-]|\uf0b7)(?:\s+|$)")  # noqa: RUF001 - the dash of lists
_NUMBER = re.compile(r"(\(?(?:\d{1,3}|[a-z]|[ivx]{1,4})[.)])(?:\s+|$)")
_ENDS = (".", "!", "?", ":", "。", "…")
_LEADER = re.compile(r"\s*(?:\.\s?){4,}\s*")
_WORD = re.compile(r"[\w-]+")


class _Block(NamedTuple):
    """A block of the page: how it begins in Markdown, its text, and what may go on after it."""

    kind: str
    lines: list[str]
    size: float = 0.0


def as_markdown(pages: Sequence[Sequence[Segment]]) -> tuple[str, list[tuple[int, int]]]:
    """Put pages into Markdown.

    Args:
        pages: Of each page what stands on it.

    Returns:
        The text; and from which of its lines on, from 0, which page is read, from 1.
    """
    kept = without_repeated(pages)
    sizes: Counter[float] = Counter()
    for segment in (segment for page in kept for segment in page):
        if not segment.is_mono:
            sizes[segment.size] += len(segment.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    larger = sorted((size for size in sizes if size > body * _LARGER), reverse=True)
    levels = {size: min(at, 5) for at, size in enumerate(larger, start=1)}
    words = frozenset(word for page in kept for segment in page for word in _WORD.findall(segment.text) if "-" in word)
    found: list[str] = []
    starts: list[tuple[int, int]] = []
    last: _Block | None = None
    for number, page in enumerate(kept, start=1):
        regions = [lines_of(region) for region in in_reading_order(page)]
        for at, block in enumerate(block for lines in regions for block in _blocks(lines, body, levels, words)):
            goes_on = not at and last is not None and _goes_over(last, block)
            is_next_item = bool(at) and last is not None and last.kind == block.kind == "item"
            if found and not goes_on and not is_next_item:
                found.append("")
            if not at:
                starts.append((len(found), number))
            found += _rest_of_word(found, block.lines, words) if goes_on else block.lines
            last = block
    # What is left of the marks of hyphens.
    return "\n".join(found).replace("\u00ad\n", "-\n").replace("\u00ad", ""), starts


def _goes_over(last: _Block, block: _Block) -> bool:
    """Whether a paragraph goes on at the top of the next page."""
    if last.kind not in ("paragraph", "item") or block.kind != "paragraph" or last.size != block.size:
        return False
    return not last.lines[-1].rstrip().endswith(_ENDS) and block.lines[0][:1].islower()


def _rest_of_word(found: list[str], lines: list[str], words: frozenset[str]) -> list[str]:
    """Lines of the next page, without the rest of a word that was cut at the end of the page before."""
    if not found[-1].endswith(("-", "\u00ad")):
        return lines
    rest, blank, other = lines[0].partition(" ")
    found[-1] = _joined(found[-1], rest, words)
    return [other, *lines[1:]] if blank else [*lines[1:]] or [""]


def _blocks(lines: Sequence[Line], body: float, levels: dict[float, int], words: frozenset[str]) -> Iterator[_Block]:
    at = 0
    gap = _usual_gap(lines)
    while at < len(lines):
        end = _table_end(lines, at)
        if end > at:
            yield _Block("table", table_lines(_rows(lines[at:end])))
        elif lines[at].is_mono:
            end = at + 1
            while end < len(lines) and lines[end].is_mono:
                end += 1
            yield _Block("code", _code(lines[at:end]))
        else:
            end = _paragraph_end(lines, at, gap, is_large=lines[at].size in levels)
            yield _paragraph(lines[at:end], body, levels, words)
        at = end


def _usual_gap(lines: Sequence[Line]) -> float:
    """The usual distance between the feet of two lines, in sizes of the type."""
    gaps = [
        (upper.bottom - lower.bottom) / upper.size
        for upper, lower in itertools.pairwise(lines)
        if upper.size == lower.size and 0 < upper.bottom - lower.bottom < 3 * upper.size
    ]
    return min(median(gaps), 1.6) if gaps else 1.3


def _paragraph_end(lines: Sequence[Line], at: int, gap: float, *, is_large: bool) -> int:
    first = lines[at]
    is_item = bool(_BULLET.match(first.text) or _NUMBER.match(first.text))
    width = max(line.right for line in lines)
    end = at + 1
    while end < len(lines):
        last, line = lines[end - 1], lines[end]
        if _LEADER.search(last.text):
            break
        if abs(line.size - first.size) > 0.6 or line.is_bold != first.is_bold or line.is_mono or len(line.cells) > 1:
            break
        if (last.bottom - line.bottom) > first.size * gap * 1.3 or last.bottom < line.bottom:
            break
        if _BULLET.match(line.text) or _NUMBER.match(line.text):
            break
        # Lines of one heading begin below each other, or are centred.
        if is_large and abs(line.left - last.left) > line.size and abs(line.middle - last.middle) > line.size:
            break
        is_short = last.right < width - 0.25 * (width - first.left)
        # The lines of an item stand below its text, and not its mark.
        is_indented = line.left > last.left + first.size and last.left <= first.left
        if (is_short and last.text.endswith(_ENDS)) or (is_indented and not (is_item and end == at + 1)):
            break
        end += 1
    return end


def _paragraph(lines: Sequence[Line], body: float, levels: dict[float, int], words: frozenset[str]) -> _Block:
    first = lines[0]
    text = first.text
    for line in lines[1:]:
        text = _joined(text, line.text, words)
    text = " ".join(text.split())
    if (shorter := _LEADER.sub(" … ", text)) != text:
        # Of a table of contents.
        return _Block("item", [f"- {shorter.strip()}"], first.size)
    if len(text) <= _LONGEST_HEADING and len(lines) <= _MOST_HEADING_LINES and re.search(r"\w", text):
        if level := levels.get(first.size):
            return _Block("heading", [f"{'#' * level} {text}"])
        if first.is_bold and len(lines) == 1 and first.size >= body and not text.endswith((".", ",", ";", ":")):
            return _Block("heading", [f"{'#' * min(len(levels) + 1, 6)} {text}"])
    for pattern, mark in ((_BULLET, "-"), (_NUMBER, None)):
        if (found := pattern.match(text)) and text[found.end() :]:
            number = found[1].strip("().")
            begin = mark or (f"{number}." if number.isdecimal() else f"- {found[1]}")
            return _Block("item", [f"{begin} {text[found.end() :]}"], first.size)
    # What looks like Markdown by chance is none.
    return _Block("paragraph", [re.sub(r"^(#{1,6} |>|```|~~~|\|)", r"\\\1", text)], first.size)


def _joined(text: str, more: str, words: frozenset[str]) -> str:
    """Two lines as one, with a word that was cut at the end of the first made whole."""
    if text.endswith(("-", "\u00ad")) and len(text) > 1 and text[-2].isalpha() and more[:1].islower():
        begin, rest = re.split(r"\s", text[:-1])[-1], re.split(r"\s|[.,;:!?)]", more, maxsplit=1)[0]
        # A word that is written with a hyphen elsewhere has one here.
        return text[:-1] + ("-" if f"{begin}-{rest}" in words else "") + more
    if text.endswith("\u00ad"):
        return text[:-1] + "-" + more
    return f"{text} {more}"


def _code(lines: Sequence[Line]) -> list[str]:
    left = min(line.left for line in lines)
    width = next((line.character_width for line in lines if line.character_width), 1.0)
    code = [" " * round((line.left - left) / width) + line.text for line in lines]
    marks = "````" if any("```" in line for line in code) else "```"
    return [marks, *code, marks]


def _table_end(lines: Sequence[Line], at: int) -> int:
    """Behind the last row of a table that begins at a line; that line itself where none does."""
    end = at
    columns: list[tuple[float, float]] = []
    while end < len(lines) and not (lines[end].is_mono and not columns):
        line = lines[end]
        spans = [(cell.left, cell.right) for cell in line.cells]
        if len(spans) > 1:
            merged = _merged([*columns, *spans])
            if columns and len(merged) < max(len(spans), 2):
                break
            columns = merged
        elif not columns or not _is_wrapped(lines[end - 1], line, columns):
            break
        end += 1
    rows = [line for line in lines[at:end] if len(line.cells) > 1]
    return end if len(rows) > 1 else at


def _is_wrapped(last: Line, line: Line, columns: Sequence[tuple[float, float]]) -> bool:
    """Whether a line of one cell is the rest of a cell above it."""
    if last.bottom - line.bottom > 1.5 * line.size or len(columns) < 2:
        return False
    within = [at for at, (left, right) in enumerate(columns) if line.left < right and left < line.right]
    return len(within) == 1 and (within[0] > 0 or len(last.cells) > 1)


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Intervals that overlap made one."""
    found: list[tuple[float, float]] = []
    for left, right in sorted(spans):
        if found and left < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], right))
        else:
            found.append((left, right))
    return found


def _rows(lines: Sequence[Line]) -> list[list[str]]:
    columns = _merged([(cell.left, cell.right) for line in lines if len(line.cells) > 1 for cell in line.cells])
    rows: list[list[str]] = []
    for line in lines:
        row = rows[-1] if len(line.cells) == 1 and rows else [""] * len(columns)
        for cell in line.cells:
            at = next((at for at, (left, right) in enumerate(columns) if left < cell.right and cell.left < right), 0)
            row[at] = cell_text(f"{row[at]} {cell.text}") if row[at] else cell_text(cell.text)
        if row is not (rows[-1] if rows else None):
            rows.append(row)
    return rows
