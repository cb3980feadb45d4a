"""How long a server asks to wait: in a header, in the words of an error, in a duration of Google's."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

# "2m5s", "1.5s", "250ms": Gemini's RetryInfo (https://google.aip.dev/194), OpenAI's headers, and both in sentences.
_DURATION: Final = r"(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
_IN_A_SENTENCE: Final = re.compile(
    rf"\b(?:try again|retry)(?: your request)? (?:in|after) (?:(?P<seconds>\d+(?:\.\d+)?) ?(?:s\b|sec)|{_DURATION})",
    re.IGNORECASE,
)


def wait_in_headers(headers: Mapping[str, Any]) -> float | None:
    """Seconds by the headers of an answer, whose names may be in any case; None where they do not say.

    ``Retry-After`` is seconds or a date, see RFC 9110, 10.2.3; ``retry-after-ms`` is OpenAI's and more exact.
    """
    found = {str(name).lower(): str(value) for name, value in headers.items() if value is not None}
    milliseconds = _number(found.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = found.get("retry-after", "").strip()
    return next((wait for wait in (_number(value), duration(value), _until(value)) if wait is not None), None)


def wait_in_words(text: str) -> float | None:
    """Seconds by a sentence such as "Please try again in 1.2s"; None where it does not say."""
    found = _IN_A_SENTENCE.search(text)
    if found is None:
        return None
    return float(found["seconds"]) if found["seconds"] else _seconds(found.groups()[1:])


def duration(text: str) -> float | None:
    """Seconds in a duration such as ``"2m5s"``; None for anything else."""
    found = re.fullmatch(_DURATION, text.strip())
    return _seconds(found.groups()) if found else None


def _seconds(groups: tuple[str | Any, ...]) -> float | None:
    if not any(groups):
        return None
    return sum(float(group) * unit for group, unit in zip(groups, (3600, 60, 1, 0.001), strict=True) if group)


def _number(text: str) -> float | None:
    """A number of seconds, at least 0; None where it is no finite number."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        # A date in HTTP is in GMT, whether it says so or not.
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
