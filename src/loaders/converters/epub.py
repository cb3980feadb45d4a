"""Books (EPUB) as Markdown: the parts of its spine in reading order."""

from collections.abc import Iterator, Mapping

from ...errors import UnreadableFileError
from ..text_places import Converted
from .pages import fragment_as_markdown
from .zipped import Element, ZippedXml, local_name, resolved

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = ("application/xhtml+xml", "text/html")


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of an EPUB; places are the parts of its spine, from 1.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no EPUB, damaged, or protected against copying.
    """
    parts = ZippedXml(content, shown)
    if _CONTAINER not in parts.names:
        raise UnreadableFileError(f"{shown} is no EPUB: it has no {_CONTAINER}.")
    roots = [_decoded(element.get("full-path")) for element in _named(parts.xml(_CONTAINER), "rootfile")]
    if not roots:
        raise UnreadableFileError(f"{shown} is no EPUB: it does not say where it begins.")
    package = parts.xml(roots[0])
    items = {item.get("id", ""): item for item in _named(package, "item")}
    locked = _encrypted(parts)
    title = next((" ".join((element.text or "").split()) for element in _named(package, "title")), "")
    lines: list[str] = []
    places: list[tuple[int, Mapping[str, int | str]]] = []
    for number, reference in enumerate(_named(package, "itemref"), start=1):
        item = items.get(reference.get("idref", ""))
        if item is None or item.get("media-type") not in _PAGES or "nav" in item.get("properties", "").split():
            continue
        name = resolved(roots[0], item.get("href", ""))
        if name in locked:
            raise UnreadableFileError(f"{shown} is protected against copying (DRM). Get one that is not.")
        text = fragment_as_markdown(_body(parts.read(name).decode("utf-8-sig", "replace")))
        if text.strip():
            places.append((len(lines), {"part": number}))
            lines += [*text.split("\n"), ""]
    return Converted("\n".join(lines), places, title)


def _named(root: Element, name: str) -> Iterator[Element]:
    return (element for element in root.iter() if local_name(element) == name)


def _encrypted(parts: ZippedXml) -> frozenset[str]:
    """What is encrypted; of fonts that is usual."""
    if _ENCRYPTION not in parts.names:
        return frozenset()
    return frozenset(_decoded(element.get("URI")) for element in _named(parts.xml(_ENCRYPTION), "CipherReference"))


def _decoded(path: str | None) -> str:
    return resolved("", path or "")


def _body(html: str) -> str:
    """A part without its head, whose title is no text."""
    at = html.find("<body")
    return html[at:] if at >= 0 else html
