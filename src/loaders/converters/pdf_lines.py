"""Lines of a page: what stands beside each other, and what stands on every page."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

# So much of a page's height at its top and its foot may be what stands on every page.
_MARGIN = 0.1
_APART = 1.9
_FEWEST_PAGES = 3
_MARK = re.compile(r"(?:[•◦▪‣·∙●○■–*-]|\uf0b7|\(?(?:\d{1,3}(?:\.\d{1,3})*|[a-z])[.)]?)$")  # noqa: RUF001 - the dash of lists
_FARTHEST_MARK = 4.0
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")


class Segment(NamedTuple):
    """What stands together on one line; coordinates are points from the page's lower left."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    size: float
    is_bold: bool = False
    is_mono: bool = False


class Line(NamedTuple):
    """Segments beside each other.

    Attributes:
        cells: The segments, from the left; what is too near to be cells is one.
    """

    cells: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """The text of all of it."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def left(self) -> float:
        """Where it begins."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Where it ends."""
        return max(cell.right for cell in self.cells)

    @property
    def middle(self) -> float:
        """Where its middle is."""
        return (self.left + self.right) / 2

    @property
    def bottom(self) -> float:
        """Its foot."""
        return min(cell.bottom for cell in self.cells)

    @property
    def size(self) -> float:
        """Size of its type, that of the longest cell."""
        return max(self.cells, key=lambda cell: len(cell.text)).size

    @property
    def is_bold(self) -> bool:
        """Whether all of it is."""
        return all(cell.is_bold for cell in self.cells)

    @property
    def is_mono(self) -> bool:
        """Whether all of it is of one width."""
        return all(cell.is_mono for cell in self.cells)

    @property
    def character_width(self) -> float:
        """Width of a character of it."""
        cell = self.cells[0]
        return (cell.right - cell.left) / len(cell.text)


def lines_of(segments: Sequence[Segment]) -> list[Line]:
    """Segments of one column as lines, from the top."""
    rows: list[list[Segment]] = []
    for segment in sorted(segments, key=lambda segment: -(segment.top + segment.bottom)):
        if rows and _overlap(rows[-1][0], segment) > 0.5:
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [Line(tuple(_cells(sorted(row, key=lambda segment: segment.left)))) for row in rows]


def _overlap(one: Segment, other: Segment) -> float:
    shared = min(one.top, other.top) - max(one.bottom, other.bottom)
    return shared / max(min(one.top - one.bottom, other.top - other.bottom), 0.1)


def _cells(row: Sequence[Segment]) -> Iterator[Segment]:
    current = row[0]
    for segment in row[1:]:
        distance = segment.left - current.right
        is_mark = current is row[0] and len(row) == 2 and _MARK.match(current.text)
        if distance < (_FARTHEST_MARK if is_mark else 0.6) * segment.size:
            text = f"{_as_mark(current.text) if is_mark else current.text} {segment.text}"
            if distance < 0.1 * segment.size and not is_mark:
                text = current.text + segment.text
            current = (segment if is_mark else current)._replace(
                text=text,
                left=current.left,
                right=max(current.right, segment.right),
                bottom=min(current.bottom, segment.bottom),
                top=max(current.top, segment.top),
            )
        else:
            yield current
            current = segment
    yield current


def _as_mark(text: str) -> str:
    """A number that stands before an item, with the full stop that it has in Markdown."""
    return f"{text}." if text.isdecimal() else text


def without_repeated(pages: Sequence[Sequence[Segment]]) -> list[list[Segment]]:
    """Pages without what stands at the top or the foot of most of them, but for its numbers."""
    if len(pages) < _FEWEST_PAGES:
        return [list(page) for page in pages]
    seen: Counter[tuple[str, int]] = Counter()
    for page in pages:
        seen.update({_at_margin(segment) for segment in _margins(page)})
    least = max(_FEWEST_PAGES, len(pages) // 2)
    repeated = {key for key, count in seen.items() if count >= least}
    kept = []
    for page in pages:
        margins = {id(segment) for segment in _margins(page) if _at_margin(segment) in repeated}
        kept.append([segment for segment in page if id(segment) not in margins])
    return kept


def _margins(page: Sequence[Segment]) -> Iterator[Segment]:
    if not page:
        return
    top, bottom = max(segment.top for segment in page), min(segment.bottom for segment in page)
    height = max(top - bottom, 1.0)
    edge = min(_MARGIN * height, 40.0)
    for segment in page:
        is_top, is_foot = segment.bottom > top - edge, segment.top < bottom + edge
        # It stands apart: the text itself goes on at the distance of its lines.
        inner = (
            [
                segment.bottom - other.bottom if is_top else other.bottom - segment.bottom
                for other in page
                if _overlap(segment, other) <= 0
            ]
            if is_top or is_foot
            else []
        )
        nearest = min((distance for distance in inner if distance > 0), default=0.0)
        if nearest > _APART * segment.size:
            yield segment


def _at_margin(segment: Segment) -> tuple[str, int]:
    return _DIGITS.sub("#", segment.text.casefold()), round(segment.bottom / 4)
