"""The provider table: who serves models, under which names, with which key, at which address.

A provider is a row of frozen data. A new vendor that speaks OpenAI's protocol is one more row here and nothing else.
Model names and dates: the vendors' model and deprecation pages as of November 2026, which each row links to.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlsplit

from ...errors import InputError, UnknownProviderError

Protocol = Literal["gemini", "openai", "local"]
Purpose = Literal["chat", "embedding", "rerank"]


class RetiredModelWarning(UserWarning):
    """A model is asked for that its vendor no longer serves."""


@dataclass(frozen=True, slots=True)
class RetiredModel:
    """A model that its vendor has shut down.

    Attributes:
        model: Its name.
        on: The day it was shut down, ``None`` where the vendor gives none.
        successor: What to use in its place at the same vendor.
    """

    model: str
    on: date | None
    successor: str


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table.

    Attributes:
        name: What a spec begins with.
        protocol: Which client speaks to it.
        chat_model: The default chat model; empty where a spec must name one.
        embedding_model: The default embedding model, one of `embeddings_by`; empty where a spec must name one.
        embeddings_by: The provider that embeds for this one: mostly itself.
        tutorial_chat_model: The chat model of the Milvus tutorial that this provider comes from.
        tutorial_embedding_model: The embedding model of that tutorial.
        key_variables: Environment variables for the key, the first that is set wins.
        key_needed: ``"always"``, ``"never"``, or only at the vendor's own host (``"own host"``): servers in one's own
            house mostly want none.
        url_variables: Environment variables for the base URL, the first that is set wins.
        base_url: The vendor's own address; ``None`` where there is none that answers, and one must be given.
        url_hint: What to give where there is none.
        path: Put behind an address that is given without one.
        dead_hosts: Hosts that no longer answer: a suffix of the host name.
        living_hosts: Exceptions to `dead_hosts`.
        max_batch: Most texts in one embedding request.
        max_batch_chars: Most characters in one embedding request, so that it stays under the vendor's token limit.
        chat_package: The module that chat needs, ``None`` for none.
        embedding_package: The module that embeddings need.
        extras: What of this package to install for both.
        retired: Models that are gone.
        models_page: Where the vendor lists its models.
    """

    name: str
    protocol: Protocol
    chat_model: str
    embedding_model: str
    embeddings_by: str
    tutorial_chat_model: str | None = None
    tutorial_embedding_model: str | None = None
    key_variables: tuple[str, ...] = ()
    key_needed: Literal["always", "own host", "never"] = "always"
    url_variables: tuple[str, ...] = ()
    base_url: str | None = None
    url_hint: str = ""
    path: str = ""
    dead_hosts: str = ""
    living_hosts: str = ""
    max_batch: int = 256
    max_batch_chars: int = 200_000
    chat_package: str | None = None
    embedding_package: str | None = None
    extras: tuple[str, ...] = ()
    retired: tuple[RetiredModel, ...] = ()
    models_page: str = ""

    def default_model(self, purpose: Purpose) -> str:
        """The model that a spec without a model means."""
        return self.embedding_model if purpose == "embedding" else self.chat_model

    def retirement(self, model: str) -> RetiredModel | None:
        """When a model was shut down, if it was."""
        return next((retired for retired in self.retired if retired.model == model), None)


def _server_of_ones_own(
    name: str,
    *,
    port: int,
    chat_model: str = "",
    embedding_model: str = "",
    models_page: str = "GET /v1/models of the server",
) -> Provider:
    """A server of OpenAI's protocol on this machine, which needs no key."""
    return Provider(
        name=name,
        protocol="openai",
        chat_model=chat_model,
        embedding_model=embedding_model,
        embeddings_by=name,
        key_variables=(f"{name.upper()}_API_KEY",),
        key_needed="never",
        url_variables=(f"{name.upper()}_BASE_URL",),
        base_url=f"http://localhost:{port}/v1",
        path="/v1",
        chat_package="langchain_openai",
        embedding_package="langchain_openai",
        extras=("openai",),
        models_page=models_page,
    )


