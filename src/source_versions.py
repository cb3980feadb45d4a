"""Which version of a source there is: told before it is turned into documents, so that what is known need not be."""

import hashlib
from collections.abc import Callable

# 128 bits: no two of 10^15 contents share a digest by chance.
_DIGEST_CHARS = 32


class SourceVersion:
    """A source as it is now. Its content is read once, when it is first asked for.

    Args:
        source: Its name.
        reading: Names all, beside the content, that the source's documents are made by: converters, their versions and
            limits. With another one, the same content may be other documents.
        look: Gives a digest of what the file system says of the file, another one after every change of it; None where
            that cannot be relied on.
        read: Reads the content. What it raises is raised to whoever asks.

    Attributes:
        source: See above.
        reading: See above.
    """

    def __init__(self, source: str, *, reading: str, look: Callable[[], str | None], read: Callable[[], bytes]) -> None:
        self.source = source
        self.reading = reading
        self._look = look
        self._read = read
        self._facts: str | None = None
        self._looked = False
        self._content: bytes | None = None
        self._digest: str | None = None

    @property
    def facts(self) -> str | None:
        """Digest of what the file system says of the file, before its content was read; None where that is no proof."""
        if not self._looked:
            self._facts, self._looked = self._look(), True
        return self._facts

    @property
    def digest(self) -> str:
        """Digest of the content."""
        if self._digest is None:
            # What changes between the two is another version in the next run.
            _ = self.facts
            self._content = self._read()
            self._digest = hashlib.sha256(self._content).hexdigest()[:_DIGEST_CHARS]
        return self._digest

    def take(self) -> bytes:
        """The content, which is not kept here any longer."""
        content, self._content = self._content, None
        return self._read() if content is None else content
