"""Sentences of a paragraph."""

import re

# Written as escapes: Chinese and Japanese comma, full stop, exclamation and question mark, colon, semicolon, and the
# quotation marks and brackets that may follow a stop.
WIDE_COLON = "\uff1a"
_WIDE_STOPS = "\u3002\uff01\uff1f\uff0e"
_WIDE_CLOSING = "\u300d\u300f\u201d\u2019\uff09"
SENTENCE_MARKS = (*".:,;!", *"\u3002\uff01\uff0e\uff0c\uff1b", WIDE_COLON)

# A lower-case letter goes on with the sentence: "v2.4. and later", "etc. are".
_STOP = re.compile(
    r"(?<![.!?\u2026])(?P<marks>[.!?\u2026]+[\"'\u201d\u2019)\]*_`]*)\s+(?=[^\sa-z)\]])"
    rf"|[{_WIDE_STOPS}]+[{_WIDE_CLOSING})]*\s*(?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|approx|resp|incl|fig|eq|no|st|dr|mr|mrs|ms|prof|[a-z])\.$", re.IGNORECASE
)
_CODE_SPAN = re.compile(r"`+[^`]*`+")


def sentences(paragraph: str) -> list[str]:
    """Cut a paragraph into sentences, without the blanks between them."""
    spans = [match.span() for match in _CODE_SPAN.finditer(paragraph)]
    found, start, span = [], 0, 0
    for stop in _STOP.finditer(paragraph):
        while span < len(spans) and spans[span][1] - 1 <= stop.start():
            span += 1
        if span < len(spans) and spans[span][0] < stop.start():
            continue
        if stop["marks"] == "." and _ABBREVIATION.search(paragraph[max(start, stop.start() - 12) : stop.start() + 1]):
            continue
        found.append(paragraph[start : stop.end()].strip())
        start = stop.end()
    return [sentence for sentence in (*found, paragraph[start:].strip()) if sentence]
