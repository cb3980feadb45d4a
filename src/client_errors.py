"""What a server's ``Retry-After`` asks for."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def retry_seconds(value: str | None) -> float | None:
    """Seconds to wait by a ``Retry-After`` header: a number or a date, see RFC 9110, 10.2.3. None for anything else."""
    if value is None:
        return None
    try:
        return as_seconds(value) if _is_number(value) else _seconds_until(value)
    except ValueError:
        return None


def as_seconds(value: str | None) -> float | None:
    """A number of seconds, at least 0; None where it is no finite number."""
    if value is None or not _is_number(value):
        return None
    seconds = float(value)
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _seconds_until(value: str) -> float:
    moment = parsedate_to_datetime(value)
    # A date in HTTP is in GMT, whether it says so or not.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
