"""Word documents as Markdown, by mammoth: headings, lists, tables, notes."""

import io
import re

from ...errors import UnreadableFileError
from ..text_places import Converted
from .pages import fragment_as_markdown
from .zipped import ZippedXml

_STYLES = """
p[style-name='Title'] => p.title:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='Source Code'] => pre:separator('\\n')
p[style-name='HTML Preformatted'] => pre:separator('\\n')
p[style-name='Code'] => pre:separator('\\n')
r[style-name='Verbatim Char'] => code
"""
_TITLE = re.compile(r'<p class="title">(.*?)</p>', re.DOTALL)
_HEADING = re.compile(r"<(/?)h([1-5])>")
# What Word calls a document by itself.
_UNTITLED = re.compile(r"(?:word document|document\d*|untitled.*)?", re.IGNORECASE)


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of a .docx. Pages are made where it is printed, so places are headings only.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no Word document, or damaged.
    """
    import mammoth

    parts = ZippedXml(content, shown)
    if "word/document.xml" not in parts.names:
        raise UnreadableFileError(f"{shown} is no Word document. Save it anew as .docx.")
    # Pictures are left out: a writer of data URIs would put them into the text.
    html = mammoth.convert_to_html(
        io.BytesIO(content), style_map=_STYLES, convert_image=mammoth.images.img_element(lambda _: {"src": ""})
    ).value
    title = parts.title()
    return Converted(fragment_as_markdown(_below_title(html)), [(0, {})], "" if _UNTITLED.fullmatch(title) else title)


def _below_title(html: str) -> str:
    """A title as the one heading of level 1, and what the document calls level 1 below it."""
    titles = _TITLE.findall(html)
    if len(titles) != 1:
        return _TITLE.sub(r"<h1>\1</h1>", html)
    lower = _HEADING.sub(lambda found: f"<{found[1]}h{int(found[2]) + 1}>", html)
    return _TITLE.sub(r"<h1>\1</h1>", lower)
