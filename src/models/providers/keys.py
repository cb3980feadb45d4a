"""Keys: those that cannot be sent are refused where they enter, and none is ever shown."""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from ...errors import InputError

MASK: Final = "***"

# What people write where a client insists on a key and the server does not, and other ordinary words: to take them out
# of a message would only spoil it.
_WORD: Final = re.compile(r"[A-Z]?[a-z]{0,11}|[A-Z]{1,11}")
_PLACEHOLDERS: Final = frozenset({
    "lm-studio", "no-key", "no-key-required", "sk-no-key-required", "not-needed", "not-used", "not-required", "n/a",
})  # fmt: skip
_SHORTEST_SECRET: Final = 5
# A shorter one may be a part of some other word, which stays.
_LONG: Final = 16
# So many characters of an encoded key tell enough of it to count as it.
_LEAST_ENCODED: Final = 8
_NAMES: Final = {
    "\n": "a line break",
    "\r": "a line break",
    "\t": "a tab",
    " ": "a blank",
    "\xa0": "a no-break space",
    "\u200b": "a zero-width space",
    "\ufeff": "a byte order mark",
}


def checked_key(key: str, *, where: str) -> SecretStr:
    """A key without the blanks around it.

    Args:
        key: As it was given.
        where: Where it comes from, for the message: the variable or the argument.

    Raises:
        InputError: It has a character inside that no header can carry, mostly from pasting. It is not shown.
    """
    trimmed = key.strip()
    for place, character in enumerate(trimmed, start=1):
        if not "!" <= character <= "~":
            raise InputError(
                f"The key in {where} cannot be used: its character {place} of {len(trimmed)} is {_named(character)}. "
                f"Keys are of ASCII letters, digits and marks, without blanks: copy it once more, in one line."
            )
    return SecretStr(trimmed)


def masked(text: str, key: SecretStr | None) -> str:
    """A text without a key, in whatever form it is printed: as it is, escaped, quoted for a URL, in base64."""
    pattern = _pattern(key.get_secret_value()) if key is not None else None
    return pattern.sub(MASK, text) if pattern else text


def shows(text: str, key: SecretStr | None) -> bool:
    """Whether a text has the key in it."""
    pattern = _pattern(key.get_secret_value()) if key is not None else None
    return pattern is not None and pattern.search(text) is not None


def _named(character: str) -> str:
    found = _NAMES.get(character)
    return found or unicodedata.name(character, "a control character").lower()


def _is_secret(key: str) -> bool:
    return len(key) >= _SHORTEST_SECRET and not _WORD.fullmatch(key) and key.lower() not in _PLACEHOLDERS


@lru_cache(maxsize=64)
def _pattern(key: str) -> re.Pattern[str] | None:
    if not _is_secret(key):
        return None
    forms = sorted({*_plain_forms(key), *_encoded_forms(key)}, key=len, reverse=True)
    either = "|".join(map(re.escape, forms))
    return re.compile(either if len(key) >= _LONG else rf"(?<![A-Za-z0-9])(?:{either})(?![A-Za-z0-9])")


def _plain_forms(key: str) -> Iterator[str]:
    yield key
    yield repr(key)[1:-1]
    yield (as_json := json.dumps(key)[1:-1])
    yield json.dumps(as_json)[1:-1]
    yield html.escape(key)
    for safe in ("", "/"):
        for encoded in (quote(key, safe=safe), quote_plus(key, safe=safe)):
            yield encoded
            # Servers write the digits in either case.
            yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _encoded_forms(key: str) -> Iterator[str]:
    """Its base64 alone, and as a part of something longer ("user:key"), which has three ways to begin."""
    for before, unsure in ((0, 0), (1, 2), (2, 3)):
        data = b" " * before + key.encode()
        encoded = base64.b64encode(data).decode()
        # What is encoded together with what stands before or after is not known.
        inside = encoded[unsure : len(data) * 8 // 6]
        for form in {encoded.rstrip("=")[unsure:] if not unsure else inside, inside}:
            if len(form) >= _LEAST_ENCODED:
                yield form
                yield form.replace("+", "-").replace("/", "_")
