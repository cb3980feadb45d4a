"""Data of files that is written into a text: pictures in ``data:`` URIs, keys, and other long encoded runs."""

import re

LONGEST_WORD = 200
"""An encoded run of at least so many characters is data, and nothing that anybody reads or asks for."""

_DATA_URI = re.compile(
    r"data:[\w.+/-]{0,100}(?:;[\w.=+-]{0,100}){0,4}[;,](?:base64,)?([A-Za-z0-9+/=_%-]{" + str(LONGEST_WORD) + r",})"
)
_RUN = re.compile(r"[A-Za-z0-9+/=_%-]{" + str(LONGEST_WORD) + r",}")
_DATA_LINK = re.compile(r"data:[\w.+/-]{1,100}[;,][^\s<>()\"']*")


def embedded_data(text: str) -> list[tuple[int, int]]:
    """Where the data of ``data:`` URIs begins and ends, without their first words; of long ones only."""
    return [uri.span(1) for uri in _DATA_URI.finditer(text)] if "data:" in text else []


def encoded_runs(text: str) -> list[str]:
    """The long encoded runs of a text."""
    return [run for run in _RUN.findall(text) if not _is_of_words(run)] if _is_long(text) else []


def without_data(text: str) -> str:
    """A text without the targets that are data, and without long encoded runs."""
    if "data:" in text:
        text = _DATA_LINK.sub("", text)
    return _RUN.sub(_kept, text) if _is_long(text) else text


def has_data(text: str) -> bool:
    """Whether `without_data` leaves anything out."""
    return ("data:" in text or _is_long(text)) and without_data(text) != text


def _is_long(text: str) -> bool:
    if len(text) < LONGEST_WORD:
        return False
    # From blank to blank, each as far as such a run could reach from the one before: hardly any text has one.
    at = 0
    while at + LONGEST_WORD <= len(text):
        blank = text.rfind(" ", at, at + LONGEST_WORD)
        if blank < 0 and (blank := text.rfind("\n", at, at + LONGEST_WORD)) < 0:
            return max(map(len, text.split())) >= LONGEST_WORD
        at = blank + 1
    return False


def _kept(run: re.Match[str]) -> str:
    return run[0] if _is_of_words(run[0]) else " "


def _is_of_words(run: str) -> bool:
    """Whether a run is none of data: a rule, or a path of lower-case words."""
    return not all(any(map(kind, run)) for kind in (str.isdigit, str.isupper, str.islower))
