"""Markdown as the text that a search looks at.

Tags, link targets and table rules say nothing about what a passage is about, yet an embedding model averages over
them and BM25 counts them: leaving them out finds more (measured in ``docs/retrieval.md``), and a third of the tokens
of a page with HTML tables need not be paid for. Text without markup stays as it is, to the character.
"""

import html
import re

# Elements of HTML that real pages hold. `<your_name>` and `List<String>` are text.
_TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|br|button|caption|center|code|col|colgroup|dd|del|details|dfn|div|dl|dt"
    r"|em|figcaption|figure|font|footer|h[1-6]|header|hr|i|iframe|img|input|ins|kbd|label|li|link|main|mark|nav|ol|p"
    r"|path|picture|pre|q|s|samp|script|section|small|source|span|strike|strong|style|sub|summary|sup|svg|table|tbody"
    r"|td|tfoot|th|thead|tr|tt|u|ul|var|video)(?:[\s/][^<>]{0,4000})?>",
    re.IGNORECASE,
)
# Bounded, so that a page of brackets takes no longer than any other.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,1000})\]\(<?([^()\s<>]{0,2000}(?:\([^()\s]{0,200}\))?)>?(?:\s[^()\n]{0,300})?\)")
_FENCE = re.compile(r"[ \t]*(?:[-+*>][ \t]+)*(`{3,}|~{3,})")
_RULE = frozenset("|:- \t")


def plain_text(markdown: str, *, link_names: bool = False) -> str:
    """Leave out what is markup.

    Gone are HTML tags and comments, targets of links and images, the rules and bars of tables, marks of emphasis and
    code. Code blocks are kept as they are, without their fences.

    Args:
        markdown: A chunk of a page.
        link_names: Whether the last part of a link's target stays, a file's name mostly.

    Returns:
        Its text; `markdown` itself where there is no markup.
    """
    parts: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in _without_comments(markdown).split("\n"):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
            else:
                parts.append(line)
        elif mark and "`" not in line[mark.end() :]:
            parts += _plain_lines(prose, link_names=link_names)
            prose = []
            fence = mark[1]
        else:
            prose.append(line)
    return "\n".join([*parts, *_plain_lines(prose, link_names=link_names)])


def _plain_lines(lines: list[str], *, link_names: bool) -> list[str]:
    """Lines outside of code blocks."""
    kept = [line for line in lines if not _is_rule(line)]
    if not kept:
        return []
    text = "\n".join(_without_bars(line) for line in kept)
    replace = _text_and_name if link_names else _text_only
    # Twice: an image may be the text of a link.
    text = _LINK.sub(replace, _LINK.sub(replace, text)) if "](" in text else text
    if "<" in text:
        text = _TAG.sub(" ", text)
    text = text.replace("**", "").replace("`", "")
    return [html.unescape(text) if "&" in text else text]


def _is_rule(line: str) -> bool:
    return "--" in line and _RULE.issuperset(line)


def _without_bars(line: str) -> str:
    return line.replace("|", " ") if line.lstrip().startswith("|") else line


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
