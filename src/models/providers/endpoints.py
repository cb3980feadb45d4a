"""A model at an address with a key: a spec, made definite by arguments and environment."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import MappingProxyType
from urllib.parse import urlsplit

from pydantic import SecretStr

from ...errors import InputError, MissingKeyError, ProviderUnavailableError
from ...extras import install_line
from .addresses import Address, likely_url, read_address
from .keys import checked_key
from .remedies import Remedy, remedy
from .table import PROVIDERS, Provider, Purpose, RetiredModelWarning, Spec, first_set, host_of

# In place of a default model, for people.
_UNNAMED = "the model of your server, by its name"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is called.

    Attributes:
        provider: The row of the table.
        model: The model's name.
        base_url: The address, without a slash at its end.
        key: The key, ``None`` where none is needed and none was given.
        purpose: What the model is for.
        query: What is put behind the URL of each request.
    """

    provider: Provider
    model: str
    # It may have a user and a password in it.
    base_url: str = field(repr=False)
    key: SecretStr | None = field(default=None)
    purpose: Purpose = "chat"
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def name(self) -> str:
        """The spec, for messages."""
        return f"{self.provider.name}:{self.model}"

    @property
    def shown_url(self) -> str:
        """The address for messages: without user, password and query."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"

    @property
    def likely_url(self) -> str | None:
        """The address that is probably meant where nothing is at this one, for messages."""
        return None if self.provider.protocol == "gemini" or self.is_own_host else likely_url(self.shown_url)

    @property
    def is_own_host(self) -> bool:
        """Whether the vendor itself is called, not a proxy or a server of somebody else."""
        return self.provider.base_url is not None and host_of(self.base_url) == host_of(self.provider.base_url)

    @property
    def is_dead_host(self) -> bool:
        """Whether the address is one that the vendor has given up."""
        row, host = self.provider, host_of(self.base_url)
        return bool(row.dead_hosts) and host.endswith(row.dead_hosts) and not host.endswith(row.living_hosts)

    @property
    def retirement_note(self) -> str:
        """A sentence about a model that is shut down, else empty."""
        retired = self.provider.retirement(self.model)
        if retired is None:
            return ""
        gone = f"was shut down on {retired.on.isoformat()}" if retired.on else "is no longer served"
        return (
            f"{retired.model} {gone} by {self.provider.name}; its successor is {retired.successor}: "
            f"use '{self.provider.name}:{retired.successor}'."
        )


def resolve_endpoint(
    spec: Spec,
    purpose: Purpose,
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Endpoint:
    """Find the address and the key of a spec: arguments first, then the environment, then the table.

    Args:
        spec: What is asked for.
        purpose: Whether its chat or its embedding model is meant where the spec names none.
        api_key: The key.
        base_url: The address.
        environ: The environment, by default the process's own.

    Raises:
        MissingKeyError: A key is needed and there is none.
        ProviderUnavailableError: The provider has no address of its own that answers, and none is given.
        InputError: The address or the key cannot be used, or the spec names no model where there is no default.
    """
    row = spec.provider
    address = _address(row, purpose, base_url, environ)
    # Google's own listing names models so; one model must have one name, or its fingerprint would differ.
    model = (spec.model or row.default_model(purpose)).removeprefix("models/" if row.protocol == "gemini" else "")
    if not model:
        raise InputError(
            f"The provider {row.name} serves what it was started with, so a spec names the model: '{row.name}:MODEL'. "
            f"Which there are, says {row.models_page}."
        )
    key = _key(row, purpose, api_key, environ)
    endpoint = Endpoint(row, model, address.url, key, purpose, MappingProxyType(dict(address.query)))
    if key is None and (row.key_needed == "always" or (row.key_needed == "own host" and endpoint.is_own_host)):
        first, *others = row.key_variables
        also = f" (or {', '.join(others)})" if others else ""
        raise MissingKeyError(
            f"The provider {row.name} needs a key: set the environment variable {first}{also}, or pass "
            f"{remedy('api_key', purpose)}."
        )
    return endpoint


def sources_of(row: Provider, what: Remedy, purpose: Purpose) -> str:
    """Where a provider's key or address is looked for, for messages."""
    variables = row.key_variables if what == "api_key" else row.url_variables
    return " or ".join((*variables, remedy(what, purpose)))


