"""Models as the settings say: two servers at once, what is sent, and every remedy that a message names."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from milvus_rag.configured_models import DEFAULT_ANSWER_TOKENS, configured_chat_model, configured_embedding
from milvus_rag.configured_store import build_store
from milvus_rag.errors import InputError, ModelResponseError, SettingsError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.remedies import all_remedies
from milvus_rag.models.rerankers import reranker
from milvus_rag.pipeline import build_chain, build_index
from milvus_rag.server.setting_fields import ServerSettingFields
from milvus_rag.setting_fields import declared_settings
from milvus_rag.settings import Settings, load_settings
from support.openai_server import OpenAIServer
from support.scripted_server import DONE, Script, completion, event, scripted

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_chat_and_embeddings_may_be_two_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each with a key of its own, beside the vendor's variable, which belongs to neither."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "sea.md").write_text("# Sea\nThe sea is deep.\n")
    with OpenAIServer(key="key-of-chat-1") as chat, OpenAIServer(key="key-of-vectors-2", dimension=16) as vectors:
        settings = Settings(
            uri=str(tmp_path / "a.db"),
            llm="openai:c",
            llm_url=chat.base_url,
            llm_key=SecretStr("key-of-chat-1"),
            embeddings="openai:e",
            embeddings_url=f"{vectors.base_url}/embeddings",
            embeddings_key=SecretStr("key-of-vectors-2"),
        )
        build_index(settings, [str(tmp_path / "docs")])
        with build_store(settings) as store:
            answer = build_chain(settings, store).invoke("How is the sea?")["answer"]
        assert "Sea" in answer
        assert {request.path for request in chat.requests} == {"/v1/chat/completions"}
        assert {request.path for request in vectors.requests} == {"/v1/embeddings"}
        assert chat.violations == vectors.violations == []


class TestWhatIsSent:
    def test_settings_reach_the_server(self) -> None:
        with scripted(Script((event({"content": "a"}), DONE))) as server:
            settings = Settings(
                llm="openai:m", llm_url=server.url, temperature=0.25, max_tokens=7, seed=3, extra_body='{"top_k": 1}'
            )
            configured_chat_model(settings).invoke("q")
            [(_, body)] = server.requests
            assert (body["temperature"], body["max_tokens"], body["seed"], body["top_k"]) == (0.25, 7, 3, 1)

    def test_of_the_embedding_too(self) -> None:
        with OpenAIServer(key=None) as server:
            settings = Settings(
                embeddings_url=server.base_url, dimension=8, query_prefix="ask: ", document_prefix="none"
            )
            model = configured_embedding(settings, "openai:multilingual-e5-small")
            model.embed_documents(["a"])
            model.embed_query("b")
            assert [request.body["input"] for request in server.requests] == [["a"], ["ask: b"]]
            assert {request.body["dimensions"] for request in server.requests} == {8}

    def test_prefixes_that_a_collection_remembers_stay(self) -> None:
        """Also where a later version knows others for the model."""
        built = {"query_prefix": "", "document_prefix": ""}
        model: Any = configured_embedding(Settings(embeddings_url="http://127.0.0.1:1"), "openai:e5-base", built=built)
        assert (model.fingerprint["query_prefix"], model.fingerprint["document_prefix"]) == ("", "")

    def test_only_the_provider_of_the_settings_model_is_sent_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FIREWORKS_API_KEY", "fw-1234567890")
        settings = Settings(llm="openai:m", llm_url="http://127.0.0.1:1/v1")
        assert configured_chat_model(settings, "openai:other").openai_api_base == "http://127.0.0.1:1/v1"  # type: ignore[attr-defined]  # ChatOpenAI's
        assert "fireworks" in configured_chat_model(settings, "fireworks").openai_api_base  # type: ignore[attr-defined]  # ChatOpenAI's


class TestTheLimitOfAnAnswer:
    def test_ends_a_model_that_goes_in_circles(self) -> None:
        with scripted(Script((event({"content": "again "}), event({}, "length"), DONE))) as server:
            settings = Settings(llm="openai:m", llm_url=server.url)
            with pytest.raises(ModelResponseError, match=r"raise it with max_tokens= \(--max-tokens\)"):
                configured_chat_model(settings).invoke("q")
            assert server.requests[0][1]["max_tokens"] == DEFAULT_ANSWER_TOKENS

    def test_that_is_given_is_as_wanted(self) -> None:
        with scripted(Script((event({"content": "again "}), event({}, "length"), DONE))) as server:
            settings = Settings(llm="openai:m", llm_url=server.url, max_tokens=2)
            assert configured_chat_model(settings).invoke("q").text == "again "

    @pytest.mark.parametrize(
        "words",
        [
            "'max_tokens' is too large: 4096. This model's maximum context length is 2048 tokens",
            "max_tokens must be at most 1024",
        ],
    )
    def test_is_left_out_where_a_server_refuses_it(self, words: str) -> None:
        def answer(body: Any) -> Script:
            return Script({"message": words}, 400) if "max_tokens" in body else Script(completion({"content": "a"}))

        with scripted(answer) as server:
            model = configured_chat_model(Settings(llm="openai:m", llm_url=server.url))
            assert [model.invoke("q").text for _ in range(2)] == ["a", "a"]
            assert ["max_tokens" in body for _, body in server.requests] == [True, False, False]

    def test_that_is_given_is_never_left_out(self) -> None:
        with scripted(Script({"message": "max_tokens must be at most 1024"}, 400)) as server:
            model = configured_chat_model(Settings(llm="openai:m", llm_url=server.url, max_tokens=4096))
            with pytest.raises(Exception, match="at most 1024"):
                model.invoke("q")
            assert len(server.requests) == 1


class TestRefused:
    @pytest.mark.parametrize("body", ["{top_k: 1}", "[1]", '"a"'])
    def test_a_body_that_is_no_json_object(self, body: str) -> None:
        with pytest.raises(SettingsError, match="--extra-body cannot be used"):
            load_settings(llm="openai:m", llm_url="http://127.0.0.1:1", extra_body=body)

    @pytest.mark.parametrize(
        "given", [{"llm_url": "http://127.0.0.1:1"}, {"temperature": 0.0}, {"max_tokens": 9}, {"seed": 1}]
    )
    def test_what_the_model_that_quotes_cannot_use(self, given: dict[str, Any]) -> None:
        [name] = given
        with pytest.raises(InputError, match=f"--{name.replace('_', '-')} does not apply"):
            configured_chat_model(Settings(**given))

    @pytest.mark.parametrize("given", [{"base_url": "http://127.0.0.1:1"}, {"api_key": "k"}, {"temperature": 0}])
    def test_in_python_too(self, given: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=next(iter(given))):
            chat_model("local", **given)
        if "temperature" not in given:
            with pytest.raises(InputError, match=next(iter(given))):
                embedding_model("local", **given)

    def test_a_body_for_gemini(self) -> None:
        with pytest.raises(InputError, match="--extra-body"):
            chat_model("gemini", api_key="k", extra_body={"a": 1})


class TestRemedies:
    """A message that advises something names it as it is called where the message is read."""

    MAKERS = {"chat": chat_model, "embedding": embedding_model, "rerank": reranker}  # noqa: RUF012 - a table

    @pytest.mark.parametrize("purpose", ["chat", "embedding", "rerank"])
    def test_exist_under_their_names(self, purpose: Any) -> None:
        settings = declared_settings(ServerSettingFields)
        flags = {flag for setting in settings.values() for flag in setting.flags}
        variables = {setting.variable for setting in settings.values()}
        parameters = inspect.signature(self.MAKERS[purpose]).parameters
        for name in all_remedies()[purpose].values():
            for argument in re.findall(r"(\w+)=", name):
                assert argument in parameters, name
            assert set(re.findall(r"--[a-z-]+", name)) <= flags, name
            assert set(re.findall(r"MILVUS_RAG_\w+", name)) <= variables, name

    def test_no_message_names_an_option_that_is_none(self) -> None:
        """In the sources of the models: each option and each variable that a text speaks of."""
        settings = declared_settings(ServerSettingFields)
        known = {flag for setting in settings.values() for flag in setting.flags}
        variables = {setting.variable for setting in settings.values()}
        for path in [*(SRC / "models").rglob("*.py"), SRC / "configured_models.py"]:
            text = path.read_text("utf-8")
            assert set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*(?![\w-])", text)) - {"--rebuild"} <= known, path
            assert set(re.findall(r"MILVUS_RAG_[A-Z_]+[A-Z]", text)) <= variables, path
