"""The text of a heading, free of the marks around and inside it."""

import re

# Attributes of Pandoc and kramdown; Python-Markdown's may be a bare word too, with blanks inside of the braces, where
# `{id}` is a part of what it stands in.
_ATTRIBUTES = re.compile(
    r"\{:?\s*[#.][^{}]*\}$|(?<=\s)\{:?\s*(?:[\w-]+=(?:\"[^\"{}]*\"|'[^'{}]*'|[^\s{}]+)\s*)(?:[^{}]*)\}$"
    r"|(?<=\s)\{ +[a-zA-Z][\w-]*(?: +[a-zA-Z][\w-]*)* +\}$"
)
# What Obsidian's links to a block lead to, and what MDX has for anchors.
_ANCHOR = re.compile(r"(?<=\s)(?:\^[A-Za-z0-9-]+|\{/\*[^*]*\*/\})$")
_CLOSING_MARKS = re.compile(r"(?:^|(?<=[ \t]))#+$")
# A fixed list, since <String> in a heading is a type and not a tag.
_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|del|em|font|i|img|ins|kbd|mark|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_SHORTCODE = re.compile(r"\{\{[<%][^{}]*[%>]\}\}")
_ICON = re.compile(r":(?:material|octicons|fontawesome|simple)-[\w-]+:")
_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])")
_WIKI_LINK = re.compile(r"!?\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
# A heading ends with an anchor and with closing marks, in either order; a line of nothing else is cut no further.
_MOST_ENDINGS = 8
# What is kept to the character: code, and what a backslash stands before.
_LITERAL = re.compile(r"(`+)([^`]+)\1(?!`)|\\([!-/:-@\[-`{-~])")
# By a mark that a text has to have.
_EMPHASIS = {
    "*": re.compile(r"\*{1,3}(?=[^\s*])([^*]+)(?<=[^\s*])\*{1,3}"),
    "_": re.compile(r"(?<!\w)_{1,3}(?=[^\s_])([^_]+)(?<=[^\s_])_{1,3}(?!\w)"),
    "~~": re.compile(r"~~(?=[^\s~])([^~]+)~~"),
    "==": re.compile(r"==(?=[^\s=])([^=]+)=="),
}
_PLACEHOLDER = 0xE000


def heading_text(marked: str) -> str:
    """Strip a heading's markup.

    Closing ``##``, anchors (``{#id}``, ``{: .class}``, ``{ hidden }``), inline tags, templates' shortcodes, the
    addresses of links and images, and the marks of emphasis and code go. A text that consists of markup alone is kept
    as it is.

    Args:
        marked: What follows the opening ``#`` marks, or the lines above a setext underline.

    Returns:
        One line of text with single blanks.
    """
    text = bare = without_endings(marked)
    if "<!--" in text:
        # Up to the last end of a comment each of them ends: none is looked for in vain.
        end = text.rfind("-->") + len("-->")
        text = _COMMENT.sub("", text[:end]) + text[end:]
    if not text.replace(" ", "").isalnum():
        text = _without_marks(text)
    return " ".join(text.split()) or " ".join(bare.split())


def without_endings(marked: str) -> str:
    """What follows the opening marks, without the closing ones and anchors."""
    text = marked.strip()
    for _ in range(_MOST_ENDINGS):
        if text[-1:] not in ("#", "}") and "^" not in text:
            break
        text = _ANCHOR.sub("", _ATTRIBUTES.sub("", _CLOSING_MARKS.sub("", text))).rstrip()
    return text


def _without_marks(text: str) -> str:
    kept: list[str] = []

    def keep(literal: re.Match[str]) -> str:
        kept.append(literal[2] if literal[3] is None else literal[3])
        return chr(_PLACEHOLDER + len(kept) - 1)

    if ("`" in text or "\\" in text) and not any("\ue000" <= character <= "\uf8ff" for character in text):
        text = _LITERAL.sub(keep, text)
    if "<" in text or ":" in text or "{{" in text:
        text = _ICON.sub("", _SHORTCODE.sub("", _INLINE_TAG.sub("", text)))
    if "[" in text:
        text = _LINK.sub(r"\1", _WIKI_LINK.sub(r"\1", text))
    for mark, emphasis in _EMPHASIS.items():
        if mark in text:
            text = emphasis.sub(r"\1", text)
    for at, literal in enumerate(kept):
        text = text.replace(chr(_PLACEHOLDER + at), literal)
    return text
