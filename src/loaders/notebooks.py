"""Jupyter notebooks as Markdown: cells of text as they are, code in fences, and outputs that are short texts."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import UnreadableFileError
from .decoding import decode
from .text_places import Converted

# Longer outputs are data rather than something to read.
_LONGEST_OUTPUT = 1000


def notebook_as_markdown(content: bytes, shown: str) -> Converted:
    """Make Markdown of a notebook of format 3 or 4 (https://nbformat.readthedocs.io/en/latest/format_description.html).

    Args:
        content: The file.
        shown: The file, as messages name it.

    Returns:
        The cells in order; places say which cell a line is from, ``{"cell": 2}``, from 1 over all cells.

    Raises:
        UnreadableFileError: It is no notebook.
    """
    try:
        notebook = json.loads(decode(content, shown))
    except (ValueError, RecursionError) as exc:
        raise UnreadableFileError(f"{shown} is no notebook: {exc}. Save it anew in Jupyter.") from exc
    cells = _cells(notebook)
    if cells is None:
        raise UnreadableFileError(f"{shown} is no notebook: it has no list of cells. Save it anew in Jupyter.")
    language = _language(notebook)
    lines: list[str] = []
    places: list[tuple[int, Mapping[str, int | str]]] = []
    for number, cell in enumerate(cells, start=1):
        parts = [part for part in _parts(cell, language) if part.strip()] if isinstance(cell, dict) else []
        if parts:
            places.append((len(lines), {"cell": number}))
            lines += "\n\n".join(parts).split("\n")
            lines.append("")
    return Converted("\n".join(lines), places)


def _cells(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    cells = notebook.get("cells")
    if cells is None and isinstance(sheets := notebook.get("worksheets"), list):
        # Format 3.
        cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or ()]
    return cells if isinstance(cells, list) else None


def _language(notebook: Mapping[str, Any]) -> str:
    found: Any = notebook.get("metadata")
    for key, inner in (("language_info", "name"), ("kernelspec", "language")):
        part = found.get(key) if isinstance(found, dict) else None
        name = part.get(inner) if isinstance(part, dict) else None
        if isinstance(name, str):
            return "".join(name.split()[:1])
    return "python"


def _parts(cell: Mapping[str, Any], language: str) -> Iterator[str]:
    source = _text(cell.get("source", cell.get("input")))
    if cell.get("cell_type") == "heading":
        level = cell.get("level")
        yield f"{'#' * (level if isinstance(level, int) and 1 <= level <= 6 else 1)} {' '.join(source.split())}"
    elif cell.get("cell_type") != "code":
        yield source
    else:
        yield _fenced(source, language)
        outputs = cell.get("outputs")
        for output in outputs if isinstance(outputs, list) else ():
            shown = _output(output) if isinstance(output, dict) else ""
            if shown.strip() and len(shown) <= _LONGEST_OUTPUT:
                yield _fenced(shown, "text")


def _output(output: Mapping[str, Any]) -> str:
    """What an output says as text; nothing of pictures, HTML and errors."""
    data = output.get("data")
    if isinstance(data, dict):
        return _text(data.get("text/markdown") or data.get("text/plain"))
    return _text(output.get("text"))


def _text(source: object) -> str:
    """Text as notebooks keep it: whole, or a list of lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str)).replace("\r\n", "\n").strip("\n")


def _fenced(code: str, language: str) -> str:
    if not code.strip():
        return ""
    marks = "```"
    while marks in code:
        marks += "`"
    return f"{marks}{language}\n{code}\n{marks}"
