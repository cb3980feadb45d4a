"""Base URLs as people give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.errors import InputError, ModelNotFoundError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.addresses import likely_url, read_address
from milvus_rag.models.providers.endpoints import resolve_endpoint
from milvus_rag.models.providers.table import parse_spec
from support.openai_server import OpenAIServer


def read(given: str, *, takes_query: bool = True, is_google: bool = False) -> tuple[str, dict[str, str]]:
    address = read_address(given, provider="p", where="WHERE", takes_query=takes_query, is_google=is_google)
    return address.url, dict(address.query)


class TestUnderstood:
    @pytest.mark.parametrize(
        ("given", "url"),
        [
            ("http://gpu:9000/v1", "http://gpu:9000/v1"),
            ("  http://gpu:9000/v1/ \n", "http://gpu:9000/v1"),
            ('"http://gpu:9000/v1"', "http://gpu:9000/v1"),
            ("HTTP://gpu:9000/v1", "http://gpu:9000/v1"),
            ("http:/gpu:9000/v1", "http://gpu:9000/v1"),
            ("http://gpu:9000/v1/chat/completions", "http://gpu:9000/v1"),
            ("http://gpu:9000/v1/embeddings/", "http://gpu:9000/v1"),
            ("http://gpu:9000/v1/models", "http://gpu:9000/v1"),
            ("https://host/proxy/v1/completions", "https://host/proxy/v1"),
            ("https://u:p@host/v1", "https://u:p@host/v1"),
            ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ],
    )
    def test_what_is_meant(self, given: str, url: str) -> None:
        assert read(given) == (url, {})

    def test_a_query_goes_behind_each_request(self) -> None:
        assert read("https://host/v1?api-version=2&k=") == ("https://host/v1", {"api-version": "2", "k": ""})
        with OpenAIServer() as server:
            asked = f"{server.base_url}/chat/completions?region=eu"
            with pytest.raises(ModelNotFoundError):
                chat_model("openai:m", base_url=asked, api_key=server.key).invoke("q")
            assert server.requests[0].path == "/v1/chat/completions?region=eu"
            server.violations.clear()

    @pytest.mark.parametrize("version", ["/v1beta", "/v1beta/models/m:generateContent", "/v1", "/"])
    def test_googles_client_adds_the_version(self, version: str) -> None:
        assert read(f"https://proxy/google{version}", is_google=True) == ("https://proxy/google", {})

    @pytest.mark.parametrize(
        ("spec", "variable", "given", "url"),
        [
            ("ollama", "OLLAMA_BASE_URL", "http://box:11434", "http://box:11434/v1"),
            ("ollama", "OLLAMA_BASE_URL", "http://box/other", "http://box/other"),
            ("vllm:m", "VLLM_BASE_URL", "http://box:8000/", "http://box:8000/v1"),
            (
                "azure:dep",
                "AZURE_OPENAI_ENDPOINT",
                "https://n.openai.azure.com/",
                "https://n.openai.azure.com/openai/v1",
            ),
        ],
    )
    def test_a_provider_that_has_one_path_only(self, spec: str, variable: str, given: str, url: str) -> None:
        endpoint = resolve_endpoint(parse_spec(spec), "chat", api_key="k", environ={variable: given})
        assert endpoint.base_url == url

    @given(
        st.from_regex(r"https?://[a-z]{1,9}(:[1-9][0-9]{1,3})?(/[a-z0-9]{1,5}){0,3}", fullmatch=True),
        st.sampled_from(["", "/", " ", "/chat/completions", "/embeddings", "/chat/completions/"]),
    )
    def test_reading_it_again_changes_nothing(self, url: str, behind: str) -> None:
        once, _ = read(url + behind)
        assert read(once) == (once, {})


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ("localhost:11434/v1", "Did you mean http://localhost:11434/v1\\?"),
            ("10.0.0.7:8000", "Did you mean http://10.0.0.7:8000\\?"),
            ("api.example.com/v1", "Did you mean https://api.example.com/v1\\?"),
            ("http://gpu:9000/v1 http://other", "a blank or a line break inside"),
            ("http://gpu:port/v1", "its host or port is wrong"),
            ("http://gpu:99999/v1", "its host or port is wrong"),
            ("https:///v1", "not an http or https URL"),
            ("http://host/v1#frag", "behind '#'"),
            ("ws://host/v1", "not an http or https URL"),
        ],
    )
    def test_with_what_is_wrong_and_where_it_comes_from(self, given: str, words: str) -> None:
        with pytest.raises(InputError, match=words) as caught:
            read(given)
        assert "WHERE" in str(caught.value)

    def test_without_showing_a_password(self) -> None:
        with pytest.raises(InputError) as caught:
            read("user:hunter2@host:80/v1?key=s3cret")
        assert "hunter2" not in str(caught.value)
        assert "s3cret" not in str(caught.value)

    def test_a_query_where_the_client_takes_none(self) -> None:
        with pytest.raises(InputError, match="has a query"):
            read("https://host?key=1", takes_query=False)

    @pytest.mark.parametrize("spec", ["vllm", "lmstudio", "azure"])
    def test_a_spec_without_a_model_where_there_is_no_default(self, spec: str) -> None:
        with pytest.raises(InputError, match=f"'{spec}:MODEL'"):
            chat_model(spec, base_url="http://127.0.0.1:1", api_key="k")


class TestTheLikelyOne:
    @pytest.mark.parametrize(
        ("url", "likely"),
        [
            ("http://gpu:9000", "http://gpu:9000/v1"),
            ("http://box:11434/api", "http://box:11434/v1"),
            ("http://box:11434/api/chat", "http://box:11434/v1"),
            ("https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
            ("http://gpu/proxy", "http://gpu/proxy/v1"),
            ("http://gpu/v1/v1", "http://gpu/v1"),
            ("http://gpu/v1", None),
            ("https://h/v1beta/openai", None),
        ],
    )
    def test_has_a_version(self, url: str, likely: str | None) -> None:
        assert likely_url(url) == likely

    @pytest.mark.parametrize("make", ["chat", "embedding"])
    def test_is_in_the_message_and_no_other_model_is_advised(self, make: str) -> None:
        with OpenAIServer() as server:
            elsewhere = {"base_url": f"{server.root}/llm", "api_key": server.key}
            chat, embeddings = chat_model("openai:m", **elsewhere), embedding_model("openai:m", **elsewhere)
            with pytest.raises(ModelNotFoundError) as caught:
                chat.invoke("q") if make == "chat" else embeddings.embed_query("q")
            assert f"Most servers want one like {server.root}/llm/v1" in str(caught.value)
            assert "Choose another" not in str(caught.value)
            assert len(server.requests) == 1
            server.violations.clear()
