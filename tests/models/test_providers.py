"""The provider table, specs, endpoints, and what is configured here."""

import warnings
from dataclasses import FrozenInstanceError
from datetime import date

import pytest
from pydantic import SecretStr

from milvus_rag.errors import InputError, MissingKeyError, ProviderUnavailableError, UnknownProviderError
from milvus_rag.models.embedding_traits import embedding_traits
from milvus_rag.models.providers.endpoints import Endpoint, provider_statuses, resolve_endpoint, warn_if_retired
from milvus_rag.models.providers.table import PROVIDERS, RetiredModelWarning, find_provider, parse_spec


def resolve(spec: str, environ: dict[str, str] | None = None, **arguments: str) -> Endpoint:
    return resolve_endpoint(parse_spec(spec), "chat", environ=environ or {}, **arguments)


class TestTable:
    def test_has_the_tutorials_providers_and_what_people_run(self) -> None:
        tutorials = ["gemini", "fireworks", "lepton"]
        assert list(PROVIDERS) == [*tutorials, "openai", "ollama", "lmstudio", "vllm", "openrouter", "azure", "local"]

    def test_rows_and_table_are_frozen(self) -> None:
        with pytest.raises(FrozenInstanceError):
            PROVIDERS["gemini"].chat_model = "other"  # type: ignore[misc]  # the point of the test
        with pytest.raises(TypeError):
            PROVIDERS["new"] = PROVIDERS["gemini"]  # type: ignore[index]  # the point of the test

    @pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
    def test_no_default_and_no_successor_is_retired(self, row) -> None:
        assert row.retirement(row.chat_model) is None
        assert row.retirement(row.embedding_model) is None
        for retired in row.retired:
            assert row.retirement(retired.successor) is None

    def test_knows_the_tutorials_models(self) -> None:
        gemini, fireworks, lepton = (PROVIDERS[name] for name in ("gemini", "fireworks", "lepton"))
        assert (gemini.tutorial_chat_model, gemini.tutorial_embedding_model) == (
            "gemini-2.0-flash",
            "text-embedding-004",
        )
        assert fireworks.tutorial_chat_model == "accounts/fireworks/models/llama-v3p1-405b-instruct"
        assert fireworks.tutorial_embedding_model == "nomic-ai/nomic-embed-text-v1.5"
        assert (lepton.tutorial_chat_model, lepton.embeddings_by) == ("mistral-7b", "local")

    @pytest.mark.parametrize(
        ("model", "day", "successor"),
        [
            ("gemini-2.0-flash", date(2026, 6, 1), "gemini-flash-latest"),
            ("text-embedding-004", date(2026, 1, 14), "gemini-embedding-2"),
        ],
    )
    def test_a_retired_model_has_its_date_and_successor(self, model: str, day: date, successor: str) -> None:
        retired = PROVIDERS["gemini"].retirement(model)
        assert retired is not None
        assert (retired.on, retired.successor) == (day, successor)


class TestSpec:
    @pytest.mark.parametrize(
        ("spec", "provider", "model"),
        [
            ("gemini", "gemini", None),
            ("Gemini", "gemini", None),
            ("gemini:gemini-2.0-flash", "gemini", "gemini-2.0-flash"),
            ("fireworks:accounts/fireworks/models/x", "fireworks", "accounts/fireworks/models/x"),
            ("openai:llama3:8b-instruct", "openai", "llama3:8b-instruct"),
            ("local:/models/mini", "local", "/models/mini"),
            ("local:C:\\models\\mini", "local", "C:\\models\\mini"),
        ],
    )
    def test_only_the_first_colon_separates(self, spec: str, provider: str, model: str | None) -> None:
        parsed = parse_spec(spec)
        assert (parsed.provider.name, parsed.model) == (provider, model)

    def test_a_spec_without_a_model_after_its_colon_is_refused(self) -> None:
        with pytest.raises(InputError, match="'gemini:' names no model"):
            parse_spec("gemini:")

    def test_an_unknown_provider_lists_the_known_ones(self) -> None:
        with pytest.raises(UnknownProviderError, match=r"'mistral'.*gemini, fireworks, lepton, openai, .*azure, local"):
            find_provider("mistral")

    @pytest.mark.parametrize(
        ("name", "guess"),
        [
            ("gemini-2.0-flash", "gemini:gemini-2.0-flash"),
            ("mistral-7b", "lepton:mistral-7b"),
            ("nomic-ai/nomic-embed-text-v1.5", "fireworks:nomic-ai/nomic-embed-text-v1.5"),
        ],
    )
    def test_a_models_name_alone_is_answered_with_the_spec(self, name: str, guess: str) -> None:
        with pytest.raises(UnknownProviderError, match=f"Did you mean '{guess}'"):
            find_provider(name)


