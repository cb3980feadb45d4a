"""Sitemaps (https://www.sitemaps.org/protocol.html): which pages they list, and which further sitemaps."""

import io
import zlib
from collections.abc import Iterator
from xml.etree import ElementTree as ET

_MOST_BYTES = 50 * 2**20
_GZIP = b"\x1f\x8b"
_ROOTS = {"urlset": "url", "sitemapindex": "sitemap"}


class BrokenSitemapError(ValueError):
    """A sitemap that ends before its end, or is none.

    Attributes:
        is_none: Whether it is something else altogether, such as a page for people.
    """

    def __init__(self, message: str, *, is_none: bool = False) -> None:
        super().__init__(message)
        self.is_none = is_none


def read_sitemap(content: bytes) -> Iterator[tuple[str, str]]:
    """Read a sitemap, packed or not.

    Yields:
        ``"url"`` or ``"sitemap"``, and its location.

    Raises:
        BrokenSitemapError: It is damaged; what came before was yielded.
    """
    if content.startswith(_GZIP):
        content = _unpacked(content)
    if b"<!ENTITY" in content:
        raise BrokenSitemapError("it defines entities")
    root = ""
    try:
        for event, element in ET.iterparse(io.BytesIO(content), events=("start", "end")):  # noqa: S314 - no entities
            name = _local(element)
            if not root:
                root = name
                if root not in _ROOTS:
                    raise BrokenSitemapError(f"it is no sitemap but <{root[:40]}>", is_none=True)
            elif event == "end" and name == _ROOTS[root]:
                location = next((child.text for child in element if _local(child) == "loc"), None)
                if location and location.strip():
                    yield name, location.strip()
                element.clear()
    except ET.ParseError as exc:
        raise BrokenSitemapError(str(exc), is_none=not root) from exc


def _local(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _unpacked(content: bytes) -> bytes:
    unpack = zlib.decompressobj(wbits=31)
    try:
        found = unpack.decompress(content, _MOST_BYTES)
    except zlib.error as exc:
        raise BrokenSitemapError(f"it cannot be unpacked: {exc}") from exc
    if not unpack.eof:
        raise BrokenSitemapError(f"it is cut off, or unpacks to more than {_MOST_BYTES:,} bytes")
    return found
