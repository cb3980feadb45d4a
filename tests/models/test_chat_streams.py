"""Chat answers as servers send them: whole, in pieces, with thoughts, without an end, with an error inside."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from milvus_rag.errors import ModelError, ModelResponseError, ModelTimeoutError, ProviderUnavailableError
from milvus_rag.models.chat import chat_model
from milvus_rag.models.providers.chat_events import ChatEvents, collected
from milvus_rag.models.providers.event_stream import ErrorAnswerError, EventStream, UnreadableAnswerError
from milvus_rag.models.providers.think_blocks import ThinkBlocks
from support.backends import MODES, Mode
from support.gemini_server import GeminiServer
from support.scripted_server import DONE, Script, completion, event, scripted, sse

EVERY_MODE = pytest.mark.parametrize("mode", MODES)
SEA = "The sea is 바다 🌊."
USAGE = {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}


def asked(url: str, mode: Mode, **options: Any) -> AIMessage:
    """The whole message, asked for in one of the four ways."""
    model = chat_model("openai:m", base_url=url, max_retries=1, backoff=0.0, **options)
    if mode == "invoke":
        return model.invoke("q")
    if mode == "ainvoke":
        return asyncio.run(model.ainvoke("q"))

    async def pieces() -> list[Any]:
        return [chunk async for chunk in model.astream("q")]

    first, *rest = list(model.stream("q")) if mode == "stream" else asyncio.run(pieces())
    for chunk in rest:
        first += chunk
    return first


def cut(text: str, size: int) -> tuple[bytes, ...]:
    data = text.encode()
    return tuple(data[start : start + size] for start in range(0, len(data), size))


class TestAnAnswer:
    @EVERY_MODE
    @pytest.mark.parametrize(
        "body",
        [
            (event({"role": "assistant"}), event({"content": SEA}), event({}, "stop"), DONE),
            (event({"content": SEA}), DONE),
            (event({"content": SEA}), "data: [DONE]"),
            (event({"content": SEA}), event({}, "stop")),
            (event({"content": SEA}, ""), event({"content": ""}, "eos"), DONE),
            (sse({"choices": None}), sse({"choices": []}), event({"content": SEA}), sse({"choices": []}), DONE),
            (": wait\n\n", ": wait\n\n", event({"content": SEA}), ": wait\n\n", DONE),
            ("event: chunk\r\nid: 4\r\nretry: 9\r\n", event({"content": SEA}).replace("\n", "\r\n"), DONE),
            ("event: chunk\rid: 4\r", event({"content": SEA}).replace("\n", "\r"), DONE),
            ("\ufeff", "\n\n", event({"content": SEA}).replace("data: ", "data:"), DONE),
            cut(event({"content": SEA}) + event({}, "stop") + DONE, 1),
            cut(event({"content": SEA}).replace("\n", "\r\n") + DONE, 3),
            (sse({"choices": [{"message": {"content": SEA}, "finish_reason": "stop"}]}), DONE),
            completion({"content": SEA}),
            completion({"content": SEA}, None),
            b"\xef\xbb\xbf  \n " + json.dumps(completion({"content": SEA})).encode(),
        ],
    )
    def test_is_whole_however_it_is_sent(self, body: Any, mode: Mode) -> None:
        with scripted(Script(body)) as server:
            assert asked(server.url, mode).text == SEA
            assert len(server.requests) == 1

    @EVERY_MODE
    @pytest.mark.parametrize(
        "body",
        [
            (event({"content": "a"}), event({}, "stop"), sse({"choices": [], "usage": USAGE}), DONE),
            (event({"content": "a"}, usage={**USAGE, "total_tokens": 8}), event({}, "stop", usage=USAGE), DONE),
            (event({"content": "a"}, usage=USAGE), event({}, "stop", usage=None), DONE),
            (event({"content": "a"}, usage=USAGE), event({}, "stop"), sse({"usage": USAGE}), DONE),
            completion({"content": "a"}, usage=USAGE),
            (event({"content": "a"}, usage="soon"), event({}, "stop", usage=USAGE), DONE),
        ],
    )
    def test_counts_its_tokens_once(self, body: Any, mode: Mode) -> None:
        with scripted(Script(body)) as server:
            usage = asked(server.url, mode).usage_metadata
            assert usage is not None
            assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (7, 4, 11)

    @EVERY_MODE
    def test_may_be_a_call_of_a_tool_in_pieces(self, mode: Mode) -> None:
        def call(arguments: str, **more: Any) -> str:
            return event({"tool_calls": [{"function": {"arguments": arguments}, **more}]})

        named = {"function": {"name": "look", "arguments": ""}, "id": "t1", "type": "function", "index": 0}
        body = (event({"tool_calls": [named]}), call('{"at": '), call('"sea"}'), event({}, "tool_calls"), DONE)
        with scripted(Script(body)) as server:
            [found] = asked(server.url, mode).tool_calls
            assert (found["name"], found["args"], found["id"]) == ("look", {"at": "sea"}, "t1")

    @EVERY_MODE
    def test_may_be_blocks(self, mode: Mode) -> None:
        parts = [{"type": "text", "text": "The "}], [{"type": "text", "text": "sea."}]
        with scripted(Script((*(event({"content": part}) for part in parts), event({}, "stop"), DONE))) as server:
            assert asked(server.url, mode).text == "The sea."

    def test_is_asked_for_whole_where_not_every_server_streams_it(self) -> None:
        with scripted(Script(completion({"content": "a"}))) as server:
            model = chat_model("openai:m", base_url=server.url)
            model.bind(n=2).invoke("q")
            model.bind(logprobs=True).invoke("q")
            model.bind_tools([{"type": "function", "function": {"name": "f", "parameters": {}}}]).invoke("q")
            assert [body.get("stream", False) for _, body in server.requests] == [False] * 3


class TestARefusal:
    @EVERY_MODE
    @pytest.mark.parametrize(
        "body",
        [
            (event({"refusal": "I will "}), event({"refusal": "not."}), event({}, "stop"), DONE),
            completion({"content": None, "refusal": "I will not."}),
        ],
    )
    def test_is_told_apart_from_an_answer_without_words(self, body: Any, mode: Mode) -> None:
        with scripted(Script(body)) as server, pytest.raises(ModelResponseError, match=r"withheld .*not"):
            asked(server.url, mode)


class TestThoughts:
    @EVERY_MODE
    @pytest.mark.parametrize(
        "body",
        [
            (event({"content": "<think>\nDeep.\n</think>\n\nSea."}), event({}, "stop"), DONE),
            cut(event({"content": "<think>\nDeep.\n</think>\n\nSea."}) + DONE, 7),
            (*(event({"content": piece}) for piece in "<think>\nDeep.\n</think>\n\nSea."), DONE),
            (event({"reasoning_content": "Deep.\n", "content": None}), event({"content": "Sea."}), DONE),
            (event({"reasoning": "Deep.\n"}), event({"content": "Sea."}, "stop"), DONE),
            completion({"content": "Sea.", "reasoning_content": "Deep.\n"}),
            completion({"content": "<THINK>Deep.\n</THINK>Sea."}),
        ],
    )
    def test_are_kept_apart(self, body: Any, mode: Mode) -> None:
        with scripted(Script(body)) as server:
            message = asked(server.url, mode)
        assert message.text == "Sea."
        assert message.additional_kwargs["reasoning_content"] == "Deep.\n"

    @EVERY_MODE
    def test_alone_are_no_answer(self, mode: Mode) -> None:
        with (
            scripted(Script((event({"content": "<think>Deep"}), event({}, "stop"), DONE))) as server,
            pytest.raises(ModelResponseError, match="answered nothing"),
        ):
            asked(server.url, mode)

    @EVERY_MODE
    def test_that_use_up_the_limit_say_what_to_raise(self, mode: Mode) -> None:
        with (
            scripted(Script((event({"reasoning_content": "Deep"}), event({}, "length"), DONE))) as server,
            pytest.raises(ModelResponseError, match=r"raise max_tokens= \(--max-tokens\)"),
        ):
            asked(server.url, mode, max_tokens=5)

    @pytest.mark.parametrize("text", ["<thin ice", "a <think>b</think>", "<", "</think> a", "<thinker>a</thinker>"])
    def test_are_only_what_is_marked_so_at_the_beginning(self, text: str) -> None:
        blocks = ThinkBlocks()
        pieces = [*map(blocks.split, text), blocks.rest()]
        assert "".join(answer for _, answer in pieces) == text

    @given(
        st.sampled_from(["", " \n", "\n"]),
        st.text(alphabet="ab </think>\n", max_size=30).filter(lambda text: "</think>" not in text),
        st.sampled_from(["", "\n\n", " "]),
        st.text(max_size=20).map(str.strip),
        st.lists(st.integers(1, 9), min_size=1),
    )
    def test_are_the_same_however_the_text_is_cut(
        self, before: str, thoughts: str, gap: str, answer: str, sizes: list[int]
    ) -> None:
        thoughts = thoughts.lstrip()
        text = f"{before}<think>{thoughts}</think>{gap}{answer}"
        blocks, pieces, place = ThinkBlocks(), [], 0
        while place < len(text):
            size = sizes[len(pieces) % len(sizes)]
            pieces.append(blocks.split(text[place : place + size]))
            place += size
        pieces.append(blocks.rest())
        assert "".join(piece for piece, _ in pieces) == thoughts
        assert "".join(piece for _, piece in pieces) == answer


class TestAnErrorInside:
    @EVERY_MODE
    @pytest.mark.parametrize(
        "error",
        [
            {"error": {"message": "Upstream is gone", "code": 502}},
            {"error": {"message": "Upstream is gone", "type": "overloaded_error"}},
            {"object": "error", "message": "Upstream is gone", "code": 503},
            {"choices": [], "error": {"message": "Upstream is gone", "code": "504"}},
            {"choices": [{"index": 0, "error": {"message": "Upstream is gone", "code": 502}}]},
        ],
    )
    @pytest.mark.parametrize("is_event", [True, False])
    def test_that_may_pass_is_repeated(self, error: Any, is_event: bool, mode: Mode) -> None:
        with scripted(Script((": hm\n\n", sse(error)) if is_event else error)) as server:
            with pytest.raises(ProviderUnavailableError, match="Upstream is gone"):
                asked(server.url, mode)
            assert len(server.requests) == 2

    @EVERY_MODE
    def test_of_an_event_with_that_name(self, mode: Mode) -> None:
        with (
            scripted(Script(("event: error\ndata: no room left\n\n",))) as server,
            pytest.raises(ModelResponseError, match="no room left"),
        ):
            asked(server.url, mode)

    @pytest.mark.parametrize("mode", ["stream", "astream"])
    def test_after_a_part_of_the_answer_is_not_repeated(self, mode: Mode) -> None:
        body = (event({"content": "The s"}), sse({"error": {"message": "Upstream is gone", "code": 502}}))
        with scripted(Script(body)) as server:
            with pytest.raises(ModelResponseError, match=r"after 5 characters: .*Upstream is gone"):
                asked(server.url, mode)
            assert len(server.requests) == 1

    @pytest.mark.parametrize("mode", ["invoke", "ainvoke"])
    def test_is_repeated_where_nothing_was_handed_on(self, mode: Mode) -> None:
        bodies = iter([(event({"content": "The s"}), sse({"error": {"code": 502}})), (event({"content": SEA}), DONE)])
        with scripted(lambda _: Script(next(bodies))) as server:
            assert asked(server.url, mode).text == SEA


class TestNoAnswer:
    @EVERY_MODE
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (Script("<html><title>Log in</title><body>x</body></html>", kind="text/html"), "begins with: Log in"),
            (Script(b""), "it is empty"),
            (Script("[1, 2]"), "no object"),
            (Script({"answer": "a", "done": True}), "has 'answer', 'done', and no choices"),
            (Script((sse({"text": "a"}), DONE)), "has 'text', and no choices"),
            (Script(("data: {oops\n\n", DONE)), "no JSON: '{oops'"),
            (Script((sse("[]"), DONE)), "no JSON object"),
            (Script({"choices": "many"}), "choices are no list"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_says_what_it_is_and_asks_for_the_base_url(self, body: Script, words: str, mode: Mode) -> None:
        with scripted(body) as server:
            with pytest.raises(ModelResponseError, match=words) as caught:
                asked(server.url, mode)
            assert "--llm-url" in str(caught.value)
            assert len(server.requests) == 1

    @EVERY_MODE
    @pytest.mark.parametrize("body", [{"choices": []}, (DONE,), (event({"content": ""}), event({}, "stop"), DONE)])
    def test_without_a_word(self, body: Any, mode: Mode) -> None:
        with scripted(Script(body)) as server, pytest.raises(ModelResponseError, match="answered nothing"):
            asked(server.url, mode)

    @EVERY_MODE
    @pytest.mark.parametrize("end", [(), (event({}, None),), ('data: {"choices": [{"del',)])
    def test_that_breaks_off(self, end: tuple[str, ...], mode: Mode) -> None:
        with (
            scripted(Script((event({"content": SEA}), *end))) as server,
            pytest.raises(ModelResponseError, match=f"broke off the answer after {len(SEA)} characters"),
        ):
            asked(server.url, mode)


class TestTime:
    @EVERY_MODE
    def test_a_whole_answer_has_a_limit_of_its_own(self, mode: Mode) -> None:
        """However much comes: the limit is over before the first piece here."""
        with (
            scripted(Script((event({"content": SEA}), DONE))) as server,
            pytest.raises(ModelTimeoutError, match=r"answer_timeout= \(MILVUS_RAG_ANSWER_TIMEOUT\)"),
        ):
            asked(server.url, mode, answer_timeout=1e-9)

    @pytest.mark.parametrize("is_async", [False, True])
    def test_so_has_a_stream_of_gemini(self, gemini_server: GeminiServer, is_async: bool) -> None:
        chat = chat_model(
            "gemini:gemini-flash-latest",
            api_key=gemini_server.key,
            base_url=gemini_server.base_url,
            answer_timeout=1e-9,
        )

        async def astream() -> list[Any]:
            return [chunk async for chunk in chat.astream("How deep is the sea?")]

        with pytest.raises(ModelTimeoutError, match=r"answer_timeout= \(MILVUS_RAG_ANSWER_TIMEOUT\)"):
            asyncio.run(astream()) if is_async else list(chat.stream("How deep is the sea?"))
        assert len(gemini_server.requests) == 1

    def test_no_other_clock_runs(self) -> None:
        """LangChain's own would count comments as silence."""
        assert chat_model("openai:m", base_url="http://127.0.0.1:1").stream_chunk_timeout is None  # type: ignore[attr-defined]  # ChatOpenAI's