def _address(row: Provider, purpose: Purpose, given: str | None, environ: Mapping[str, str] | None) -> Address:
    set_one = first_set(row.url_variables, environ)
    if given and given.strip():
        where, url = remedy("base_url", purpose), given
    elif set_one:
        where, url = set_one
    elif row.base_url is not None:
        return Address(row.base_url)
    else:
        raise ProviderUnavailableError(f"The provider {row.name} needs the address of your endpoint. {row.url_hint}.")
    is_openais = row.protocol == "openai" and purpose != "rerank"
    address = read_address(
        url, provider=row.name, where=where, takes_query=is_openais, is_google=row.protocol == "gemini"
    )
    if row.path and not urlsplit(address.url).path:
        return Address(address.url + row.path, address.query)
    return address


def _key(
    row: Provider, purpose: Purpose, given: str | SecretStr | None, environ: Mapping[str, str] | None
) -> SecretStr | None:
    value = given.get_secret_value() if isinstance(given, SecretStr) else given
    if value and value.strip():
        return checked_key(value, where=remedy("api_key", purpose))
    set_one = first_set(row.key_variables, environ)
    return checked_key(set_one[1], where=set_one[0]) if set_one else None


def warn_if_retired(endpoint: Endpoint, *, stacklevel: int) -> None:
    """Warn about a retired model where the vendor itself would be called: a proxy may still serve it."""
    if endpoint.is_own_host and (note := endpoint.retirement_note):
        warnings.warn(note, RetiredModelWarning, stacklevel=stacklevel + 1)


@dataclass(frozen=True, slots=True)
class ProviderStatus:
    """What of a provider is configured here.

    Attributes:
        name: The provider.
        chat_model: Its default chat model.
        embedding_model: Its default embedding model, with the provider in front where another one embeds.
        key_variables: Environment variables for its key, empty where it has none.
        key_set: Whether one of them is set.
        key_needed: Whether it cannot be used without a key.
        base_url: The address that would be called, empty for models on this machine.
        installed: Whether the packages for chat and embeddings are installed.
        extras: What of this package installs them.
        missing: What is to be done before both models can be used, as sentences. Empty when all is there.
    """

    name: str
    chat_model: str
    embedding_model: str
    key_variables: tuple[str, ...]
    key_set: bool
    key_needed: bool
    base_url: str
    installed: bool
    extras: tuple[str, ...]
    missing: tuple[str, ...]


def provider_statuses(
    environ: Mapping[str, str] | None = None, is_installed: Callable[[str], bool] | None = None
) -> list[ProviderStatus]:
    """List the table with what is configured here. Nothing is imported or called.

    Args:
        environ: The environment, by default the process's own.
        is_installed: Tells whether a module can be imported, by default by looking for it.
    """
    look = is_installed or (lambda module: find_spec(module) is not None)
    return [_status(row, environ, look) for row in PROVIDERS.values()]


def _status(row: Provider, environ: Mapping[str, str] | None, is_installed: Callable[[str], bool]) -> ProviderStatus:
    set_url = first_set(row.url_variables, environ)
    url = set_url[1] if set_url else row.base_url or ""
    key_set = first_set(row.key_variables, environ) is not None
    own = row.base_url is not None and host_of(url) == host_of(row.base_url)
    key_needed = row.key_needed == "always" or (row.key_needed == "own host" and own)
    packages = [package for package in (row.chat_package, row.embedding_package) if package]
    installed = all(map(is_installed, packages))
    missing = []
    if not installed:
        missing.append(install_line(*row.extras))
    if key_needed and not key_set:
        missing.append(f"set {row.key_variables[0]}")
    if row.url_variables and not url:
        missing.append(f"set {row.url_variables[0]}")
    embedding_model = row.embedding_model or _UNNAMED
    if row.embeddings_by != row.name:
        embedding_model = f"{row.embeddings_by}:{embedding_model}"
    return ProviderStatus(
        name=row.name,
        chat_model=row.chat_model or _UNNAMED,
        embedding_model=embedding_model,
        key_variables=row.key_variables,
        key_set=key_set,
        key_needed=key_needed,
        base_url=Endpoint(row, row.chat_model, url).shown_url if url else "",
        installed=installed,
        extras=row.extras,
        missing=tuple(missing),
    )
