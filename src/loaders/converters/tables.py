"""Rows of cells as a table of Markdown, or as a list where its header is too long to be repeated."""

from collections.abc import Sequence

# A longer header is not repeated above the pieces of a table: each value then has its column's name beside it.
_LONGEST_HEADER = 300


def cell_text(text: str) -> str:
    """A cell's text in one line, with what would end it marked."""
    return " ".join(text.split()).replace("|", "\\|")


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """A table, its first row being the header.

    Args:
        rows: Texts of cells, by `cell_text`. Rows may be of different lengths.
    """
    width = max(map(len, rows), default=0)
    padded = [[*row, *[""] * (width - len(row))] for row in rows]
    header, *body = padded
    if sum(map(len, header)) > _LONGEST_HEADER and body:
        return [_record(header, row) for row in body if any(row)]
    return [_row(header), f"|{'---|' * width}", *map(_row, body)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _record(header: Sequence[str], row: Sequence[str]) -> str:
    pairs = ((name, value) for name, value in zip(header, row, strict=True) if value)
    return f"- {'; '.join(f'{name}: {value}' if name else value for name, value in pairs)}"