class TestWhatAServerRefuses:
    @EVERY_MODE
    def test_usage_in_streams_is_left_out_from_then_on(self, mode: Mode) -> None:
        def answer(body: Any) -> Script:
            if "stream_options" in body:
                return Script({"detail": "Extra inputs are not permitted: stream_options"}, 422)
            return Script((event({"content": SEA}), DONE))

        with scripted(answer) as server:
            model = chat_model("openai:m", base_url=server.url, max_retries=0)
            ask = model.invoke if mode in ("invoke", "ainvoke") else lambda q: "".join(c.text for c in model.stream(q))
            ask("q")
            ask("q")
            assert ["stream_options" in body for _, body in server.requests] == [True, False, False]

    def test_streams_are_left_out_where_the_whole_is_wanted(self) -> None:
        def answer(body: Any) -> Script:
            if body.get("stream"):
                return Script({"error": "Streaming is not supported by this model"}, 400)
            return Script(completion({"content": SEA}))

        with scripted(answer) as server:
            model = chat_model("openai:m", base_url=server.url, max_retries=0)
            assert model.invoke("q").text == SEA
            assert model.invoke("q").text == SEA
            assert [body["stream"] for _, body in server.requests] == [True, False, False]
            with pytest.raises(ModelError, match="Streaming is not supported"):
                list(model.stream("q"))


