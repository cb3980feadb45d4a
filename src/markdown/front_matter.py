"""Front matter in YAML, TOML or JSON: where it ends, and its simple fields."""

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, TypeAlias

import yaml

from ..chunk_keys import TITLE_KEY

MAX_CHARACTERS = 16_384
"""Longer blocks between two marks are not taken for front matter, so that a long text never is."""

DESCRIBING_KEYS = ("description", "summary", "keywords", "tags", "aliases")
"""Fields that say what a page is about, as site generators and note-taking programs name them."""

FrontMatterValue: TypeAlias = str | int | float | bool | list[str | int | float | bool]

_FIRST_KEY = re.compile(r"""\{|["']?\w[^:]{0,200}:(?:\s|$)""")
_KEY = re.compile(r"[\w-]+:(?:\s|$)")
# A key with what nobody would take for anything but text, and no more of it than a title or a description has.
_PROSE = re.compile(r"([\w-]+):[ \t]+([^\W_][^\x00-\x1f\x7f]{0,500}?|[@`%][^\x00-\x1f\x7f]{1,500}?)[ \t\r]*")
_FIRST_TOML = re.compile(r"""\[|["']?[\w-][^=]{0,200}=""")
_FIRST_JSON = re.compile('"')


# What PyYAML's loader in C nests without harm; it overflows the stack of a thread at some thousand levels.
_SHALLOW = 100
# Aliases, and what the two loaders take differently.
_UNALIKE = frozenset("*\\\t\ufeff")
_OPENERS = re.compile(r"[\[{]|[-?:](?=\s)")
_FastLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _PlainLoader(yaml.SafeLoader):
    """YAML without aliases, which a few lines can blow up to any size."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        return super().compose_node(parent, index)


def front_matter_length(lines: Sequence[str]) -> int:
    """Count the lines of the front matter, the marks around it included: ``---``, ``+++``, or the braces of JSON.

    A text that merely begins with a thematic break has none: the first line that is neither blank nor a comment must
    look like a key, and comments alone (they may be headings) do not make one. Braces must hold valid JSON.

    Args:
        lines: The lines of a text, from its first.

    Returns:
        The number of lines, 0 when there is no front matter.
    """
    match lines[0].removeprefix("\ufeff").rstrip() if lines else "":
        case "---":
            return _marked_length(lines, ("---", "..."), _FIRST_KEY)
        case "+++":
            return _marked_length(lines, ("+++",), _FIRST_TOML)
        case "{":
            length = _marked_length(lines, ("}",), _FIRST_JSON)
            return length if length and _json(lines[:length]) is not None else 0
        case _:
            return 0


def _marked_length(lines: Sequence[str], ends: tuple[str, ...], first_key: re.Pattern[str]) -> int:
    size = 0
    key_seen = comment_seen = False
    for number, line in enumerate(lines[1:], 2):
        size += len(line)
        if size > MAX_CHARACTERS:
            return 0
        content = line.strip()
        if content in ends and line.startswith(content):
            return number if key_seen or not comment_seen else 0
        if content.startswith("#"):
            comment_seen = True
        elif content and not key_seen:
            if not first_key.match(content):
                return 0
            key_seen = True
    return 0


def front_matter_fields(lines: Sequence[str]) -> dict[str, FrontMatterValue]:
    """Read the simple fields of the front matter.

    Args:
        lines: The lines of a text, from its first.

    Returns:
        Strings, numbers, booleans, dates (as ISO 8601 strings) and lists of these by their key. Nested mappings,
        nulls and numbers that JSON cannot express are left out. Of YAML that is not valid the fields count that are,
        and what stands behind a key in its line; TOML and JSON that are not valid have no fields.
    """
    length = front_matter_length(lines)
    if not length:
        return {}
    match lines[0].removeprefix("\ufeff").rstrip():
        case "---":
            own = lines[1 : length - 1]
            loaded = _yaml("\n".join(own))
            if loaded is None:
                loaded = _field_by_field(own)
        case "+++":
            loaded = _toml("\n".join(lines[1 : length - 1]))
        case _:
            loaded = _json(lines[:length])
    if not isinstance(loaded, dict):
        return {}
    fields = ((key, _simple(value)) for key, value in loaded.items() if isinstance(key, str))
    try:
        return {key: value for key, value in fields if value is not None}
    except ValueError:
        # A number of more digits than Python writes.
        return {}


def described_by(fields: Mapping[str, object]) -> list[str]:
    """What some fields say of the page's content, a line each: its description first, then named lists of words."""
    lines = []
    for key in DESCRIBING_KEYS:
        value = fields.get(key)
        words = value if isinstance(value, list) else [value]
        text = " ".join(", ".join(str(word) for word in words if word and isinstance(word, str | int | float)).split())
        if text:
            is_prose = isinstance(value, str) and key in DESCRIBING_KEYS[:2]
            lines.append(text if is_prose else f"{key}: {text}")
    return lines


def _yaml(text: str) -> object:
    is_plain = not _UNALIKE & set(text) and len(_OPENERS.findall(text)) < _SHALLOW
    try:
        return yaml.load(text, Loader=_FastLoader if is_plain else _PlainLoader)  # noqa: S506 - both are safe ones
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, IndexError, KeyError, RecursionError):
        # PyYAML lets the errors of its constructors through: an impossible date, an endless number, a nesting too deep.
        return None


def _field_by_field(lines: Sequence[str]) -> dict[str, object]:
    """Fields of YAML that is broken somewhere, each by itself: ``title: Fix: the pump`` is the commonest mistake.

    What does not parse and stands in one line behind its key is its text; all else that does not parse is left out.
    """
    fields: dict[str, object] = {}
    starts = [at for at, line in enumerate(lines) if _KEY.match(line)]
    for start, end in pairwise([*starts, len(lines)]):
        read = _yaml("\n".join(lines[start:end]))
        if isinstance(read, dict):
            fields |= read
        elif (found := _PROSE.fullmatch(lines[start])) and not any(map(str.strip, lines[start + 1 : end])):
            fields[found[1]] = found[2]
    return fields


def _toml(text: str) -> object:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _json(lines: Sequence[str]) -> object:
    try:
        return json.loads("\n".join(lines).removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None


def title_of(fields: Mapping[str, object]) -> str:
    """The title among some fields, or an empty text; a list or a dict is no title."""
    title = fields.get(TITLE_KEY)
    return str(title) if title and isinstance(title, str | int | float) else ""


def _simple(value: object) -> FrontMatterValue | None:
    if isinstance(value, list):
        scalars = [_scalar(item) for item in value]
        return [scalar for scalar in scalars if scalar is not None]
    return _scalar(value)


def _scalar(value: object) -> str | int | float | bool | None:
    if isinstance(value, str):
        # YAML can escape half a surrogate pair, which no file or database takes.
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() < 64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()
    return None
