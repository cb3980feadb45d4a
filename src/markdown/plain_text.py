"""Markdown as the text that a search looks at.

Tags, link targets and table rules say nothing about what a passage is about, yet an embedding model averages over
them and BM25 counts them: leaving them out finds more (measured in ``docs/retrieval.md``), and a third of the tokens
of a page with HTML tables need not be paid for. Text without markup stays as it is, to the character.
"""

import html
import re
from collections.abc import Iterator
from functools import lru_cache

from .block import Kind
from .blocks import is_prose
from .encoded import has_data, without_data
from .front_matter import front_matter_length
from .noise import has_noise, without_noise
from .within import scan_piece, words_of

# Elements of HTML that real pages hold. `<your_name>` and `List<String>` are text.
_TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|br|button|caption|center|code|col|colgroup|dd|del|details|dfn|div|dl|dt"
    r"|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|li|link|main|mark|nav|ol|p"
    r"|path|picture|pre|q|s|samp|script|section|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody"
    r"|td|tfoot|th|thead|tr|tt|u|ul|var|video)(?:[\s/][^<>]{0,4000})?>",
    re.IGNORECASE,
)
# Bounded, so that a page of brackets takes no longer than any other. Begun in two ways in place of `!?`, so that where
# it can begin is found by C.
_LINK = re.compile(
    r"(?:!\[|\[)([^\[\]\n]{0,1000})\]\(<?([^()\s<>]{0,2000}(?:\([^()\s]{0,200}\))?)>?(?:\s[^()\n]{0,300})?\)"
)
# As the first reading knew fences: whatever follows the marks, they end one.
_FIRST_FENCE = re.compile(r"[ \t]*(?:[-+*>][ \t]+)*(`{3,}|~{3,})")
_INDENTED_FIRST = re.compile(r"[ \t]*(?: {4}|\t)")
_INDENTED = re.compile(rf"\n[ \t]*\n{_INDENTED_FIRST.pattern}")
# Code in a line, bounded as links are.
_CODE = re.compile(r"(?<!`)(`{1,3})(?!`)[^`\n]{1,1000}(?<!`)\1(?!`)")
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+")
_RULE = frozenset("|:- \t")


def plain_text(markdown: str, *, start: int = 0, within: str = "", lead_in: str = "", link_names: bool = False) -> str:
    """Leave out what is markup.

    Gone are HTML tags and comments, targets of links and images, the rules and bars of tables, marks of emphasis and
    code, and what is meant for the program that renders a page, see `milvus_rag.markdown.noise`. Code blocks are kept
    as they are, without their fences. What a piece stands in is said before it.

    Args:
        markdown: A chunk of a page.
        start: Where in it the Markdown begins, behind titles that are none.
        within: What it stands in, see `milvus_rag.markdown.within`.
        lead_in: What leads to it, which is said before it.
        link_names: Whether the last part of a link's target stays, a file's name mostly.

    Returns:
        Its text; `markdown` itself where there is no markup.
    """
    return _plain_text(markdown, start, within, lead_in, link_names=link_names)


def prose_of(page: str) -> str:
    """The sentences of a page, in their language: without front matter, code (in lines too), addresses and markup."""
    lines = page.split("\n")
    found: list[str] = []
    for kind, own in _read_parts(lines[front_matter_length(lines) :], ""):
        if kind is Kind.TEXT:
            text = "\n".join(own)
            own = _CODE.sub(" ", text).split("\n") if "`" in text else text.split("\n")
            found += _plain_prose(own, link_names=False, version=3)
    text = "\n".join(found)
    return _ADDRESS.sub(" ", text) if "://" in text or "www." in text else text


def reading_version(markdown: str, *, start: int = 0, within: str = "", lead_in: str = "") -> int:
    """The version of `plain_text` since which it reads a chunk as it does now.

    Version 1 knew nothing of indented code and of ``within``, version 2 nothing of noise and of what leads to a piece.
    """
    if lead_in or words_of(within) or _is_noisy(markdown, start, within):
        return 3
    if not is_prose(within):
        return 1 if _first_plain_text(markdown) == _plain_text(markdown, start, within, version=2) else 2
    if not _may_have_indented_code(markdown, max(start - 2, 0)):
        return 1
    code = (own for kind, own in _parts(markdown, start, within) if kind is Kind.CODE)
    return 2 if any(_plain_prose(own, link_names=False, version=2) != ["\n".join(own)] for own in code) else 1


def _may_have_indented_code(markdown: str, start: int) -> bool:
    if "    " not in markdown and "\t" not in markdown:
        return False
    return (not start and _INDENTED_FIRST.match(markdown) is not None) or _INDENTED.search(markdown, start) is not None


def _first_plain_text(markdown: str) -> str:
    """What version 0.1 made of a chunk: by it is known whether the vector that it stored is still the right one."""
    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in _without_comments(markdown).split("\n"):
        mark = _FIRST_FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            else:
                parts.append(line)
        elif mark and "`" not in line[mark.end() :]:
            parts += _plain_prose(prose, link_names=False, version=2)
            prose = []
            fence = mark[1]
        else:
            prose.append(line)
    return "\n".join([*parts, *_plain_prose(prose, link_names=False, version=2)])


