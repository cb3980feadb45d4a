r"""What Markdown holds for the program that renders it, and not for a reader.

Of lines that are no code: the data of pictures and other encoded runs, the targets of link definitions, MDX's imports,
exports, expressions and component tags, templates' shortcodes, the marks of admonitions and tabs, notes to oneself in
``%%``, the brackets of wiki links, and the marks of quotes. What is between two tags or shortcodes stays, and so do
titles, labels and captions that are given to them, and the names of files that are included.
"""

import re

from .encoded import has_data, without_data

# A text has to have one of these for `without_noise` to change it; it is quickly seen that it has none, as most have
# few of the characters that they are looked for by.
_SIGNS = {
    ":": ("data:", "]:", ":::"),
    "{": ("{/*", "{{", "{%"),
    "[": ("[[", "[!", "[^"),
    "!": ("!!!",),
    "?": ("???",),
    "=": ("==",),
    "%": ("%%",),
    "<": ("8<",),
    "^": (" ^",),
}
# Behind a line feed, which is found sooner than the beginning of a line.
_QUOTE_SIGN = re.compile(r"\n[ \t]*>")
_TAG_SIGN = re.compile(r"</?[A-Z>]")
_PROGRAM_SIGN = re.compile(r"^(?:import|export)\s", re.MULTILINE)
_DEFINITION = re.compile(
    r"^[ \t]*\[(?!\^)[^\[\]\n]{1,300}\]:[ \t]*<?\S{1,2000}>?"
    r"(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*$",
    re.MULTILINE,
)
_FOOTNOTE = re.compile(r"^([ \t]*)\[\^[^\[\]\n]{1,100}\]:[ \t]*", re.MULTILINE)
_FOOTNOTE_MARK = re.compile(r"\[\^[^\[\]\s]{1,100}\]")
_IMPORT = re.compile(
    r"^(?:import\s+(?:[\w*{][^\n]{0,500}?\sfrom\s+)?['\"][^'\"\n]+['\"];?"
    r"|export\s+(?:default\b|const\b|let\b|var\b|function\b|\{|\*)[^\n]*)[ \t]*$",
    re.MULTILINE,
)
_EXPORT_BLOCK = re.compile(
    r"^export\s+(?:default\s+)?(?:const|let|var|function|async)\b[^\n]*[{\[(]\n(?:[^\n]+\n)*?[}\])]+;?[ \t]*$",
    re.MULTILINE,
)
_EXPRESSION_COMMENT = re.compile(r"\{/\*[^*]{0,4000}(?:\*(?!/)[^*]{0,4000}){0,50}\*/\}")
# Attributes may hold braces, one in another, and arrows.
_BRACED = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}\}){0,2000}\}"
_ATTRIBUTE = rf"\s+[\w:-]+(?:=(?:\"[^\"]{{0,2000}}\"|'[^']{{0,2000}}'|{_BRACED}))?"
_COMPONENT = re.compile(rf"(</?)([A-Z][\w.]*)((?:{_ATTRIBUTE})*)\s*(/?)>|^[ \t]*</?>[ \t]*$", re.MULTILINE)
_SHORTCODE = re.compile(r"\{\{[<%]\s*/?\s*([\w/.-]*)((?:[^{}%>]|%(?!\})|>(?!\}))*?)/?\s*[%>]\}\}")
_TEMPLATE = re.compile(r"\{%-?\s*(\w+)((?:[^{}%]|%(?!\}))*?)-?%\}")
_RAW = re.compile(r"\{%-?\s*(?:end)?(?:raw|comment|highlight\w*)\b[^%]{0,200}%\}")
# What of the parameters of a component, shortcode or directive a reader sees, or what is included.
_SHOWN = re.compile(
    r"""\b(?:title|label|summary|caption|alt|heading|header|description|text|name|file|src|path)\s*=\s*(?:"([^"\n]{1,400})"|'([^'\n]{1,400})')"""
)
_BARE = re.compile(r"""^\s*(?:"([^"\n]{1,400})"|([\w./-]+\.\w{1,8}))""")
_INCLUDE = re.compile(r"\{\{\s*#\w+\s+([^{}\n]{1,400})\}\}|^[ \t]*-+8<-+[ \t]*\"?([^\"\n]*)\"?[ \t]*$", re.MULTILINE)
_CONTAINER = re.compile(
    r"^[ \t]*:{3,}[ \t]*(?:\{?[\w-]*\}?)?[ \t]*(?:\[([^\[\]\n]*)\]|([^\n]*?))(?:\{[^{}\n]*\})?[ \t]*$",
    re.MULTILINE,
)
_ADMONITION = re.compile(r"^([ \t]*)(?:!!!|\?\?\?\+?)[ \t]+([\w -]*?)[ \t]*(?:\"([^\"\n]*)\")?[ \t]*$", re.MULTILINE)
_TAB = re.compile(r"^([ \t]*)===[!+]?[ \t]+\"([^\"\n]*)\"[ \t]*$", re.MULTILINE)
_NOTE = re.compile(r"%%[^%\n]{0,2000}%%|^[ \t]*%%[ \t]*\n(?:(?![ \t]*%%)[^\n]*\n){0,200}?[ \t]*%%[ \t]*$", re.MULTILINE)
_WIKI_LINK = re.compile(r"(!?)\[\[([^\[\]|\n]{1,500})(?:\|([^\[\]\n]{0,500}))?\]\]")
_SIZE = re.compile(r"\d+(?:x\d+)?")
_CALLOUT = re.compile(r"\[!([\w-]{1,40})(?:\|[^\[\]\n]*)?\][+-]?")
_MARKED = re.compile(r"==(?=[^\s=])([^=\n]{1,1000}?)(?<=[^\s=])==")
_BLOCK_ID = re.compile(r"[ \t]+\^[A-Za-z0-9-]+[ \t]*$", re.MULTILINE)
_QUOTE = re.compile(r"^[ \t]*(?:>[ \t]?)+", re.MULTILINE)
# Between these a line is what it says, whatever is in it.
_CODE_SPAN = re.compile(r"(`+)[^`]+\1(?!`)")


