"""What a single line of Markdown can begin, whatever stands around it."""

import re
from collections.abc import Iterator

# The bullet is what word processors write.
BULLETS = "-+*\u2022"
_MARKER = re.compile(rf"(?:[{BULLETS}]|\d{{1,9}}[.)])(?= |$)")
_BLANKS = re.compile(" *")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
_RAW_HTML = re.compile(r"<(?:pre|script|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
_RAW_STARTS = frozenset({"pr", "sc", "st", "te"})
_RAW_HTML_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_HTML_BLOCK = re.compile(
    r"</?(?:address|article|aside|blockquote|body|center|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure"
    r"|footer|form|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|ol|option|p|section|summary|table"
    r"|tbody|td|tfoot|th|thead|title|tr|ul)(?:[\s/>]|$)|<[!?]",
    re.IGNORECASE,
)
_CONTAINER = re.compile(r"(?:!!!|\?\?\?\+?)[ \t]+[\w\u2026]|===[!+]?[ \t]+[\"\u2026]")
_TAG_ALONE = re.compile(r"</?[A-Za-z][^<>]*>$")


def indent_of(line: str) -> int:
    """Columns before the first character that is no blank; a tab goes to the next multiple of four."""
    rest = line.lstrip(" ")
    if not rest.startswith("\t"):
        return len(line) - len(rest)
    return len(line[: len(line) - len(line.lstrip(" \t"))].expandtabs(4))


def heading_level(body: str) -> int:
    """How many marks open a heading, 0 for a line that is none. Underlined headings are not known by one line."""
    level = len(body) - len(body.lstrip("#"))
    return 0 if level > 6 or body[level : level + 1].strip() else level


def is_thematic_break(body: str) -> bool:
    """Whether a line is a rule."""
    return body.count(body[0]) >= 3 and not body.strip(body[0] + " \t")


def is_delimiter_row(body: str) -> bool:
    """Whether a line is what stands between the header and the rows of a table."""
    return "|" in body and _DELIMITER_ROW.fullmatch(body) is not None


def fence_marks(body: str) -> str:
    """The marks that open a fence, empty for a line that opens none."""
    mark = body[0]
    length = len(body) - len(body.lstrip(mark)) if mark in "`~" else 0
    return "" if length < 3 or (mark == "`" and "`" in body[length:]) else mark * length


def closes_fence(line: str, marks: str, column: int) -> bool:
    """Whether a line closes a fence that was opened with some marks at a column."""
    body = line.strip()
    return body.startswith(marks) and not body.strip(marks[0]) and indent_of(line) < column + 4


def is_example(opening: str, marks: str) -> bool:
    """Whether a line opens a fence that shows Markdown."""
    return opening.strip().lstrip(marks[0]).strip(" {.").lower().startswith(("md", "markdown", "mkd", "rmd", "qmd"))


def item_columns(flat: str, start: int) -> Iterator[tuple[int, int]]:
    """The list items that a line begins, one inside of the other.

    Args:
        flat: The line, with blanks for tabs.
        start: Where its first character stands.

    Yields:
        Of each where its marker ends and where its text begins, which is the column that the following lines of it are
        indented to.
    """
    if not _MARKER.match(flat, start):
        return
    # What ends as a rule does begins no further items. Looked for once, so that a line of markers takes linear time.
    tail = flat.rstrip()
    rule = len(tail.rstrip(f"{tail[-1]} ")) if tail[-1] in "-_*" else len(flat)
    while marker := _MARKER.match(flat, start):
        end = marker.end()
        blanks = _BLANKS.match(flat, end)
        rest = blanks.end() if blanks else end
        if rest == len(flat):
            yield end, end + 1
            return
        yield end, rest if rest - end < 5 else end + 1
        if rest - end > 4 or (rest >= rule and flat.count(tail[-1], rest) > 2):
            return
        start = rest


def is_raw_html(body: str) -> bool:
    """Whether a line opens HTML whose text is no Markdown, up to where it is closed."""
    start = body[1:3].lower()
    return (start in _RAW_STARTS or not start.isascii()) and _RAW_HTML.match(body) is not None


def ends_raw_html(line: str) -> bool:
    """Whether a line closes such HTML."""
    return _RAW_HTML_END.search(line) is not None


def is_html(body: str) -> bool:
    """Whether a line begins a block of HTML, also in the middle of a paragraph."""
    return body[0] == "<" and _HTML_BLOCK.match(body) is not None


def is_tag(body: str) -> bool:
    """Whether a line is a tag and nothing else."""
    return body[0] == "<" and _TAG_ALONE.match(body) is not None


def opens_container(body: str) -> bool:
    """Whether a line opens an admonition or a tab, whose content is indented by four."""
    return _CONTAINER.match(body) is not None


def opens_comment(line: str) -> bool:
    """Whether a line opens a comment that it does not close."""
    start = line.rfind("<!--")
    return start >= 0 and line.find("-->", start + 2) < 0
