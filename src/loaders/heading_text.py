"""The text of a heading, free of the marks around it."""

import re

_ATTRIBUTES = re.compile(r"\{:?\s*[#.][^{}]*\}$")
_CLOSING_MARKS = re.compile(r"(?:^|(?<=[ \t]))#+$")
# A fixed list, since <String> in a heading is a type and not a tag.
_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|del|em|font|i|img|ins|kbd|mark|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>"
    r"|<!--(?:[^-]|-(?!->))*-->",
    re.IGNORECASE,
)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def heading_text(marked: str) -> str:
    """Strip a heading's markup.

    Closing ``##``, anchors (``{#id}``, ``{: .class}``), inline tags and the addresses of links and images go;
    emphasis and code marks stay. A text that consists of markup alone is kept as it is.

    Args:
        marked: What follows the opening ``#`` marks, or the lines above a setext underline.

    Returns:
        One line of text with single blanks.
    """
    text = marked.strip()
    while (bare := _ATTRIBUTES.sub("", _CLOSING_MARKS.sub("", text)).rstrip()) != text:
        text = bare
    text = _ESCAPE.sub(r"\1", _LINK.sub(r"\1", _INLINE_TAG.sub("", text)))
    return " ".join(text.split()) or " ".join(bare.split())