# A chunk is asked for its version, for what is embedded and for its terms, hundreds of others between.
@lru_cache(maxsize=4_096)
def _is_noisy(markdown: str, start: int, within: str) -> bool:
    """Whether there is anything in a chunk that `plain_text` takes for noise."""
    if not has_noise(markdown[start:] if start else markdown):
        return False
    if not within and is_prose(markdown):
        return without_noise(markdown) != markdown
    for kind, own in _parts(markdown, start, within):
        text = "\n".join(own)
        if kind is not Kind.PREFORMATTED and (without_noise(text) != text if kind is Kind.TEXT else has_data(text)):
            return True
    return False


def _plain_text(
    markdown: str, start: int, within: str, lead_in: str = "", *, link_names: bool = False, version: int = 3
) -> str:
    said = [text for text in (lead_in, "" if lead_in else words_of(within)) if text and version > 2]
    if version > 2 and not said and not _is_noisy(markdown, start, within):
        # Looked for once, and not in each part.
        version = 2
    if not within and not lead_in and is_prose(markdown):
        return "\n".join(_plain_prose([markdown], link_names=link_names, version=version))
    titles = markdown[: max(start - 1, 0)].split("\n") if start else []
    found = _plain_prose(titles, link_names=link_names, version=2)
    found += _plain_prose(said, link_names=link_names, version=version)
    for kind, own in _parts(markdown, start, within):
        if kind is Kind.TEXT:
            found += _plain_prose(own, link_names=link_names, version=version)
        elif kind is Kind.PREFORMATTED:
            found.append(_unescaped(_without_tags("\n".join(own))))
        else:
            found += _code(own, version)
    return "\n".join(found)


# As above. The whole chunk is the key, since its hash is made once.
@lru_cache(maxsize=4_096)
def _parts(markdown: str, start: int, within: str) -> tuple[tuple[Kind, list[str]], ...]:
    """Prose, preformatted HTML and the lines of code, in order; tables and what is behind comments are prose."""
    return tuple(_read_parts(markdown[start:].split("\n"), within))


def _read_parts(lines: list[str], within: str) -> Iterator[tuple[Kind, list[str]]]:
    prose: list[str] = []
    at = 0
    for block in scan_piece(lines, within):
        prose += lines[at : block.start]
        at = block.end
        own = lines[block.start : block.end]
        if block.is_code or block.kind is Kind.PREFORMATTED:
            yield Kind.TEXT, prose
            prose = []
            yield block.kind, lines[block.code] if block.is_code else own
        elif block.kind is Kind.TABLE:
            prose += [line.replace("|", " ") for line in own if not _is_rule(line)]
        elif block.kind is Kind.COMMENT:
            prose.append(_behind_comments("\n".join(own), goes_on=block.goes_on))
        else:
            prose += own
    yield Kind.TEXT, [*prose, *lines[at:]]


def _code(lines: list[str], version: int) -> list[str]:
    if version < 3 or not has_data(text := "\n".join(lines)):
        return lines
    return [without_data(text)]


def _plain_prose(lines: list[str], *, link_names: bool, version: int) -> list[str]:
    """Lines outside of code blocks."""
    text = "\n".join(lines)
    if version > 2 and (quiet := without_noise(text)) != text:
        text = quiet
        lines = text.split("\n")
    if "--" in text:
        lines = [line for line in _without_comments(text).split("\n") if not _is_rule(line)]
        text = "\n".join(lines)
    if not lines:
        return []
    if "|" in text:
        # A row is meant for one, also where the table that it should be in is none.
        text = "\n".join(line.replace("|", " ") if line.lstrip().startswith("|") else line for line in lines)
    replace = _text_and_name if link_names else _text_only
    # Twice: an image may be the text of a link.
    for _ in range(2):
        text = _LINK.sub(replace, text) if "](" in text else text
    return [_unescaped(_without_tags(text).replace("**", "").replace("`", ""))]


def _without_tags(text: str) -> str:
    return _TAG.sub(" ", text) if "<" in text else text


def _unescaped(text: str) -> str:
    return html.unescape(text) if "&" in text else text


def _is_rule(line: str) -> bool:
    return "--" in line and _RULE.issuperset(line)


def _text_only(link: re.Match[str]) -> str:
    return link[1]


def _text_and_name(link: re.Match[str]) -> str:
    name = link[2].partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2]
    return f"{link[1]} {name}" if name else link[1]


def _without_comments(text: str) -> str:
    start = text.find("<!--")
    if start < 0:
        return text
    parts: list[str] = []
    end = 0
    while start >= 0 and (close := text.find("-->", start)) >= 0:
        parts.append(text[end:start])
        end = close + 3
        start = text.find("<!--", end)
    return "".join([*parts, text[end:]])


def _behind_comments(text: str, *, goes_on: bool) -> str:
    """What is left of a block that begins with a comment; all of one that is opened here and closed nowhere."""
    if not goes_on:
        return _without_comments(text)
    return _without_comments(f"<!--{text}") if "-->" in text else ""
