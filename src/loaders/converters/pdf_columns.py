"""In which order what stands on a page is read: columns one after the other."""

from collections.abc import Iterator, Sequence
from statistics import median

from .pdf_lines import Segment

# A column of text has as many lines as this, and as many characters in most of them; a table's has fewer.
_FEWEST_LINES = 4
_FEWEST_CHARACTERS = 16
_MOST_ACROSS = 0.5


def in_reading_order(page: Sequence[Segment]) -> Iterator[list[Segment]]:
    """Split a page into regions that are read one after the other.

    Args:
        page: What stands on it.

    Yields:
        What stands in each region: a column, or what reaches across all of them.
    """
    gutter = _gutter(page)
    if gutter is None:
        if page:
            yield list(page)
        return
    across = [segment for segment in page if segment.left < gutter - 1 and segment.right > gutter + 1]
    sides: tuple[list[Segment], list[Segment]] = ([], [])
    for segment in page:
        if not (segment.left < gutter - 1 and segment.right > gutter + 1):
            sides[segment.left >= gutter - 1].append(segment)
    for band, below in _bands(across, sides):
        for side in band:
            if side:
                yield from in_reading_order(side)
        if below:
            yield below


def _bands(
    across: Sequence[Segment], sides: tuple[list[Segment], list[Segment]]
) -> Iterator[tuple[tuple[list[Segment], list[Segment]], list[Segment]]]:
    """From the top: what stands in the two columns above something that reaches across, and that."""
    rest = sides
    for group in _groups(across, sides):
        top = max(segment.top for segment in group)
        above = tuple([segment for segment in side if segment.bottom >= top - 1] for side in rest)
        rest = tuple([segment for segment in side if segment.bottom < top - 1] for side in rest)  # type: ignore[assignment]
        yield (above[0], above[1]), group
    yield rest, []


def _groups(across: Sequence[Segment], sides: tuple[list[Segment], list[Segment]]) -> Iterator[list[Segment]]:
    """What reaches across, together where nothing of the columns is between."""
    group: list[Segment] = []
    for segment in sorted(across, key=lambda segment: -segment.top):
        if group:
            foot = min(other.bottom for other in group)
            between = any(segment.top <= (one.top + one.bottom) / 2 <= foot for side in sides for one in side)
            if between:
                yield group
                group = []
        group.append(segment)
    if group:
        yield group


def _gutter(page: Sequence[Segment]) -> float | None:
    """Where the left edge of a column to the right of another one is; None where there is none."""
    best: tuple[float, float] | None = None
    for edge in _left_edges(page):
        left = [segment for segment in page if segment.right <= edge + 1]
        right = [segment for segment in page if segment.left >= edge - 1]
        crossing = len(page) - len(left) - len(right)
        if not (_is_column(left) and _is_column(right)) or crossing > _MOST_ACROSS * (len(left) + len(right)):
            continue
        if _shared_height(left, right) < 0.5:
            continue
        balance = crossing - min(len(left), len(right))
        if best is None or balance < best[0]:
            best = (balance, edge)
    return None if best is None else best[1]


def _left_edges(page: Sequence[Segment]) -> list[float]:
    """Where many lines begin, but for the leftmost."""
    counts: dict[int, list[float]] = {}
    for segment in page:
        counts.setdefault(round(segment.left / 3), []).append(segment.left)
    edges = sorted(min(lefts) for lefts in counts.values() if len(lefts) >= _FEWEST_LINES - 1)
    return edges[1:] if edges and edges[0] <= min(segment.left for segment in page) + 3 else edges


def _is_column(segments: Sequence[Segment]) -> bool:
    if len(segments) < _FEWEST_LINES:
        return False
    lengths = [len(segment.text) for segment in segments]
    return median(lengths) >= _FEWEST_CHARACTERS


def _shared_height(left: Sequence[Segment], right: Sequence[Segment]) -> float:
    """How much of the shorter of two columns is beside the other."""
    spans = [(min(s.bottom for s in side), max(s.top for s in side)) for side in (left, right)]
    shared = min(spans[0][1], spans[1][1]) - max(spans[0][0], spans[1][0])
    return shared / max(min(high - low for low, high in spans), 1.0)
