"""The factory of chat models, and the contract of LangChain's."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import SecretStr

import milvus_rag.extras
from milvus_rag.errors import InputError, MissingExtraError, MissingKeyError, UnknownProviderError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.answers import AnswerCheck, IncompleteAnswerError
from milvus_rag.models.providers.calls import Calls, RetryPolicy
from milvus_rag.models.providers.connections import Connections, tls_context
from milvus_rag.models.providers.endpoints import Endpoint
from milvus_rag.models.providers.gemini import GeminiChat
from milvus_rag.models.providers.openai_compatible import OpenAICompatibleChat
from milvus_rag.models.providers.table import PROVIDERS
from milvus_rag.models.quoting.chat import ExtractiveChatModel


class TestFactory:
    def test_an_object_comes_back_as_it_is(self) -> None:
        mine = FakeListChatModel(responses=["x"])
        assert chat_model(mine) is mine

    def test_local_is_the_model_that_quotes(self) -> None:
        model = chat_model("local", max_quotes=2)
        assert isinstance(model, ExtractiveChatModel)
        assert model.max_quotes == 2
        assert isinstance(chat_model("local:extractive"), ExtractiveChatModel)

    def test_there_is_no_other_local_chat_model(self) -> None:
        with pytest.raises(InputError, match=r"'openai:llama3' with base_url="):
            chat_model("local:llama3")

    @pytest.mark.parametrize(
        ("spec", "kind"),
        [("nobody", UnknownProviderError), ("gemini", MissingKeyError), ("gemini:", InputError)],
    )
    def test_mistakes_are_told_at_once(self, spec: str, kind: type[Exception]) -> None:
        with pytest.raises(kind):
            chat_model(spec)

    @pytest.mark.parametrize(
        ("make", "spec", "extra"),
        [
            (chat_model, "gemini", "gemini"),
            (chat_model, "fireworks", "openai"),
            (embedding_model, "gemini", "gemini"),
            (embedding_model, "openai", "openai"),
        ],
    )
    def test_a_missing_package_names_the_extra(
        self, make: Any, spec: str, extra: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_such_module(name: str) -> None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(milvus_rag.extras, "import_module", no_such_module)
        with pytest.raises(MissingExtraError, match=rf"pip install '\.\[{extra}\]'"):
            make(spec, api_key="k")

    @pytest.mark.parametrize("spec", ["gemini", "fireworks"])
    def test_the_vendors_class_is_underneath(self, spec: str) -> None:
        model = chat_model(spec, api_key=SecretStr("k"), temperature=0.5, timeout=7)
        assert isinstance(model, BaseChatModel)
        assert type(model).__mro__[2].__name__ in ("ChatOpenAI", "ChatGoogleGenerativeAI")
        assert model.temperature == 0.5  # type: ignore[attr-defined]  # the vendors' field


def check_of(*generations: ChatGeneration, limit_is_wanted: bool = False) -> AnswerCheck:
    check = AnswerCheck(limit_is_wanted=limit_is_wanted)
    for generation in generations:
        check.add(generation)
    return check


def whole(text: str = "", finish: str | None = "stop", **message: Any) -> ChatGeneration:
    info = {"finish_reason": finish} if finish else {}
    return ChatGeneration(message=AIMessage(text, **message), generation_info=info)


class TestAnswerCheck:
    @pytest.mark.parametrize(
        "generation",
        [
            whole("text"),
            whole("text", None),
            whole("text", "end_turn"),
            whole("", "tool_calls", tool_calls=[{"name": "f", "args": {}, "id": "1"}]),
            whole([{"type": "text", "text": "in blocks"}], "STOP"),  # type: ignore[arg-type]  # LangChain takes both
            whole([{"type": "image_url", "image_url": "data:"}], "STOP"),  # type: ignore[arg-type]  # LangChain takes both
        ],
        ids=["text", "no finish reason", "another word for stop", "tool call", "blocks", "image"],
    )
    def test_accepts_whole_answers(self, generation: ChatGeneration) -> None:
        check_of(generation).finish(is_stream=False)

    @pytest.mark.parametrize(
        ("generation", "why"),
        [
            (whole(""), "answered nothing"),
            (whole(" \n"), "answered nothing"),
            (whole([{"type": "thinking", "thinking": "hm"}]), "answered nothing"),  # type: ignore[arg-type]  # LangChain takes both
            (whole("", "MAX_TOKENS"), "before the answer began"),
            (whole("half", "length"), "cut the answer off after 4 characters"),
            (whole("half", "content_filter"), r"withheld .*content_filter"),
            (whole("half", "SAFETY"), r"withheld .*SAFETY"),
            (whole("", additional_kwargs={"refusal": "I cannot."}), r"withheld .*I cannot\."),
        ],
    )
    def test_refuses_others(self, generation: ChatGeneration, why: str) -> None:
        with pytest.raises(IncompleteAnswerError, match=why):
            check_of(generation).finish(is_stream=False)

    def test_a_stream_must_announce_its_end(self) -> None:
        piece = ChatGenerationChunk(message=AIMessageChunk("half"))
        with pytest.raises(IncompleteAnswerError, match="broke off the answer after 4 characters"):
            check_of(piece).finish(is_stream=True)
        end = ChatGenerationChunk(message=AIMessageChunk(""), generation_info={"finish_reason": "stop"})
        check_of(piece, end).finish(is_stream=True)

    def test_a_limit_that_is_wanted_may_be_reached_but_not_by_silence(self) -> None:
        check_of(whole("half", "length"), limit_is_wanted=True).finish(is_stream=False)
        with pytest.raises(IncompleteAnswerError):
            check_of(whole("", "length"), limit_is_wanted=True).finish(is_stream=False)


class _Standard(ChatModelUnitTests):
    """LangChain's own tests of a chat model, without those of environment variables, which are the factory's."""

    provider = ""
    url = "http://127.0.0.1:1"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        endpoint = Endpoint(PROVIDERS[self.provider], "some-model", self.url, SecretStr("k"))
        return {
            "model": "some-model",
            "api_key": "k",
            "base_url": self.url,
            "calls": Calls(endpoint, RetryPolicy()),
            "connections": Connections(),
        }


class TestOpenAIStandard(_Standard):
    provider = "fireworks"

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return OpenAICompatibleChat


class TestGeminiStandard(_Standard):
    provider = "gemini"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "client_args": {"verify": tls_context(), "ssl": tls_context()}}

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return GeminiChat
