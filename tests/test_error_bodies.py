"""What a server says in the body of an error, in all the shapes that servers have for it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.error_bodies import MOST_CHARS, as_status, read_body, sentence

WHY = "the knob must be at most 3"
RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}


class TestMessage:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"error": {"message": WHY, "type": "invalid_request_error"}}, WHY),
            ({"error": WHY}, WHY),
            ({"error": WHY, "error_type": "validation"}, WHY),
            ({"error": [WHY]}, WHY),
            ({"error": {"code": "BadParam", "detail": WHY}}, WHY),
            ({"error": {"code": 3, "message": json.dumps({"error": {"message": WHY}})}}, WHY),
            ({"error": True, "message": WHY}, WHY),
            ({"error": None, "detail": WHY}, WHY),
            ({"detail": WHY}, WHY),
            ({"detail": {"error": WHY}}, WHY),
            ({"detail": [{"loc": ["body", "knob"], "msg": WHY, "type": "value_error"}]}, f"knob: {WHY}"),
            (
                {"detail": [{"loc": ["body", "a", 0], "msg": "Field required"}, {"loc": ["query", "b"], "msg": "no"}]},
                "a.0: Field required; query.b: no",
            ),
            ({"errors": [{"message": WHY, "code": 5006}], "success": False, "messages": []}, WHY),
            ({"errors": ["one", "two", "two"]}, "one; two"),
            ({"object": "error", "message": WHY, "code": 400}, WHY),
            ({"message": [WHY, "and positive"], "error": "Bad Request", "statusCode": 400}, f"{WHY}; and positive"),
            ({"type": "about:blank", "title": "Bad Request", "status": 400, "detail": WHY}, WHY),
            ({"title": "Bad Request", "status": 400}, "Bad Request"),
            ({"error": "invalid_request", "error_description": WHY}, "invalid_request"),
            ([{"error": {"message": WHY, "status": "INVALID_ARGUMENT"}}], WHY),
            ([{"error": "a"}, {"error": "b"}, {"error": "c"}, {"error": "d"}], "a; b; c"),
            (
                {"error": {"message": "Provider returned error", "metadata": {"raw": json.dumps({"error": WHY})}}},
                f"Provider returned error: {WHY}",
            ),
            ({"__type": "ValidationException", "message": WHY}, WHY),
            ({"Error": {"Code": "ValidationException", "Message": WHY}}, WHY),
            (WHY, WHY),
            (json.dumps(WHY), WHY),
            (f"  {WHY}\r\n", WHY),
            (f'{{"error": "{WHY}"', f'{{"error": "{WHY}"'),
            ("404 page not found", "404 page not found"),
            (f"<html><head><title>{WHY}</title></head><body><h1>Other</h1></body></html>", WHY),
            (f"<!DOCTYPE html>\n<html lang=en><body><h1 class=x>{WHY}</h1><p>nginx</body>", WHY),
            ("<html><head><script>var x = 1;</script></head><body><p>No &amp; never</p></body></html>", "No & never"),
            ("<html>bad gateway</html>", "bad gateway"),
            (f'<?xml version="1.0"?><Error><Code>X</Code><Message>{WHY}</Message></Error>', WHY),
            ({"message": f"<html><title>{WHY}</title></html>", "status": "Bad Gateway"}, WHY),
            ("", ""),
            ({}, ""),
            ([], ""),
            (None, ""),
            ({"error": {"code": 1}}, ""),
            ({"data": []}, ""),
            ("<html>", ""),
            (7, ""),
        ],
    )
    def test_is_found_in_every_shape(self, body: Any, message: str) -> None:
        """Parsed, as text, as bytes, and behind a byte order mark."""
        wanted = sentence(message)
        assert read_body(body).message == wanted
        if isinstance(body, dict | list):
            text = json.dumps(body)
            for sent in (text, text.encode(), b"\xef\xbb\xbf" + text.encode()):
                assert read_body(sent).message == wanted
        elif isinstance(body, str):
            assert read_body(body.encode()).message == wanted

    def test_is_one_line_and_not_long(self) -> None:
        assert read_body({"error": "one\n\n  two"}).message == "one two."
        assert len(read_body({"error": "x" * 100_000}).message) <= MOST_CHARS + 2
        assert read_body("Überlast!".encode()).message == "Überlast!"
        assert read_body(b"\xff\xfe\x00").message

    def test_of_what_nobody_would_send_is_read_in_no_time(self) -> None:
        """Nested without end, a page of openings that are never closed, a megabyte."""
        deep: Any = WHY
        for _ in range(5000):
            deep = [deep]
        for body in (
            deep,
            "[" * 100_000,
            "<html>" + "<script><title>" * 50_000,
            "<html>" + "<" * 500_000,
            "{" * 2_000_000,
        ):
            read_body(body)


class TestFacts:
    @pytest.mark.parametrize(
        ("body", "codes", "status", "wait"),
        [
            ({"error": {"code": "insufficient_quota", "type": "x"}}, {"insufficient_quota", "x"}, None, None),
            ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, {"resource_exhausted"}, 429, None),
            ({"error": {"code": "502", "message": "upstream"}}, {"502"}, 502, None),
            ({"statusCode": 503}, set(), 503, None),
            ({"code": 20042}, set(), None, None),
            ({"status": 200, "code": True}, set(), None, None),
            ([{"error": {"code": 429, "details": [{"@type": "other"}, RETRY_INFO]}}], set(), 429, 37.5),
            ({"error": {"message": "Please try again in 1.2s."}}, set(), None, 1.2),
            ({"error": {"message": "Please retry in 37s."}}, set(), None, 37),
            ({"error": {"message": "Please retry after 6 seconds."}}, set(), None, 6),
            ({"error": {"message": "Please try again in 6m0s."}}, set(), None, 360),
            ({"error": {"message": "Please try again in 20ms."}}, set(), None, 0.02),
            ({"error": {"message": "Please try again in a while."}}, set(), None, None),
        ],
    )
    def test_for_machines(self, body: Any, codes: set[str], status: int | None, wait: float | None) -> None:
        found = read_body(body)
        assert (found.codes, found.status) == (codes, status)
        assert found.wait == (pytest.approx(wait) if wait is not None else None)

    @pytest.mark.parametrize(
        ("value", "status"),
        [(400, 400), ("503", 503), (200, None), (600, None), (True, None), ("5xx", None), (None, None), (429.0, None)],
    )
    def test_a_status_is_one_of_an_error(self, value: Any, status: int | None) -> None:
        assert as_status(value) == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "errors", "code", "status", "loc", "metadata", "raw", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(body=JSON | st.text() | st.binary())
def test_any_body_is_read(body: Any) -> None:
    found = read_body(body)
    assert "\n" not in found.message
    assert len(found.message) <= MOST_CHARS + 2
    assert found.message == sentence(found.message)
