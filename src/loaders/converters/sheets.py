"""Spreadsheets as Markdown, by calamine: a table for each block of rows, its header in front."""

import datetime as dt
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...errors import UnreadableFileError
from ..text_places import Converted
from .tables import cell_text, table_lines
from .zipped import ZippedXml

_MOST_CELLS = 5_000_000
# Whole numbers below it are written out, such as the long ids of records.
_WRITTEN_OUT = 1e21


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of a spreadsheet; places are names of sheets. Of a formula its value is read.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no spreadsheet, damaged, or has more cells than anybody reads.
    """
    import python_calamine

    if "xl/workbook.xml" not in ZippedXml(content, shown).names:
        raise UnreadableFileError(f"{shown} is no workbook of Excel. Save it anew as .xlsx.")
    try:
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        found = [(name, workbook.get_sheet_by_name(name)) for name in workbook.sheet_names]
    except python_calamine.CalamineError as exc:
        raise UnreadableFileError(f"{shown} cannot be read as a spreadsheet: {exc}. Save it anew.") from exc
    lines: list[str] = []
    places: list[tuple[int, Mapping[str, int | str]]] = []
    for name, sheet in found:
        if sheet.height * sheet.width > _MOST_CELLS:
            raise UnreadableFileError(f"{shown} has a sheet of {sheet.height:,} rows and {sheet.width:,} columns.")
        rows = [[_text(value) for value in row] for row in sheet.to_python(skip_empty_area=True)]
        own = list(_sheet_lines(rows))
        if own:
            places.append((len(lines), {"sheet": name}))
            lines += [f"## {' '.join(name.split())}", "", *own, ""]
    return Converted("\n".join(lines), places)


def _sheet_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Blocks of rows between empty ones; one that goes on below an empty row has the header of the block before."""
    header: Sequence[str] = ()
    for block in _blocks(rows):
        # Titles and remarks above a table have one cell each.
        first = next((at for at, row in enumerate(block) if _filled(row) > 1), len(block))
        for row in block[:first] if first < len(block) or not header else ():
            yield from (" ".join(cell for cell in row if cell), "")
        table = block[first:] if first < len(block) or not header else block
        if not table:
            continue
        goes_on = header and not first and any(_is_number(cell) for cell in table[0])
        if not goes_on:
            header, table = table[0], table[1:]
        yield from table_lines(_trimmed([header, *table]))
        yield ""


def _blocks(rows: Sequence[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    block: list[Sequence[str]] = []
    for row in (*rows, ()):
        if any(row):
            block.append(row)
        elif block:
            yield block
            block = []


def _trimmed(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows without the columns that all of them leave empty."""
    width = max(map(len, rows))
    kept = [at for at in range(width) if any(at < len(row) and row[at] for row in rows)]
    return [[row[at] if at < len(row) else "" for at in kept] for row in rows]


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell)


def _is_number(text: str) -> bool:
    return bool(text) and text.replace(".", "").replace("-", "").replace(",", "").replace(":", "").isdecimal()


def _text(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer() and abs(value) < _WRITTEN_OUT:
            # A spreadsheet keeps 15 digits, and zeros stand behind them.
            return str(int(value))
        case float():
            # 0.1 + 0.2 as a spreadsheet shows it.
            return f"{value:.15g}"
        case dt.datetime() if value.time() == dt.time():
            return value.date().isoformat()
        case dt.datetime():
            return value.isoformat(" ", "seconds")
        case _:
            return cell_text(str(value))
