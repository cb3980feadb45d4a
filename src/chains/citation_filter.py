"""What a model cites, checked as it streams: a number that no passage has never reaches the reader."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_NUMBER = r"[0-9]{1,6}"
_LIST = rf"{_NUMBER}(?:[ \t]*[,;\u2013-][ \t]*{_NUMBER})*"
# [1], [ 1 ], [1, 2], [1-3], [[1]], and the brackets that some models were trained to cite with.
CITATION = re.compile(
    rf"\[\[[ \t]*(?P<double>{_LIST})[ \t]*\]\]|\[[ \t]*(?P<plain>{_LIST})[ \t]*\]"
    rf"|\u3010[ \t]*(?P<wide>{_LIST})[^\u3010\u3011\[\n]{{0,40}}\u3011"
)
_RANGE = re.compile(rf"({_NUMBER})[ \t]*[\u2013-][ \t]*({_NUMBER})")
_NUMBERS = re.compile(_NUMBER)
# Where a text ends, what may still become one.
_BEGUN = re.compile(r"(?:\[{1,2}[ \t0-9,;\u2013-]{0,60}\]{0,2}|\u3010[^\u3010\u3011\n]{0,80})\Z")
_BLANKS = re.compile(r"[ \t]+")
_TICKS = re.compile(r"`+")
_BLANK_LINE = re.compile(r"\n[ \t]*\n")
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})([^\n]*)(\n|\Z)")
_FENCE_BEGUN = re.compile(r"[ ]{0,3}(?:`{0,2}|~{0,2}|(?:`{3,}|~{3,})[^\n]*)\Z")
# The address of a link, behind its label; where a text ends, the beginning of one.
_ADDRESS = re.compile(r"\((?:[^()\n]|\([^()\n]*\))*\)")
_ADDRESS_BEGUN = re.compile(r"\((?:[^()\n]|\([^()\n]*\)){0,500}(?:\([^()\n]{0,200})?\Z")
# What a number in brackets at a line's start is, if an address follows: the definition of a link.
_DEFINITION = re.compile(r":[ \t]*<?[A-Za-z][A-Za-z+.-]*://")
_DEFINITION_BEGUN = re.compile(r"(?::[ \t]*(?:<?[A-Za-z][A-Za-z+.-]*:?/?)?)?\Z")
_WORD = r"[^\n`\[\]\u3010 \t\\]+"
# Words, as many as there are: what stands before a bracket or may begin a fence is looked at by itself.
_PLAIN = re.compile(rf"{_WORD}(?:(?:[ \t]+|\n(?!~)){_WORD})*")
# Between these, what is left out would join two others to a citation.
_JOINING = re.compile(r"[\[\u30100-9,;\u2013-]\Z")


class _Read(NamedTuple):
    """What of the text was read, and what of that is shown."""

    length: int
    shown: str
    cites: bool = False


class CitationFilter:
    """Lets an answer through as it comes, without citations of passages that there are not.

    Code and links are no citations, and go through as they are. What could still become a citation is held back until
    that is known, so that what was let through adds up to the same text however it was cut into tokens.

    Args:
        count: How many passages there are; they are numbered from 1.

    Attributes:
        cited: The numbers that were let through, in the order in which they came first.
    """

    def __init__(self, count: int) -> None:
        self.cited: list[int] = []
        self._count = count
        self._held = ""
        self._fence = ""
        self._last = ""
        self._at_line_start = True

    def feed(self, text: str) -> str:
        """Take more of the answer. Returns what can be shown now."""
        self._held += text
        return "".join(read.shown for read in self._known(at_end=False))

    def finish(self) -> str:
        """Take note that the answer has ended. Returns the rest of it."""
        return "".join(read.shown for read in self._known(at_end=True))

    @classmethod
    def only_citations(cls, answer: str, count: int) -> str:
        """An answer in which no bracket is left but those of citations: of code, links and what is escaped they go."""
        through = cls(count)
        through._held = answer
        shown = ((read.shown, read.cites) for read in through._known(at_end=True))
        return "".join(text if cites else text.replace("[", " ").replace("\u3010", " ") for text, cites in shown)

    def _known(self, *, at_end: bool) -> Iterator["_Read"]:
        while self._held:
            found = self._in_fence(at_end) if self._fence else self._outside(at_end)
            if found is None:
                return
            taken, self._held = self._held[: found.length], self._held[found.length :]
            self._at_line_start = taken.endswith("\n") or (self._at_line_start and not taken.strip(" "))
            self._last = found.shown or self._last
            yield found

    # --- each gives how much of what is held was read, and what is shown of it; None while that is not known

    def _in_fence(self, at_end: bool) -> "_Read | None":
        line, newline, _ = self._held.partition("\n")
        if self._at_line_start:
            bare = line.strip(" ")
            may_close = not bare.strip(self._fence[0])
            if may_close and not newline and not at_end:
                return None
            if may_close and len(bare) >= len(self._fence):
                self._fence = ""
        return self._as_it_is(len(line) + len(newline))

    def _outside(self, at_end: bool) -> "_Read | None":
        if self._at_line_start and (self._held[0] in " `~"):
            if not at_end and _FENCE_BEGUN.match(self._held):
                return None
            if (fence := _FENCE.match(self._held)) and not (fence[1][0] == "`" and "`" in fence[2]):
                self._fence = fence[1]
                return self._as_it_is(fence.end())
        first = self._held[0]
        if first == "`":
            return self._code(at_end)
        if first == "\\":
            return self._as_it_is(2) if len(self._held) > 1 or at_end else None
        blanks = _BLANKS.match(self._held)
        start = blanks.end() if blanks else 0
        if start == len(self._held) and not at_end:
            return None
        if self._held[start : start + 1] in ("[", "\u3010"):
            return self._bracket(start, at_end)
        if first == "]":
            return self._closing(at_end)
        plain = _PLAIN.match(self._held, start)
        return self._as_it_is(plain.end() if plain else max(start, 1))

    def _as_it_is(self, length: int) -> "_Read":
        return _Read(length, self._held[:length])

    def _code(self, at_end: bool) -> "_Read | None":
        ticks = _TICKS.match(self._held)
        assert ticks is not None  # noqa: S101 - it begins with one
        if ticks.end() == len(self._held) and not at_end:
            return None
        paragraph_end = _BLANK_LINE.search(self._held)
        end = paragraph_end.start() if paragraph_end else len(self._held)
        for closing in _TICKS.finditer(self._held, ticks.end(), end):
            if closing.end() == len(self._held) and not at_end:
                return None
            if closing[0] == ticks[0]:
                return self._as_it_is(closing.end())
        return self._as_it_is(ticks.end()) if paragraph_end or at_end else None

    def _closing(self, at_end: bool) -> "_Read | None":
        """A bracket's end: of a link, if an address follows."""
        if len(self._held) == 1:
            return self._as_it_is(1) if at_end else None
        if self._held[1] != "(":
            return self._as_it_is(1)
        if address := _ADDRESS.match(self._held, 1):
            return self._as_it_is(address.end())
        return None if not at_end and _ADDRESS_BEGUN.match(self._held, 1) else self._as_it_is(1)

    def _bracket(self, start: int, at_end: bool) -> "_Read | None":
        """What begins with a bracket, with the blanks before it: they go where the citation goes."""
        found = CITATION.match(self._held, start)
        if not at_end and _BEGUN.match(self._held, start):
            return None
        if found is None:
            return self._as_it_is(start + 1)
        end = found.end()
        if not at_end and end == len(self._held):
            return None
        if address := _ADDRESS.match(self._held, end):
            return self._as_it_is(address.end())
        if not at_end and _ADDRESS_BEGUN.match(self._held, end):
            return None
        if self._at_line_start and self._held[end : end + 1] == ":":
            if not at_end and _DEFINITION_BEGUN.match(self._held, end):
                return None
            if _DEFINITION.match(self._held, end):
                return self._as_it_is(end + 1)
        numbers = self._numbers(found["double"] or found["plain"] or found["wide"])
        if not numbers:
            joins = _JOINING.search(self._held[:start] or self._last)
            return _Read(end, "\u2026" if joins else "")
        self.cited += [number for number in numbers if number not in self.cited]
        return _Read(end, f"{self._held[:start]}[{', '.join(map(str, numbers))}]", cites=True)

    def _numbers(self, given: str) -> list[int]:
        """The passages of a list of numbers and ranges, each once."""
        spread = _RANGE.sub(lambda found: self._spread(int(found[1]), int(found[2])), given)
        numbers = map(int, _NUMBERS.findall(spread))
        return list(dict.fromkeys(number for number in numbers if 1 <= number <= self._count))

    def _spread(self, first: int, last: int) -> str:
        return ", ".join(map(str, range(max(first, 1), min(last, self._count) + 1)))