class TestEventStream:
    @given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.sampled_from(["\n", "\r", "\r\n"]), st.data())
    def test_gives_the_same_events_however_the_bytes_are_cut(self, texts: list[str], end: str, data: Any) -> None:
        whole = "".join(f": c{end}event: x{end}data:{json.dumps({'t': text})}{end}{end}" for text in texts)
        sent = (whole + f"data: [DONE]{end}{end}").encode()
        stream, found, place = EventStream(), [], 0
        while place < len(sent):
            size = data.draw(st.integers(1, 40))
            found += stream.feed(sent[place : place + size])
            place += size
        found += stream.finish()
        assert [item["t"] for item in found] == texts
        assert stream.is_whole

    def test_joins_the_lines_of_an_event(self) -> None:
        assert list(EventStream().feed(b'data: {"a":\ndata: 1}\n\n')) == [{"a": 1}]

    def test_nothing_counts_behind_the_end(self) -> None:
        assert list(EventStream().feed(b'data: [DONE]\n\ndata: {"a": 1}\n\n')) == []

    def test_an_error_is_one_whatever_its_case(self) -> None:
        with pytest.raises(ErrorAnswerError, match="no room"):
            list(EventStream().feed(b'data: {"error": {"message": "no room"}}\n\n'))
        with pytest.raises(UnreadableAnswerError):
            list(EventStream().finish())


def test_several_choices_stay_apart() -> None:
    events = ChatEvents()
    made = [
        events.add({"choices": [{"index": index, "delta": {"content": text}, "finish_reason": None}]})
        for index, text in ((0, "<think>x"), (1, "left"), (0, "</think>right"))
    ]
    whole = collected([*made, *events.end(is_whole=True)])
    assert [choice["message"]["content"] for choice in whole["choices"]] == ["right", "left"]
    assert [choice["finish_reason"] for choice in whole["choices"]] == ["stop", "stop"]
