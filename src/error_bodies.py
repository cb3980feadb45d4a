"""What the body of an error says, whatever the server: JSON of many shapes, plain text, a web page.

OpenAI, Gemini, FastAPI, TEI, llama.cpp, Cloudflare, Spring, S3 and their gateways each put the reason elsewhere. All
of them put it under one of a few names, at any depth, so those are looked for and not the shapes.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from .retry_after import duration, wait_in_words

MOST_CHARS: Final = 500
"""Characters of a server's words in our messages."""

# Where the reason is, the most telling first. The last ones are often only the status once more.
_REASONS: Final = ("message", "error", "errors", "detail", "details", "msg", "error_message", "error_msg")
_LAST_REASONS: Final = ("error_description", "description", "reason", "title", "statusText", "Message", "Error")
# Where a reason is given for machines.
_CODES: Final = frozenset({
    "code", "Code", "type", "status", "reason", "error_code", "error_type", "errorType", "__type", "quotaId",
})  # fmt: skip
_STATUSES: Final = frozenset({"code", "status", "status_code", "statusCode", "http_code"})
_CLIENT_ERRORS, _PAST_ERRORS = 400, 600
# Deeper nesting and longer bodies are nobody's error message.
_DEEPEST: Final = 12
_LONGEST: Final = 1_000_000
# A page says what it is about at its beginning.
_LONGEST_PAGE: Final = 20_000
_MOST_REASONS: Final = 3
_LOOKS_LIKE_JSON: Final = re.compile(r"\s*[{\[\"]")
_LOOKS_LIKE_MARKUP: Final = re.compile(r"\s*<(?:!doctype|\?xml|html|head|body|title|h1|error)\b", re.IGNORECASE)
_HEADLINES: Final = tuple(
    re.compile(rf"<{tag}\b[^>]{{0,1000}}>(.{{1,5000}}?)</{tag}>", re.IGNORECASE | re.DOTALL)
    for tag in ("message", "title", "h1")
)
_UNREAD: Final = re.compile(r"<(script|style)\b.{0,20000}?</\1>|<!--.{0,20000}?-->", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^<>]{0,5000}>")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a body says.

    Attributes:
        message: The server's words, as sentences in one line; empty where there are none.
        codes: What it says for machines, in lower case: ``"insufficient_quota"``, ``"resource_exhausted"``.
        status: An HTTP status, where the body names one.
        wait: Seconds that it asks to wait.
    """

    message: str = ""
    codes: frozenset[str] = field(default_factory=frozenset)
    status: int | None = None
    wait: float | None = None


def read_body(body: object) -> ErrorBody:
    """Read the body of an error: bytes, text, or JSON that a client has parsed. Never raises."""
    parsed = _parsed(body)
    entries = list(_entries(parsed))
    message = sentence(_words(parsed))
    waits = [duration(value) for key, value in entries if key == "retryDelay" and isinstance(value, str)]
    return ErrorBody(
        message=message,
        codes=frozenset(value.lower() for key, value in entries if key in _CODES and isinstance(value, str)),
        status=next((found for key, value in entries if key in _STATUSES and (found := as_status(value))), None),
        wait=next((wait for wait in (*waits, wait_in_words(message)) if wait is not None), None),
    )


def sentence(text: str) -> str:
    """A text in one line that ends as a sentence, at most `MOST_CHARS` and a mark long; an empty one stays empty."""
    line = " ".join(text.split())
    return ended(line if len(line) <= MOST_CHARS else f"{line[:MOST_CHARS]} …")


def ended(text: str) -> str:
    """A text that ends as a sentence; an empty one stays empty."""
    return text if not text or text.endswith((".", "!", "?", "…", "。")) else f"{text}."


def as_status(value: object) -> int | None:
    """An HTTP status of an error, from a number or its digits; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    is_error = isinstance(value, int) and not isinstance(value, bool) and _CLIENT_ERRORS <= value < _PAST_ERRORS
    return int(value) if is_error and isinstance(value, int) else None


def _parsed(body: object) -> object:
    if isinstance(body, bytes | bytearray):
        body = bytes(body).decode("utf-8-sig", "replace")
    if not isinstance(body, str):
        return body
    body = body.lstrip("\ufeff")
    if len(body) > _LONGEST or not _LOOKS_LIKE_JSON.match(body):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body


def _words(value: object, depth: int = 0) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, str):
        parsed = _parsed(value)
        return _plain(value) if isinstance(parsed, str) else _words(parsed, depth + 1)
    if isinstance(value, Mapping):
        return _words_of_object(value, depth)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        found = [words for item in value[: 10 * _MOST_REASONS] if (words := _words(item, depth + 1))]
        return "; ".join(list(dict.fromkeys(found))[:_MOST_REASONS])
    return ""


def _words_of_object(value: Mapping[Any, Any], depth: int) -> str:
    names: Sequence[str] = _REASONS
    # {"statusCode": 400, "error": "Bad Request", "message": …} has its reason in the message, {"error": {…},
    # "message": "failed"} in the error.
    if isinstance(value.get("error"), Mapping | list):
        names = ("error", *(name for name in names if name != "error"))
    words = next((found for name in (*names, *_LAST_REASONS) if (found := _words(value.get(name), depth + 1))), "")
    where = value.get("loc")
    if words and isinstance(where, Sequence) and not isinstance(where, str):
        # FastAPI's list of what is wrong with a request.
        place = ".".join(str(part) for part in where if part != "body")
        words = f"{place}: {words}" if place else words
    # OpenRouter says "Provider returned error", and here what the provider said.
    metadata = value.get("metadata")
    inner = _words(metadata.get("raw"), depth + 1) if isinstance(metadata, Mapping) else ""
    return f"{words}: {inner}" if words and inner and inner not in words else words or inner


def _entries(value: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Names and values at any depth, the outer ones first."""
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if isinstance(key, str))
    items: Sequence[object] = ()
    if isinstance(value, Mapping):
        items = [_parsed(item) for item in value.values()]
    elif isinstance(value, list | tuple):
        items = value[: 10 * _MOST_REASONS]
    for item in items:
        if isinstance(item, Mapping | list | tuple):
            yield from _entries(item, depth + 1)


def _plain(text: str) -> str:
    """A text without markup; of a web page its headline."""
    if not _LOOKS_LIKE_MARKUP.match(text):
        return text
    page = text[:_LONGEST_PAGE]
    for headline in _HEADLINES:
        found = headline.search(page)
        if found and (words := _without_tags(found[1])):
            return words
    return _without_tags(_UNREAD.sub(" ", page))


def _without_tags(markup: str) -> str:
    return html.unescape(_TAG.sub(" ", markup)).strip()