PROVIDERS: Final[Mapping[str, Provider]] = MappingProxyType(
    {
        row.name: row
        for row in (
            Provider(
                name="gemini",
                protocol="gemini",
                # Google's alias for the current Flash: fixed names turn over every few months.
                chat_model="gemini-flash-latest",
                embedding_model="gemini-embedding-2",
                embeddings_by="gemini",
                tutorial_chat_model="gemini-2.0-flash",
                tutorial_embedding_model="text-embedding-004",
                key_variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
                url_variables=("GEMINI_BASE_URL",),
                base_url="https://generativelanguage.googleapis.com",
                max_batch=100,
                # langchain-google-genai cuts a batch at 20,000 tokens by its own estimate, about 0.8 a character.
                max_batch_chars=24_000,
                chat_package="langchain_google_genai",
                embedding_package="langchain_google_genai",
                extras=("gemini",),
                retired=(
                    RetiredModel("gemini-2.0-flash", date(2026, 6, 1), "gemini-flash-latest"),
                    RetiredModel("gemini-2.0-flash-001", date(2026, 6, 1), "gemini-flash-latest"),
                    RetiredModel("gemini-2.0-flash-lite", date(2026, 6, 1), "gemini-flash-lite-latest"),
                    RetiredModel("gemini-2.0-flash-lite-001", date(2026, 6, 1), "gemini-flash-lite-latest"),
                    RetiredModel("text-embedding-004", date(2026, 1, 14), "gemini-embedding-2"),
                    RetiredModel("embedding-001", date(2025, 10, 30), "gemini-embedding-2"),
                    RetiredModel("gemini-embedding-exp-03-07", date(2025, 10, 30), "gemini-embedding-2"),
                ),
                models_page="https://ai.google.dev/gemini-api/docs/models",
            ),
            Provider(
                name="fireworks",
                protocol="openai",
                chat_model="accounts/fireworks/models/gpt-oss-120b",
                embedding_model="nomic-ai/nomic-embed-text-v1.5",
                embeddings_by="fireworks",
                tutorial_chat_model="accounts/fireworks/models/llama-v3p1-405b-instruct",
                tutorial_embedding_model="nomic-ai/nomic-embed-text-v1.5",
                key_variables=("FIREWORKS_API_KEY",),
                url_variables=("FIREWORKS_BASE_URL",),
                base_url="https://api.fireworks.ai/inference/v1",
                chat_package="langchain_openai",
                embedding_package="langchain_openai",
                extras=("openai",),
                retired=(
                    RetiredModel(
                        "accounts/fireworks/models/llama-v3p1-405b-instruct",
                        None,
                        "accounts/fireworks/models/gpt-oss-120b",
                    ),
                ),
                models_page="https://app.fireworks.ai/models?filter=LLM&serverless=true",
            ),
            Provider(
                name="lepton",
                protocol="openai",
                # An endpoint serves the model it was made for, under a name that its owner gave.
                chat_model="mistral-7b",
                embedding_model="all-MiniLM-L6-v2",
                embeddings_by="local",
                tutorial_chat_model="mistral-7b",
                key_variables=("LEPTONAI_TOKEN",),
                key_needed="never",
                url_variables=("LEPTON_BASE_URL",),
                url_hint=(
                    "Lepton's public hosts (https://mistral-7b.lepton.run/api/v1/ and the like) no longer answer: it "
                    "is NVIDIA DGX Cloud Lepton now, with one host an endpoint. Set LEPTON_BASE_URL (or pass "
                    "base_url=) to yours, such as https://<workspace>-<endpoint>.xenon.lepton.run/v1 (the endpoint's "
                    "page shows its path)"
                ),
                dead_hosts=".lepton.run",
                living_hosts=".xenon.lepton.run",
                chat_package="langchain_openai",
                embedding_package="fastembed",
                extras=("openai", "local"),
                models_page="your endpoint's page at https://dashboard.dgxc-lepton.nvidia.com",
            ),
            Provider(
                name="openai",
                protocol="openai",
                chat_model="gpt-5.4-mini",
                embedding_model="text-embedding-3-small",
                embeddings_by="openai",
                key_variables=("OPENAI_API_KEY",),
                key_needed="own host",
                url_variables=("OPENAI_BASE_URL", "OPENAI_API_BASE"),
                base_url="https://api.openai.com/v1",
                chat_package="langchain_openai",
                embedding_package="langchain_openai",
                extras=("openai",),
                models_page="GET /v1/models of the server",
            ),
            # Servers in one's own house: docs.ollama.com/api/openai-compatibility, lmstudio.ai/docs/app/api,
            # docs.vllm.ai/en/latest/serving/openai_compatible_server.
            _server_of_ones_own(
                "ollama",
                port=11434,
                chat_model="llama3.2",
                embedding_model="nomic-embed-text",
                models_page="`ollama list`",
            ),
            _server_of_ones_own("lmstudio", port=1234),
            _server_of_ones_own("vllm", port=8000),
            # https://openrouter.ai/docs/api-reference/overview
            Provider(
                name="openrouter",
                protocol="openai",
                chat_model="openrouter/auto",
                embedding_model="openai/text-embedding-3-small",
                embeddings_by="openrouter",
                key_variables=("OPENROUTER_API_KEY",),
                key_needed="own host",
                url_variables=("OPENROUTER_BASE_URL",),
                base_url="https://openrouter.ai/api/v1",
                chat_package="langchain_openai",
                embedding_package="langchain_openai",
                extras=("openai",),
                models_page="https://openrouter.ai/models",
            ),
            # Its API without versions in the query; a model is a deployment's name:
            # https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
            Provider(
                name="azure",
                protocol="openai",
                chat_model="",
                embedding_model="",
                embeddings_by="azure",
                key_variables=("AZURE_OPENAI_API_KEY",),
                url_variables=("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_BASE_URL"),
                url_hint="Set AZURE_OPENAI_ENDPOINT to your resource's, such as https://NAME.openai.azure.com",
                path="/openai/v1",
                chat_package="langchain_openai",
                embedding_package="langchain_openai",
                extras=("openai",),
                models_page="the deployments of your resource at https://ai.azure.com",
            ),
            Provider(
                name="local",
                protocol="local",
                chat_model="extractive",
                embedding_model="all-MiniLM-L6-v2",
                embeddings_by="local",
                key_needed="never",
                embedding_package="fastembed",
                extras=("local",),
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class Spec:
    """What a spec string says.

    Attributes:
        provider: The row of the table.
        model: The model's name, ``None`` for the provider's default.
    """

    provider: Provider
    model: str | None

    @property
    def name(self) -> str:
        """The spec as a string again."""
        return self.provider.name if self.model is None else f"{self.provider.name}:{self.model}"


def find_provider(name: str) -> Provider:
    """Look a provider up.

    Raises:
        UnknownProviderError: There is no such row.
    """
    row = PROVIDERS.get(name.strip().lower())
    if row is not None:
        return row
    message = f"There is no provider {name!r}. Known providers: {', '.join(PROVIDERS)}."
    # A model's name alone is a likely slip: its name mostly tells the provider.
    guess = next((row.name for row in PROVIDERS.values() if _names_model(row, name)), None)
    raise UnknownProviderError(message + (f" Did you mean '{guess}:{name}'?" if guess else ""))


def parse_spec(spec: str) -> Spec:
    """Read ``provider`` or ``provider:model``.

    Only the first colon separates: model names contain colons and slashes, and ``local:/path`` is a folder.

    Raises:
        UnknownProviderError: The provider is not in the table.
        InputError: Nothing follows the colon.
    """
    name, colon, model = spec.partition(":")
    provider = find_provider(name)
    model = model.strip()
    if colon and not model:
        raise InputError(
            f"The spec {spec!r} names no model: write {provider.name!r} for the default, or '{name}:MODEL'."
        )
    return Spec(provider, model or None)


def first_set(variables: tuple[str, ...], environ: Mapping[str, str] | None = None) -> tuple[str, str] | None:
    """The first of some environment variables that is set and not blank: its name and its value."""
    values = os.environ if environ is None else environ
    return next(((name, value) for name in variables if (value := values.get(name, "").strip())), None)


def host_of(url: str) -> str:
    """The host of a URL in lower case, empty where there is none."""
    return (urlsplit(url).hostname or "").lower()


def _names_model(row: Provider, name: str) -> bool:
    known = {row.chat_model, row.embedding_model, row.tutorial_chat_model, row.tutorial_embedding_model}
    return (bool(name) and name in known) or row.retirement(name) is not None or name.startswith(f"{row.name}-")
