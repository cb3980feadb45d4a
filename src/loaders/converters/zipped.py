"""Formats that are XML in a zip: what they may unpack to, and how their parts are read."""

import io
import posixpath
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from ...errors import UnreadableFileError

_MOST_UNPACKED = 512 * 2**20
# Text and XML seldom pack to less than a fiftieth; zeros pack to a thousandth.
_MOST_RATIO = 200
_SMALL = 20 * 2**20
_RELATIONS = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_TITLE = "{http://purl.org/dc/elements/1.1/}title"

Element = ET.Element


class ZippedXml:
    """The parts of a zip, read with a limit.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no zip, is encrypted, or unpacks to far more than a document does.
    """

    def __init__(self, content: bytes, shown: str) -> None:
        self._shown = shown
        if content.startswith(b"\xd0\xcf\x11\xe0"):
            raise UnreadableFileError(f"{shown} has a password, or is of Office 2003 or before. Save it anew without.")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as exc:
            raise UnreadableFileError(f"{shown} cannot be opened: {exc}. Is it complete? Get or save it anew.") from exc
        infos = self._zip.infolist()
        unpacked = sum(info.file_size for info in infos)
        if unpacked > _MOST_UNPACKED or (unpacked > _SMALL and unpacked > _MOST_RATIO * len(content)):
            raise UnreadableFileError(
                f"{shown} has {len(content):,} bytes and unpacks to {unpacked:,}, as no document does. It is left out."
            )
        if any(info.flag_bits & 1 for info in infos):
            raise UnreadableFileError(f"{shown} is encrypted. Save it without a password.")
        self.names = frozenset(info.filename for info in infos)

    def read(self, name: str) -> bytes:
        """The content of a part.

        Raises:
            UnreadableFileError: It is not there, or damaged.
        """
        try:
            return self._zip.read(name)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
            raise UnreadableFileError(f"{self._shown} is damaged: {name}: {exc}. Get or save it anew.") from exc

    def xml(self, name: str) -> Element:
        """A part that is XML. Expat refuses entities that grow.

        Raises:
            UnreadableFileError: It is not there, or no XML.
        """
        try:
            return ET.fromstring(self.read(name))  # noqa: S314 - expat 2.4.1 and later limits what entities make
        except ET.ParseError as exc:
            raise UnreadableFileError(f"{self._shown} is damaged: {name}: {exc}. Get or save it anew.") from exc

    def related(self, name: str) -> Mapping[str, tuple[str, str]]:
        """What a part of an Office document refers to: by id, the end of the kind's name, and the part."""
        folder, _, file = name.rpartition("/")
        relations = f"{folder}/_rels/{file}.rels"
        if relations not in self.names:
            return {}
        return {
            relation.get("Id", ""): (
                relation.get("Type", "").rpartition("/")[2],
                resolved(name, relation.get("Target", "")),
            )
            for relation in self.xml(relations).iter(_RELATIONS)
            if relation.get("TargetMode") != "External"
        }

    def title(self) -> str:
        """What an Office document is called in its own properties; empty where they do not say."""
        name = "docProps/core.xml"
        if name not in self.names:
            return ""
        found = next(self.xml(name).iter(_TITLE), None)
        return " ".join((found.text or "").split()) if found is not None else ""


def resolved(name: str, target: str) -> str:
    """The part that another part refers to."""
    target = unquote(target.partition("#")[0])
    if target.startswith("/"):
        return target.lstrip("/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), target))


def local_name(element: Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def children(element: Element, name: str) -> Iterator[Element]:
    """Children of a name, in any namespace."""
    return (child for child in element if local_name(child) == name)
