"""Base URLs as people give them: understood, or refused with the right one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from ...errors import InputError

# What the clients put behind a base URL: OpenAI's API reference, and Jina's.
_ENDPOINTS: Final = re.compile(
    r"/+(?:chat/completions|completions|embeddings|rerank|models(?:/[^/]*)?|responses)/*$", re.IGNORECASE
)
# Google's client puts the version and the model there.
_GOOGLES_PATH: Final = re.compile(r"/+v1(?:beta\d?|alpha)?(?:/+models(?:/.*)?)?/*$", re.IGNORECASE)
_VERSION: Final = re.compile(r"/v\d+\w*(?:/|$)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"(https?):/{0,2}(?=[^/])", re.IGNORECASE)
_ANY_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST: Final = re.compile(r"[\w.-]+(?::\d+)?(?:/[\w./-]*)?$|\[[0-9a-f:]+\](?::\d+)?(?:/[\w./-]*)?$", re.IGNORECASE)
# The native API of Ollama, beside which it has OpenAI's.
_OLLAMAS_PATH: Final = re.compile(r"/api(?:/(?:chat|generate|embed|embeddings|tags))?/*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go.

    Attributes:
        url: The base URL, without a slash at its end, and without a query.
        query: What is put behind each request's URL.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)


def read_address(given: str, *, provider: str, where: str, takes_query: bool, is_google: bool = False) -> Address:
    """Understand a base URL.

    Args:
        given: What somebody gave for one: blanks and quotation marks around it, a slash at its end and the path of an
            endpoint are taken off.
        provider: Whose it is, for the message.
        where: Where it comes from, for the message.
        takes_query: Whether the provider's client can put a query behind each request's URL.
        is_google: Whether the client puts the version of the API behind it by itself.

    Raises:
        InputError: It cannot be used. Users, passwords and queries are not shown.
    """
    text = given.strip().strip("\"'").strip()
    start = f"The base URL of {provider}"
    if any(character.isspace() or not character.isprintable() for character in text):
        raise InputError(f"{start} has a blank or a line break inside. It comes from {where}: write it in one piece.")
    if not _SCHEME.match(text):
        raise InputError(f"{start} is not an http or https URL. It comes from {where}.{_with_scheme(text)}")
    text = _SCHEME.sub(lambda found: f"{found[1].lower()}://", text, count=1)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise InputError(f"{start} is not an http or https URL: its host or port is wrong. {_from(where)}") from exc
    if not host or port == 0:
        raise InputError(f"{start} is not an http or https URL with a host. {_from(where)}")
    if parts.fragment:
        raise InputError(f"{start} has a part behind '#', which is never sent. {_from(where)}")
    path = (_GOOGLES_PATH if is_google else _ENDPOINTS).sub("", parts.path).rstrip("/")
    url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if query and not takes_query:
        raise InputError(f"{start} has a query ('?…'), which it does not take. {_from(where)} Leave the query out.")
    return Address(url, query)


def likely_url(url: str) -> str | None:
    """The base URL that is probably meant where nothing is at one: with ``/v1``, which most servers want.

    Args:
        url: Without user, password and query.
    """
    parts = urlsplit(url)
    path = _OLLAMAS_PATH.sub("", parts.path)
    if _VERSION.search(path):
        doubled = re.sub(r"(/v\d+\w*)(?:\1)+$", r"\1", path)
        return urlunsplit((parts.scheme, parts.netloc, doubled, "", "")) if doubled != path else None
    keeps_api = path != parts.path and parts.hostname == "openrouter.ai"
    return urlunsplit((parts.scheme, parts.netloc, f"{parts.path if keeps_api else path}/v1", "", ""))


def _from(where: str) -> str:
    return f"It comes from {where}."


def _with_scheme(text: str) -> str:
    if _ANY_SCHEME.match(text) or not _HOST.match(text):
        return ""
    host = text.partition("/")[0].partition(":")[0]
    is_near = host in ("localhost", "host.docker.internal") or host.replace(".", "").isdigit() or "." not in host
    return f" Did you mean {'http' if is_near else 'https'}://{text}?"
