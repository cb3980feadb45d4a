"""Chat models against servers that speak the providers' wire formats: what is sent, and what comes of failures."""

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel

from milvus_rag.chains.prompts import SYSTEM_PROMPT, USER_PROMPT
from milvus_rag.errors import (
    AuthenticationError,
    InputTooLargeError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from milvus_rag.models.chat import chat_model
from milvus_rag.models.providers.table import RetiredModelWarning
from support.backends import MODES, Backend, Mode, ask
from support.faults import (
    Fault,
    broken,
    failing,
    no_such_model,
    rate_limited,
    refused,
    too_large,
    unauthorized,
)
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer

QUESTION = "What is the answer to everything in the world"
ANSWER = f"You said: {QUESTION}"
EVERY_MODE = pytest.mark.parametrize("mode", MODES)


class Place(BaseModel):
    """Where an answer was found."""

    page: str
    line: int


class TestWhatIsSent:
    @EVERY_MODE
    def test_the_answer_comes_back_whole(self, backend: Backend, mode: Mode) -> None:
        assert ask(backend.chat(), QUESTION, mode) == ANSWER

    @EVERY_MODE
    def test_openai_the_tutorials_prompts_to_the_byte(self, openai_server: OpenAIServer, mode: Mode) -> None:
        user = USER_PROMPT.format(context="Milvus: “数据”\n\tstores.\n", question="How is data stored in milvus?")
        # What other parts of the package attach to a message stays on this machine.
        message = HumanMessage(user, additional_kwargs={"documents": ["private"]})
        chat = chat_model(
            "fireworks:accounts/fireworks/models/llama-v3p1-405b-instruct",
            api_key=openai_server.key,
            base_url=openai_server.base_url,
        )
        ask(chat, [SystemMessage(SYSTEM_PROMPT), message], mode)
        [request] = openai_server.requests
        assert request.path == "/v1/chat/completions"
        assert request.headers["Authorization"] == f"Bearer {openai_server.key}"
        expected = {
            "model": "accounts/fireworks/models/llama-v3p1-405b-instruct",
            "messages": [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": user}],
            # A whole answer is read from a stream, too: its pieces show that the model lives.
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert request.body == expected

    @EVERY_MODE
    def test_gemini_the_tutorials_prompts_to_the_byte(self, gemini_server: GeminiServer, mode: Mode) -> None:
        user = USER_PROMPT.format(context="Milvus: “数据”\n\tstores.\n", question="How is data stored in milvus?")
        message = HumanMessage(user, additional_kwargs={"documents": ["private"]})
        chat = chat_model(
            "gemini:gemini-2.0-flash", api_key=gemini_server.key, base_url=gemini_server.base_url, timeout=30
        )
        ask(chat, [SystemMessage(SYSTEM_PROMPT), message], mode)
        [request] = gemini_server.requests
        verb = "streamGenerateContent?alt=sse" if "stream" in mode else "generateContent"
        assert request.path == f"/v1beta/models/gemini-2.0-flash:{verb}"
        assert request.headers["x-goog-api-key"] == gemini_server.key
        assert request.body["systemInstruction"] == {"parts": [{"text": SYSTEM_PROMPT}]}
        assert request.body["contents"] == [{"role": "user", "parts": [{"text": user}]}]
        # The tutorial leaves the temperature to the model.
        assert request.body["generationConfig"] == {"candidateCount": 1}

    def test_the_defaults_are_models_that_live(self, openai_server: OpenAIServer, gemini_server: GeminiServer) -> None:
        ask(Backend("fireworks", openai_server).chat(), QUESTION)
        ask(Backend("lepton", openai_server).chat(), QUESTION)
        ask(Backend("openai", openai_server).chat(), QUESTION)
        ask(Backend("gemini", gemini_server).chat(), QUESTION)
        assert [request.body["model"] for request in openai_server.requests] == [
            "accounts/fireworks/models/gpt-oss-120b",
            "mistral-7b",
            "gpt-5.4-mini",
        ]
        assert gemini_server.requests[0].path.startswith("/v1beta/models/gemini-flash-latest:")

    def test_a_name_that_looks_like_openais_own_still_goes_to_chat_completions(
        self, openai_server: OpenAIServer
    ) -> None:
        ask(Backend("openai", openai_server).chat("gpt-5-pro"), QUESTION)
        assert openai_server.requests[0].path == "/v1/chat/completions"

    def test_options_reach_the_server_under_the_names_it_knows(
        self, openai_server: OpenAIServer, gemini_server: GeminiServer
    ) -> None:
        ask(Backend("fireworks", openai_server).chat(temperature=0, max_tokens=99), QUESTION)
        ask(Backend("gemini", gemini_server).chat(temperature=0, max_tokens=99), QUESTION)
        sent = openai_server.requests[0].body
        assert (sent["temperature"], sent["max_tokens"]) == (0, 99)
        config = gemini_server.requests[0].body["generationConfig"]
        assert (config["temperature"], config["maxOutputTokens"]) == (0, 99)

    @EVERY_MODE
    def test_a_body_of_ones_own_is_added(self, openai_server: OpenAIServer, mode: Mode) -> None:
        chat = Backend("openai", openai_server).chat(extra_body={"top_p": 0.5})
        assert ask(chat.bind(extra_body={"seed": 7}), QUESTION, mode) == ANSWER
        assert ask(chat, QUESTION, mode) == ANSWER
        seeded, plain = (request.body for request in openai_server.requests)
        assert (seeded["seed"], plain["top_p"]) == (7, 0.5)

    @pytest.mark.parametrize("method", ["json_schema", "json_mode"])
    def test_an_answer_may_have_a_structure(self, method: str) -> None:
        with OpenAIServer(answer=lambda *_: '{"page": "faq.md", "line": 3}') as server:
            found = Backend("openai", server).chat().with_structured_output(Place, method=method).invoke(QUESTION)
            assert found == Place(page="faq.md", line=3)
            [request] = server.requests
            assert request.body["messages"] == [{"role": "user", "content": QUESTION}]
            assert request.body["response_format"]["type"] == method.replace("json_mode", "json_object")

    def test_a_stream_counts_its_tokens(self, backend: Backend) -> None:
        usage = [chunk.usage_metadata for chunk in backend.chat().stream(QUESTION) if chunk.usage_metadata]
        assert sum(part["output_tokens"] for part in usage) == len(ANSWER.split())

    def test_tools_are_sent(self, backend: Backend) -> None:
        def multiply(a: int, b: int) -> int:
            """Multiply two numbers."""
            return a * b

        assert ask(backend.chat().bind_tools([multiply]), QUESTION) == ANSWER
        assert "multiply" in backend.server.requests[0].raw.decode()

    def test_a_field_can_be_made_configurable(self, backend: Backend) -> None:
        chat = backend.chat().configurable_fields(temperature=ConfigurableField(id="temperature"))
        backend.server.fail(rate_limited())
        assert chat.invoke(QUESTION, {"configurable": {"temperature": 0.25}}).text == ANSWER
        assert b"0.25" in backend.server.requests[-1].raw
        assert len(backend.server.requests) == 2

    @pytest.mark.parametrize("key", [None, "given"])
    def test_a_server_of_ones_own_is_called_with_or_without_a_key(self, key: str | None) -> None:
        with OpenAIServer(key=key) as server:
            chat = chat_model("openai:llama3:8b", base_url=server.base_url, api_key=key)
            assert ask(chat, QUESTION) == ANSWER
            assert server.requests[0].body["model"] == "llama3:8b"


class TestFailures:
    @EVERY_MODE
    @pytest.mark.parametrize(
        "fault",
        [rate_limited(), rate_limited(0), failing(500), failing(503), failing(502, retry_after=0), broken("reset")],
        ids=lambda fault: f"{fault.kind} {fault.status} {fault.headers}",
    )
    def test_what_may_pass_is_repeated(self, backend: Backend, fault: Fault, mode: Mode) -> None:
        backend.server.fail(fault, times=2)
        assert ask(backend.chat(), QUESTION, mode) == ANSWER
        assert len(backend.server.requests) == 3

    @EVERY_MODE
    @pytest.mark.parametrize(
        ("fault", "kind", "words"),
        [
            (rate_limited(), RateLimitError, "Quota exceeded: requests per minute per project."),
            (failing(500), ProviderUnavailableError, "The model is overloaded."),
            (failing(503), ProviderUnavailableError, "The model is overloaded."),
            (broken("reset"), ProviderUnavailableError, "cannot be reached"),
        ],
        ids=["429", "500", "503", "reset"],
    )
    def test_what_does_not_pass_is_one_clear_error(
        self, backend: Backend, fault: Fault, kind: type[ModelError], words: str, mode: Mode
    ) -> None:
        backend.server.fail_always(fault)
        with pytest.raises(kind, match=words):
            ask(backend.chat(), QUESTION, mode)
        assert len(backend.server.requests) == 3

    @EVERY_MODE
    @pytest.mark.parametrize(
        ("fault", "kind", "words"),
        [
            (unauthorized(), AuthenticationError, "Incorrect API key provided"),
            (unauthorized(status=403), AuthenticationError, "Incorrect API key provided"),
            (no_such_model(), ModelNotFoundError, "not deployed.*:MODEL"),
            (too_large(), InputTooLargeError, "too many input tokens"),
            (too_large(400), InputTooLargeError, "too many input tokens"),
            (refused(), ModelError, r"\(400\): Invalid value for 'temperature'"),
            (broken("garbled"), ModelResponseError, "cannot be read|before its first word"),
            (broken("web page"), ModelResponseError, "cannot be read|before its first word"),
            (broken("wrong shape"), ModelResponseError, "cannot be read|before its first word|answered nothing"),
            (broken("empty answer"), ModelResponseError, "answered nothing"),
            (broken("blocked"), ModelResponseError, "withheld the answer"),
            (broken("length"), ModelResponseError, "cut the answer off after .* max_tokens"),
        ],
        ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Fault) else "",
    )
    def test_what_will_not_change_is_not_repeated(
        self, backend: Backend, fault: Fault, kind: type[ModelError], words: str, mode: Mode
    ) -> None:
        backend.server.fail_always(fault)
        with pytest.raises(kind, match=words) as caught:
            ask(backend.chat(), QUESTION, mode)
        assert type(caught.value) is kind
        assert len(backend.server.requests) == 1

    @EVERY_MODE
    def test_a_server_that_hangs_is_given_up(self, backend: Backend, mode: Mode) -> None:
        backend.server.fail(broken("hang"))
        with pytest.raises(ModelTimeoutError, match="timeout="):
            ask(backend.chat(timeout=0.2), QUESTION, mode)

    @EVERY_MODE
    def test_a_body_that_breaks_off_is_asked_for_again(self, backend: Backend, mode: Mode) -> None:
        backend.server.fail(broken("reset mid-answer", after=0))
        assert ask(backend.chat(), QUESTION, mode) == ANSWER

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    @pytest.mark.parametrize("kind", ["reset mid-answer", "cut stream", "stream error"])
    def test_a_stream_that_breaks_in_the_middle_is_an_error_after_its_pieces(
        self, backend: Backend, kind: str, mode: Mode
    ) -> None:
        backend.server.fail_always(broken(kind, after=3))  # type: ignore[arg-type]  # the literals above
        received: list[str] = []
        with pytest.raises(ModelResponseError, match=r"broke off the answer after \d+ characters"):
            ask(backend.chat(), QUESTION, mode, received)
        # Of a reset, the client may lose what it had not read; it never invents or repeats.
        assert ANSWER.startswith("".join(received))
        assert "".join(received) != ANSWER
        assert len(backend.server.requests) == 1

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_a_broken_stream_keeps_the_providers_words(self, backend: Backend, mode: Mode) -> None:
        backend.server.fail(broken("stream error", after=3))
        with pytest.raises(ModelResponseError, match="The model is overloaded"):
            ask(backend.chat(), QUESTION, mode)

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_a_stream_that_ends_before_its_first_word_is_an_error(
        self, openai_server: OpenAIServer, mode: Mode
    ) -> None:
        openai_server.fail(broken("cut stream", after=1))
        with pytest.raises(ModelResponseError, match="before its first word"):
            ask(Backend("fireworks", openai_server).chat(), QUESTION, mode)

    @EVERY_MODE
    def test_a_limit_that_the_caller_set_may_cut_the_answer(self, backend: Backend, mode: Mode) -> None:
        backend.server.fail_always(broken("length"))
        half = ANSWER[: len(ANSWER) // 2]
        assert ask(backend.chat(max_tokens=5), QUESTION, mode) == half
        name = "max_output_tokens" if backend.provider == "gemini" else "max_tokens"
        assert ask(backend.chat().bind(**{name: 5}), QUESTION, mode) == half

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_what_a_callback_raises_is_the_callers(self, backend: Backend, mode: Mode) -> None:
        class Stop(BaseCallbackHandler):
            raise_error = True
            seen = 0

            def on_llm_new_token(self, token: str, **kwargs: object) -> None:
                self.seen += 1
                if self.seen == 4:
                    raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            ask(backend.chat().with_config(callbacks=[Stop()]), QUESTION, mode)
        assert len(backend.server.requests) == 1

    def test_a_refused_connection(self) -> None:
        with OpenAIServer() as server:
            url = server.base_url
        chat = chat_model("openai:m", base_url=url, max_retries=0)
        with pytest.raises(ProviderUnavailableError, match="cannot be reached"):
            ask(chat, QUESTION)

    def test_geminis_400_for_an_unknown_key_is_a_refused_key(self, gemini_server: GeminiServer) -> None:
        chat = Backend("gemini", gemini_server).chat(api_key="wrong")
        with pytest.raises(AuthenticationError, match=r"API key not valid.*GEMINI_API_KEY"):
            ask(chat, QUESTION)

    def test_a_retired_model_is_part_of_the_error(self) -> None:
        with GeminiServer(models=["gemini-flash-latest"]) as server:
            chat = Backend("gemini", server).chat("gemini-2.0-flash")
            with pytest.raises(ModelNotFoundError, match=r"shut down on 2026-06-01.*gemini:gemini-flash-latest"):
                ask(chat, QUESTION)

    def test_a_retired_model_is_warned_of_before_the_request(self) -> None:
        with pytest.warns(RetiredModelWarning, match="2026-06-01") as warned:
            chat_model("gemini:gemini-2.0-flash", api_key="k")
        assert warned[0].filename == __file__


class TestRetryAfter:
    @EVERY_MODE
    @pytest.mark.parametrize("fault", [rate_limited(7), failing(503, retry_after=7)], ids=["429", "503"])
    def test_the_header_is_honoured(self, backend: Backend, waits: list[float], fault: Fault, mode: Mode) -> None:
        backend.server.fail(fault)
        assert ask(backend.chat(), QUESTION, mode) == ANSWER
        assert waits == [7.0]

    @EVERY_MODE
    def test_geminis_retry_info_is_honoured(self, gemini_server: GeminiServer, waits: list[float], mode: Mode) -> None:
        gemini_server.fail(rate_limited(retry_delay=13))
        assert ask(Backend("gemini", gemini_server).chat(), QUESTION, mode) == ANSWER
        assert waits == [13.0]

    def test_a_wait_of_a_day_is_not_waited(self, backend: Backend, waits: list[float]) -> None:
        backend.server.fail_always(rate_limited(86_400))
        with pytest.raises(RateLimitError, match="asks to wait 86400 s") as caught:
            ask(backend.chat(), QUESTION)
        assert caught.value.retry_after == 86_400
        assert waits == []

    def test_no_retries_means_one_call(self, backend: Backend) -> None:
        backend.server.fail_always(rate_limited(2))
        with pytest.raises(RateLimitError) as caught:
            ask(backend.chat(max_retries=0), QUESTION)
        assert caught.value.retry_after == 2
        assert len(backend.server.requests) == 1


def test_the_vendors_own_retries_are_off() -> None:
    """Else each of ours would be several."""
    chat = chat_model("fireworks", api_key="k", base_url="http://127.0.0.1:1/v1", max_retries=5)
    assert chat.max_retries == 0  # type: ignore[attr-defined]  # ChatOpenAI's field
    gemini = chat_model("gemini", api_key="k", base_url="http://127.0.0.1:1", max_retries=5)
    assert gemini.max_retries == 1  # type: ignore[attr-defined]  # 1 is one attempt in Google's counting