def has_noise(text: str) -> bool:
    """Whether there may be any."""
    for character, signs in _SIGNS.items():
        if character in text:
            for sign in signs:
                if sign in text:
                    return True
    return (
        (">" in text and (_QUOTE_SIGN.search(text) is not None or text.lstrip(" \t").startswith(">")))
        or ("<" in text and _TAG_SIGN.search(text) is not None)
        or ("port " in text and _PROGRAM_SIGN.search(text) is not None)
        or has_data(text)
    )


def without_noise(text: str) -> str:
    """A text that holds no blocks of code, without its noise; code spans stay as they are.

    Args:
        text: Lines of Markdown.

    Returns:
        As many words of it as a reader sees; the text itself where all of it is for readers.
    """
    if not has_noise(text):
        return text
    text = without_data(text)
    spans: list[str] = []
    if "`" in text and "\ue000" not in text:

        def keep(span: re.Match[str]) -> str:
            spans.append(span[0])
            return f"\ue000{len(spans) - 1}\ue001"

        text = _CODE_SPAN.sub(keep, text)
    text = _without_programs(text)
    text = _without_marks(text)
    for at, span in enumerate(spans):
        text = text.replace(f"\ue000{at}\ue001", span)
    return text


def _without_programs(text: str) -> str:
    """Without what a program runs."""
    if "port " in text:
        text = _IMPORT.sub("", _EXPORT_BLOCK.sub("", text))
    if "{/*" in text:
        text = _EXPRESSION_COMMENT.sub("", text)
    if "{%" in text or "{{" in text:
        text = _INCLUDE.sub(lambda found: found[1] or found[2] or "", _RAW.sub("", text))
        text = _TEMPLATE.sub(_shown, _SHORTCODE.sub(_shown, text))
    elif "8<" in text:
        text = _INCLUDE.sub(lambda found: found[1] or found[2] or "", text)
    if "<" in text:
        text = _COMPONENT.sub(_component, text)
    return text


def _without_marks(text: str) -> str:
    """Without marks of what is around a text."""
    if ">" in text:
        text = _QUOTE.sub("", text)
    if ":::" in text:
        text = _CONTAINER.sub(lambda found: (found[1] or found[2] or "").strip(), text)
    if "!!!" in text or "???" in text:
        text = _ADMONITION.sub(lambda found: f"{found[1]}{found[2] if found[3] is None else found[3]}", text)
    if "==" in text:
        text = _MARKED.sub(r"\1", _TAB.sub(r"\1\2", text))
    if "%%" in text:
        text = _NOTE.sub("", text)
    if "[" in text:
        text = _FOOTNOTE_MARK.sub("", _FOOTNOTE.sub(r"\1", _DEFINITION.sub("", text)))
        text = _CALLOUT.sub(_callout, _WIKI_LINK.sub(_linked, text))
    return _BLOCK_ID.sub("", text) if "^" in text else text


def _component(tag: re.Match[str]) -> str:
    """What is shown of a tag; all of one that may be a type, as in ``List<String>``."""
    opening, name, parameters, closing = tag.groups()
    text = tag.string
    is_alone = not text[text.rfind("\n", 0, tag.start()) + 1 : tag.start()].strip() or opening == "</"
    if name is None:
        return "" if "</>" in text else tag[0]
    if is_alone or parameters or closing or f"</{name}>" in text:
        return _shown_of(parameters or "")
    return tag[0]


def _shown(code: re.Match[str]) -> str:
    name, parameters = code[1] or "", code[2] or ""
    if name in ("raw", "endraw"):
        return ""
    bare = _BARE.match(parameters)
    return (bare[1] or bare[2]) if bare else _shown_of(parameters)


def _shown_of(parameters: str) -> str:
    shown = " ".join(found[1] or found[2] for found in _SHOWN.finditer(parameters))
    return f" {shown} " if shown else ""


def _linked(link: re.Match[str]) -> str:
    target, shown = link[2], link[3]
    if shown and not (link[1] and _SIZE.fullmatch(shown.strip())):
        return shown
    return target.replace("#^", "#").replace("#", " ").strip()


def _callout(mark: re.Match[str]) -> str:
    # Its kind is shown where it has no title of its own.
    rest = mark.string[mark.end() : mark.string.find("\n", mark.end()) % (len(mark.string) + 1)]
    return "" if rest.strip() else mark[1]
