"""Bytes of a file to text: its byte order mark decides, else it is UTF-8."""

import codecs

from ..errors import UnreadableFileError

# Those of UTF-32 begin with those of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# A stray NUL is what copying from a PDF leaves; where there are many, it is no text, or UTF-16 without its mark.
_MOST_NULS = 0.05


def decode(content: bytes, shown: str) -> str:
    """Decode a text.

    Line ends become line feeds, and NUL becomes U+FFFD, as CommonMark 2.3 says.

    Args:
        content: The file.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no text in the encoding that its byte order mark names, or in UTF-8 without one.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if content.startswith(mark)), (b"", "utf-8"))
    try:
        text = content[len(mark) :].decode(encoding)
    except UnicodeDecodeError as exc:
        called = encoding.removesuffix("-le").removesuffix("-be").upper()
        raise UnreadableFileError(
            f"{shown} is not {called} (byte {exc.start + len(mark)}). "
            f"Is it a binary file, or in another encoding? Save it as UTF-8."
        ) from exc
    nuls = text.count("\x00")
    if nuls:
        if nuls > _MOST_NULS * len(text):
            raise UnreadableFileError(
                f"{shown} has {nuls} NUL characters: it is a binary file, or UTF-16 without a byte order mark. "
                f"Save it as UTF-8."
            )
        text = text.replace("\x00", "\ufffd")
    return text.replace("\r\n", "\n").replace("\r", "\n")
