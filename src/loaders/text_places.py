"""What a converter makes of a file: Markdown, and where in the original its lines are from."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..chunk_keys import PLACES_KEY

_FROM_LINE = "line"


class Converted(NamedTuple):
    """Markdown that was made of a file.

    Attributes:
        text: The Markdown, with line feeds.
        places: From which line on, counted from 0, which place of the original is read, e.g. ``(12, {"cell": 3})``;
            in order. None for a text whose lines are the original's; one without a place, ``(0, {})``, where they are
            not and there is nothing else to say.
        title: What the file itself is called by its format; empty where that does not say. A heading that stands for
            the whole goes before it.
    """

    text: str
    places: Sequence[tuple[int, Mapping[str, int | str]]] = ()
    title: str = ""


def places_metadata(converted: Converted) -> dict[str, Any]:
    """How a loader hands the places on to the splitter: under a key of a document's metadata."""
    places = [{_FROM_LINE: line, **place} for line, place in converted.places]
    return {PLACES_KEY: places} if places else {}


def place_of(places: object, first_line: int, last_line: int) -> dict[str, Any]:
    """The place of a chunk in the original.

    Args:
        places: As `places_metadata` made it, or anything else that stands there.
        first_line: Index of the chunk's first line.
        last_line: Index of its last.

    Returns:
        The place of its first line; with ``end_page`` and the like where its last line is from another one.
    """
    if not isinstance(places, list) or not places:
        return {}
    starts = [entry[_FROM_LINE] for entry in places]
    begin = places[max(bisect_right(starts, first_line) - 1, 0)]
    end = places[max(bisect_right(starts, last_line) - 1, 0)]
    found = {key: value for key, value in begin.items() if key != _FROM_LINE}
    ends = {f"end_{key}": end[key] for key in found if key in end and end[key] != found[key]}
    return {**found, **ends}