class TestEndpoint:
    def test_arguments_win_over_the_environment_and_that_over_the_table(self) -> None:
        environ = {"FIREWORKS_API_KEY": "from-env", "FIREWORKS_BASE_URL": "http://127.0.0.1:1/v1"}
        assert resolve("fireworks", {"FIREWORKS_API_KEY": "k"}).base_url == "https://api.fireworks.ai/inference/v1"
        assert resolve("fireworks", environ).base_url == "http://127.0.0.1:1/v1"
        given = resolve("fireworks", environ, api_key="given", base_url="http://127.0.0.1:2/v1/")
        assert given.base_url == "http://127.0.0.1:2/v1"
        assert given.key == SecretStr("given")

    @pytest.mark.parametrize(
        ("environ", "key"),
        [
            ({"GEMINI_API_KEY": "a", "GOOGLE_API_KEY": "b"}, "a"),
            ({"GOOGLE_API_KEY": "b"}, "b"),
            ({"GEMINI_API_KEY": "  ", "GOOGLE_API_KEY": " b\n"}, "b"),
        ],
    )
    def test_gemini_takes_either_key_variable(self, environ: dict[str, str], key: str) -> None:
        assert resolve("gemini", environ).key == SecretStr(key)

    def test_a_missing_key_names_the_variables_and_the_argument(self) -> None:
        with pytest.raises(MissingKeyError, match=r"GEMINI_API_KEY \(or GOOGLE_API_KEY\), or pass api_key="):
            resolve("gemini")
        with pytest.raises(MissingKeyError, match="FIREWORKS_API_KEY"):
            resolve("fireworks", {"FIREWORKS_API_KEY": " "})

    def test_a_gemini_model_has_one_name(self) -> None:
        assert resolve("gemini:models/gemini-2.0-flash", api_key="k").model == "gemini-2.0-flash"
        assert resolve("openai:models/mine", base_url="http://127.0.0.1:1/v1").model == "models/mine"

    def test_a_server_of_ones_own_needs_no_key(self) -> None:
        assert resolve("openai", base_url="http://127.0.0.1:8000/v1").key is None
        assert resolve("lepton", base_url="http://127.0.0.1:8000/v1").key is None
        with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
            resolve("openai")

    def test_lepton_without_an_address_says_what_to_set(self) -> None:
        with pytest.raises(ProviderUnavailableError, match=r"LEPTON_BASE_URL.*xenon\.lepton\.run"):
            resolve("lepton", {"LEPTONAI_TOKEN": "t"})

    @pytest.mark.parametrize(
        ("url", "dead"),
        [
            ("https://mistral-7b.lepton.run/api/v1/", True),
            ("https://team-chat.xenon.lepton.run/v1", False),
            ("http://127.0.0.1:8000/v1", False),
        ],
    )
    def test_leptons_old_hosts_are_known_to_be_dead(self, url: str, dead: bool) -> None:
        assert resolve("lepton", base_url=url).is_dead_host is dead

    @pytest.mark.parametrize("url", ["localhost:8000", "ftp://host/v1", "https://", "/v1"])
    def test_a_base_url_must_be_a_web_address(self, url: str) -> None:
        with pytest.raises(InputError, match=r"base_url= \(--llm-url\)"):
            resolve("openai", base_url=url)
        with pytest.raises(InputError, match="OPENAI_BASE_URL"):
            resolve("openai", {"OPENAI_BASE_URL": url})

    def test_shows_no_secret(self) -> None:
        endpoint = resolve("openai", api_key="sk-secret", base_url="http://user:hunter2@127.0.0.1:8000/v1?token=t0ken")
        shown = f"{endpoint!r} {endpoint.name} {endpoint.shown_url}"
        assert "sk-secret" not in shown
        assert endpoint.shown_url == "http://127.0.0.1:8000/v1"

    def test_warns_of_a_retired_model_at_the_vendors_own_host(self) -> None:
        with pytest.warns(
            RetiredModelWarning, match="gemini-2.0-flash was shut down on 2026-06-01.*gemini-flash-latest"
        ):
            warn_if_retired(resolve("gemini:gemini-2.0-flash", api_key="k"), stacklevel=1)

    def test_does_not_warn_where_a_proxy_may_serve_it(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_if_retired(
                resolve("gemini:gemini-2.0-flash", api_key="k", base_url="http://127.0.0.1:1"), stacklevel=1
            )
            warn_if_retired(resolve("gemini", api_key="k"), stacklevel=1)

    def test_a_retired_model_without_a_date_is_no_longer_served(self) -> None:
        endpoint = resolve("fireworks:accounts/fireworks/models/llama-v3p1-405b-instruct", api_key="k")
        assert "is no longer served by fireworks; its successor is" in endpoint.retirement_note


class TestTraits:
    @pytest.mark.parametrize(
        ("model", "query", "document", "dimension"),
        [
            ("gemini-embedding-2", "task: search result | query: ", "title: none | text: ", 768),
            ("models/gemini-embedding-2", "task: search result | query: ", "title: none | text: ", 768),
            ("text-embedding-004", "", "", 768),
            ("nomic-ai/nomic-embed-text-v1.5", "search_query: ", "search_document: ", 768),
            ("nomic-embed-text:latest", "search_query: ", "search_document: ", None),
            ("text-embedding-3-small", "", "", None),
        ],
    )
    def test_prefixes_and_dimension_follow_the_model(
        self, model: str, query: str, document: str, dimension: int | None
    ) -> None:
        traits = embedding_traits(model)
        assert (traits.query_prefix, traits.document_prefix, traits.dimension) == (query, document, dimension)

    def test_only_questions_get_an_instruction_from_qwen(self) -> None:
        traits = embedding_traits("accounts/fireworks/models/qwen3-embedding-8b")
        assert traits.query_prefix.startswith("Instruct: ")
        assert traits.document_prefix == ""


class TestStatuses:
    def test_tells_what_is_configured(self) -> None:
        environ = {"GOOGLE_API_KEY": "k", "LEPTON_BASE_URL": "http://127.0.0.1:1/v1"}
        statuses = {status.name: status for status in provider_statuses(environ, lambda module: module != "fastembed")}
        gemini, fireworks, lepton = statuses["gemini"], statuses["fireworks"], statuses["lepton"]
        assert (gemini.key_set, gemini.installed, gemini.missing) == (True, True, ())
        assert (gemini.chat_model, gemini.embedding_model) == ("gemini-flash-latest", "gemini-embedding-2")
        assert (fireworks.key_set, fireworks.missing) == (False, ("set FIREWORKS_API_KEY",))
        assert lepton.embedding_model == "local:all-MiniLM-L6-v2"
        assert (lepton.key_needed, lepton.installed) == (False, False)
        assert lepton.missing == ("pip install '.[openai,local]'",)
        assert statuses["local"].base_url == ""

    def test_a_provider_without_an_address_says_so(self) -> None:
        lepton = next(status for status in provider_statuses({}, lambda _: True) if status.name == "lepton")
        assert lepton.missing == ("set LEPTON_BASE_URL",)

    def test_shows_no_key(self) -> None:
        assert "s3cret" not in repr(provider_statuses({"GEMINI_API_KEY": "s3cret"}, lambda _: True))

    def test_finds_installed_packages_by_itself(self) -> None:
        assert {status.name for status in provider_statuses({}) if status.installed} >= {"gemini", "fireworks"}
