"""reStructuredText as Markdown, a line for a line, so that lines of chunks are lines of the file.

What matters for finding and reading is turned: titles, code, notes, links, literal text. All else stays as it is.
https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html
"""

import re

from ..markdown.lines import indent_of
from .decoding import decode
from .text_places import Converted

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1*")
_CODE = re.compile(r"(\s*)\.\. (?:code-block|code|sourcecode|highlight|parsed-literal|prompt)::[ \t]*([\w+-]*).*")
_DIRECTIVE = re.compile(r"(\s*)\.\. ([\w:-]+)::[ \t]*(.*)")
_OPTION = re.compile(r"\s+:[\w-]+:(?:\s.*)?")
_COMMENT_OR_TARGET = re.compile(r"\s*\.\. (?:_.*:|\[.*\]|\|.*\|).*|\s*\.\.\s*")
_LINK = re.compile(r"`([^`<>]+?)\s*<([^`<>\s]+)>`__?")
_ROLE = re.compile(r":[\w:.+-]+:`([^`]+)`")
_LITERAL = re.compile(r"``([^`]+)``")
# Directives whose argument is the name of a file, or nothing that anybody reads.
_SILENT = frozenset({"toctree", "contents", "image", "only", "raw", "index", "module", "currentmodule", "rst-class"})


def restructured_as_markdown(content: bytes, shown: str) -> Converted:
    """Make Markdown of reStructuredText.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no text.
    """
    lines = [line.expandtabs(8).rstrip() for line in decode(content, shown).split("\n")]
    return Converted("\n".join(_fences(_titles(lines))))


def _titles(lines: list[str]) -> list[str]:
    """Underlined titles as headings; their levels are given by the order in which their lines first appear."""
    levels: list[tuple[str, bool]] = []
    found = list(lines)
    for at, line in enumerate(lines[1:], start=1):
        title = lines[at - 1]
        if not title.strip() or len(line) < 3 or not _ADORNMENT.fullmatch(line) or _ADORNMENT.fullmatch(title.strip()):
            continue
        has_overline = at > 1 and lines[at - 2] == line
        if (title[0] == " " and not has_overline) or len(line) < len(title.rstrip()) - 2:
            continue
        if at > 1 and not has_overline and lines[at - 2].strip():
            continue
        style = (line[0], has_overline)
        if style not in levels:
            levels.append(style)
        found[at - 1] = f"{'#' * min(levels.index(style) + 1, 6)} {title.strip()}"
        found[at] = ""
        if has_overline:
            found[at - 2] = ""
    return found


def _fences(lines: list[str]) -> list[str]:
    """Code in fences: its directive opens one, or the blank line before it, and the blank line behind it closes it."""
    found: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        code = _CODE.fullmatch(line)
        if code or (line.endswith("::") and not _DIRECTIVE.fullmatch(line)):
            end = _block_end(lines, at)
            first = at + 1
            while first < end and (not lines[first].strip() or _OPTION.fullmatch(lines[first])):
                first += 1
            last = max((own for own in range(first, end) if lines[own].strip()), default=at)
            # Without a blank line before and behind it there is no room for a fence.
            if last > first - 1 > at and not lines[first - 1].strip() and (last + 1 < end or end == len(lines)):
                opening = f"```{code[2]}" if code else "```"
                found.append(opening if code else _turned(line.removesuffix(":") if line.strip() != "::" else ""))
                found += [""] * (first - at - 2)
                found.append("" if code else opening)
                margin = min(indent_of(lines[own]) for own in range(first, last + 1) if lines[own].strip())
                found += [lines[own][margin:] for own in range(first, last + 1)]
                found += ["```", *[""] * (end - last - 2)]
                at = end
                continue
        found.append(_turned(line))
        at += 1
    return found


def _block_end(lines: list[str], at: int) -> int:
    margin = indent_of(lines[at]) if lines[at] else 0
    end = at + 1
    while end < len(lines) and (not lines[end].strip() or indent_of(lines[end]) > margin):
        end += 1
    return end


def _turned(line: str) -> str:
    directive = _DIRECTIVE.fullmatch(line)
    if directive:
        margin, name, argument = directive.groups()
        if name in _SILENT:
            return ""
        return f"{margin}{argument or name.replace('-', ' ').capitalize()}"
    if _COMMENT_OR_TARGET.fullmatch(line) or _OPTION.fullmatch(line):
        return ""
    if "`" not in line:
        return line
    line = _ROLE.sub(lambda role: f"`{role[1].rpartition('<')[0].strip() or role[1]}`", _LINK.sub(r"[\1](\2)", line))
    return _LITERAL.sub(r"`\1`", line)
