"""The text of a heading, free of the marks around it."""

import re

_ATTRIBUTES = re.compile(r"\{:?\s*[#.][^{}]*\}$")
_CLOSING_MARKS = re.compile(r"(?:^|(?<=[ \t]))#+$")
# A fixed list, since <String> in a heading is a type and not a tag.
_INLINE_TAG = re.compile(
    r"</?(?:a|abbr|b|big|br|code|del|em|font|i|img|ins|kbd|mark|s|small|span|strong|sub|sup|u)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_COMMENT = re.compile("<!--.*?-->", re.DOTALL)
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()]*\)")
# A heading ends with an anchor and with closing marks, in either order; a line of nothing else is cut no further.
_MOST_ENDINGS = 8
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
    text = bare = without_endings(marked)
    # Up to the last end of a comment each of them ends: none is looked for in vain.
    end = text.rfind("-->") + len("-->")
    text = _COMMENT.sub("", text[:end]) + text[end:]
    text = _ESCAPE.sub(r"\1", _LINK.sub(r"\1", _INLINE_TAG.sub("", text)))
    return " ".join(text.split()) or " ".join(bare.split())


def without_endings(marked: str) -> str:
    """What follows the opening marks, without the closing ones and anchors."""
    text = marked.strip()
    for _ in range(_MOST_ENDINGS):
        text = _ATTRIBUTES.sub("", _CLOSING_MARKS.sub("", text)).rstrip()
    return text
