"""PDF as Markdown: PDFium says which character is where, `pdf_layout` what that reads like."""

import ctypes
import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ...errors import UnreadableFileError
from ..text_places import Converted
from .pdf_layout import Segment, as_markdown

MOST_PAGES = 5_000
"""Of a longer file nothing is read: it is a data set, or made to keep somebody busy."""

# A wider gap than that, in heights of the type, is between columns or cells, not words; so is a narrower one where the
# file has no blank, as TeX and tables do.
_WIDEST_BLANK = 1.5
_WIDEST_GAP = 0.75
_NARROWEST_SPACE = 0.15
# PDFium's own mark for a hyphen at a line's end.
_HYPHENS = (0x02, 0xFFFE, 0xAD)
_BLANK, _UNKNOWN = 0x20, 0xFFFD
_FIRST_SURROGATE, _LOW_SURROGATES, _LAST_SURROGATE = 0xD800, 0xDC00, 0xE000
_FIXED_PITCH, _FORCE_BOLD = 1, 1 << 18
_BOLD = re.compile(r"bold|black|heavy|semibold|demi", re.IGNORECASE)
_MONO = re.compile(r"mono|monl|courier|consol|menlo|typewriter|cmtt", re.IGNORECASE)
_JUNK_TITLE = re.compile(r"(?:microsoft word.*|untitled.*|.*\.\w{2,4}|\(?anonymous\)?|unspecified)?", re.IGNORECASE)


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of a PDF; places are numbers of pages, from 1 as they lie in the file.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no PDF, has a password, is damaged, or has more than `MOST_PAGES` pages.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as exc:
        if "assword" in str(exc):
            raise UnreadableFileError(f"{shown} has a password. Save it without one.") from exc
        raise UnreadableFileError(
            f"{shown} cannot be read as PDF: {str(exc).rstrip('.')}. Is it complete? Get it anew."
        ) from exc
    try:
        if len(document) > MOST_PAGES:
            raise UnreadableFileError(f"{shown} has {len(document):,} pages, over {MOST_PAGES:,}. Split it.")
        pages = [_segments(document, number, shown) for number in range(len(document))]
        title = document.get_metadata_value("Title") or ""
    finally:
        document.close()
    text, starts = as_markdown(pages)
    title = " ".join(title.split())
    places = [(line, {"page": page}) for line, page in starts]
    return Converted(text, places, "" if _JUNK_TITLE.fullmatch(title) else title)


def _segments(document: Any, number: int, shown: str) -> list[Segment]:
    """What stands together on one line of a page, in the order of the file."""
    import pypdfium2

    try:
        page = document[number]
    except pypdfium2.PdfiumError as exc:
        raise UnreadableFileError(f"{shown} is damaged: page {number + 1} cannot be read. Get it anew.") from exc
    text = page.get_textpage()
    try:
        return list(_runs(text.raw, text.count_chars()))
    finally:
        text.close()
        page.close()


class _Glyph(NamedTuple):
    """A character that can be seen: what it is, and where."""

    at: int
    character: str
    left: float
    right: float
    bottom: float
    top: float


def _runs(raw: Any, count: int) -> Iterator[Segment]:
    """Characters that follow each other on a line; of a page there are thousands, so that little is done for each."""
    import pypdfium2.raw as pdfium

    unicode_of, box_of, is_generated = (
        pdfium.FPDFText_GetUnicode,
        pdfium.FPDFText_GetLooseCharBox,
        pdfium.FPDFText_IsGenerated,
    )
    box = pdfium.FS_RECTF()
    where = ctypes.byref(box)
    run: list[_Glyph] = []
    high = 0
    for at in range(count):
        code = unicode_of(raw, at)
        if code <= _BLANK and code not in _HYPHENS and code:
            continue
        if _FIRST_SURROGATE <= code < _LAST_SURROGATE:
            if code < _LOW_SURROGATES:
                high = code
                continue
            code = 0x10000 + ((high - _FIRST_SURROGATE) << 10) + code - _LOW_SURROGATES if high else _UNKNOWN
            high = 0
        character = "\u00ad" if code in _HYPHENS else chr(code or _UNKNOWN)
        if character.isspace() or not box_of(raw, at, where):
            continue
        glyph = _Glyph(at, character, box.left, box.right, box.bottom, box.top)
        if run and not _goes_on(run[-1], glyph, lambda found: bool(is_generated(raw, found))):
            yield _segment(raw, run)
            run = []
        run.append(glyph)
    if run:
        yield _segment(raw, run)


def _goes_on(last: _Glyph, glyph: _Glyph, is_generated: Callable[[int], bool]) -> bool:
    height = last.top - last.bottom or 1.0
    if last.bottom != glyph.bottom or last.top != glyph.top:
        shared = min(last.top, glyph.top) - max(last.bottom, glyph.bottom)
        if shared < 0.5 * min(height, glyph.top - glyph.bottom or 1.0):
            return False
    distance = (glyph.left - last.right) / height
    if distance < _WIDEST_GAP:
        return distance > -0.5
    return distance < _WIDEST_BLANK and glyph.at - last.at > 1 and not is_generated(last.at + 1)


def _segment(raw: Any, run: list[_Glyph]) -> Segment:
    # A line may begin or end in another type; it is bold or code where all of it is.
    types = [_type_of(raw, run[at].at) for at in sorted({0, len(run) // 2, len(run) - 1})]
    size = types[len(types) // 2][0]
    is_bold, is_mono = all(own[1] for own in types), all(own[2] for own in types)
    parts = [run[0].character]
    for last, glyph in itertools.pairwise(run):
        # The file has a blank between them, or room for one.
        is_apart = glyph.at - last.at > 1 or glyph.left - last.right > _NARROWEST_SPACE * (last.top - last.bottom)
        blanks = 1
        if is_apart and is_mono:
            width = max(last.right - last.left, 0.1)
            blanks = max(round((glyph.left - last.right) / width), 1)
        parts.append(" " * blanks + glyph.character if is_apart else glyph.character)
    return Segment(
        text="".join(parts),
        left=run[0].left,
        right=max(glyph.right for glyph in run),
        bottom=min(glyph.bottom for glyph in run),
        top=max(glyph.top for glyph in run),
        size=size or run[0].top - run[0].bottom,
        is_bold=is_bold,
        is_mono=is_mono,
    )


def _type_of(raw: Any, at: int) -> tuple[float, bool, bool]:
    """Size in points, and whether the type is bold, and of one width."""
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    scale = 1.0
    if pdfium.FPDFText_GetMatrix(raw, at, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d) or 1.0
    size = round(pdfium.FPDFText_GetFontSize(raw, at) * scale * 2) / 2
    name = ctypes.create_string_buffer(128)
    flags = ctypes.c_int(0)
    pdfium.FPDFText_GetFontInfo(raw, at, name, 128, ctypes.byref(flags))
    font = name.value.decode("utf-8", "replace")
    is_bold = bool(flags.value & _FORCE_BOLD) or bool(_BOLD.search(font))
    return size, is_bold, bool(flags.value & _FIXED_PITCH) or bool(_MONO.search(font))
