"""Presentations as Markdown: a heading a slide, its text, tables and the speaker's notes."""

import re
from collections.abc import Iterator, Mapping

from ...errors import UnreadableFileError
from ..text_places import Converted
from .tables import cell_text, table_lines
from .zipped import Element, ZippedXml, children, local_name

_MAIN = "ppt/presentation.xml"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_TITLES = frozenset({"title", "ctrTitle"})
# Placeholders that say the same on each slide.
_ON_EACH = frozenset({"sldNum", "dt", "ftr", "hdr", "sldImg"})
_UNTITLED = re.compile(r"(?:powerpoint presentation|presentation\d*|untitled.*)?", re.IGNORECASE)


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of a .pptx; places are numbers of slides, from 1. Hidden slides are read as well.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no presentation, or damaged.
    """
    parts = ZippedXml(content, shown)
    if _MAIN not in parts.names:
        raise UnreadableFileError(f"{shown} is no presentation. Save it anew as .pptx.")
    related = parts.related(_MAIN)
    lines: list[str] = []
    places: list[tuple[int, Mapping[str, int | str]]] = []
    ids = [entry.get(_ID, "") for entry in parts.xml(_MAIN).iter() if local_name(entry) == "sldId"]
    for number, name in enumerate((related[own][1] for own in ids if own in related), start=1):
        places.append((len(lines), {"slide": number}))
        lines += _slide_lines(parts, name, number)
    title = parts.title()
    return Converted("\n".join(lines), places, "" if _UNTITLED.fullmatch(title) else title)


def _slide_lines(parts: ZippedXml, name: str, number: int) -> list[str]:
    slide = parts.xml(name)
    titles, lines = [], []
    for shape in _shapes(slide):
        kind = _placeholder(shape)
        if kind in _TITLES:
            titles += [_plain(paragraph) for paragraph in _paragraphs(shape)]
        elif kind not in _ON_EACH:
            lines += _shape_lines(shape)
    for kind, note in parts.related(name).values():
        if kind == "notesSlide" and note in parts.names:
            lines += _notes(parts.xml(note))
        elif kind in ("chart", "diagramData") and note in parts.names:
            lines += _texts_of_part(parts.xml(note), kind)
    title = " ".join(part for part in titles if part)
    if not title and not lines:
        return []
    return [f"## {title or f'Slide {number}'}", "", *lines]


def _shapes(parent: Element) -> Iterator[Element]:
    """Shapes in the order of the file, those of groups in place of the group."""
    for child in parent:
        name = local_name(child)
        if name in ("sp", "graphicFrame"):
            yield child
        elif name in ("cSld", "spTree", "grpSp", "AlternateContent", "Choice"):
            yield from _shapes(child)


def _placeholder(shape: Element) -> str:
    found = next((element for element in shape.iter() if local_name(element) == "ph"), None)
    return "" if found is None else found.get("type", "body")


def _paragraphs(shape: Element) -> list[Element]:
    return [element for element in shape.iter() if local_name(element) == "p"]


def _shape_lines(shape: Element) -> list[str]:
    table = next((element for element in shape.iter() if local_name(element) == "tbl"), None)
    if table is not None:
        rows = [
            [cell_text(" ".join(map(_plain, _paragraphs(cell)))) for cell in children(row, "tc")]
            for row in children(table, "tr")
        ]
        return [*table_lines(rows), ""] if rows else []
    found = [(_level(paragraph), text) for paragraph in _paragraphs(shape) if (text := _plain(paragraph))]
    if len(found) == 1 and not found[0][0]:
        return [found[0][1], ""]
    return [*(f"{'  ' * level}- {text}" for level, text in found), ""] if found else []


def _level(paragraph: Element) -> int:
    properties = next(children(paragraph, "pPr"), None)
    level = "0" if properties is None else properties.get("lvl", "0")
    return int(level) if level.isdecimal() else 0


def _plain(paragraph: Element) -> str:
    parts = []
    for element in paragraph.iter():
        match local_name(element):
            case "t":
                parts.append(element.text or "")
            case "br" | "tab":
                parts.append(" ")
    return " ".join("".join(parts).split())


def _notes(notes: Element) -> list[str]:
    bodies = (shape for shape in _shapes(notes) if _placeholder(shape) == "body")
    texts = [text for shape in bodies for paragraph in _paragraphs(shape) if (text := _plain(paragraph))]
    if not texts:
        return []
    first, *others = texts
    return [f"Notes: {first}", "", *(line for text in others for line in (text, ""))]


def _texts_of_part(part: Element, kind: str) -> list[str]:
    """The words of a diagram, or of a chart's titles and series."""
    wanted = ("t",) if kind == "diagramData" else ("t", "v")
    texts = [" ".join((element.text or "").split()) for element in part.iter() if local_name(element) in wanted]
    words = list(dict.fromkeys(text for text in texts if re.search(r"[^\W\d_]", text)))
    return [f"- {', '.join(words)}", ""] if words else []
