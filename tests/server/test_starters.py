"""Questions to begin with, and what is said of answers."""

import logging

import pytest

from milvus_rag.server.starters import MOST_STARTERS, starter_questions
from support.asgi import application


def chunk(source: str, title: str | None = None, *headings: str) -> dict[str, object]:
    return {"source": source, "title": title, "headings": list(headings)}


def test_headings_that_ask_come_first_and_then_titles() -> None:
    chunks = [
        chunk("a.md", "Deployment guide", "Deployment guide"),
        chunk("b.md", "FAQ about data", "FAQ about data", "Where is data stored?"),
        chunk("b.md", "FAQ about data", "FAQ about data", "How is data flushed?"),
        chunk("c.md", "Widgets and how to arm them"),
    ]
    assert starter_questions(chunks) == [
        "Where is data stored?", "Deployment guide", "FAQ about data", "Widgets and how to arm them",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "metadata",
    [{}, {"headings": "a text?"}, {"headings": []}, {"title": 7}, {"title": "x" * 81}, {"title": "two\nlines of it"}],
)
def test_what_fits_on_no_button_is_left_out(metadata: dict[str, object]) -> None:
    assert starter_questions([metadata]) == []


def test_they_are_spread_over_all_that_there_is() -> None:
    chunks = [chunk(f"{number}.md", f"Page number {number:02}") for number in range(40)]
    chosen = starter_questions(chunks)
    assert len(chosen) == MOST_STARTERS
    assert chosen == ["Page number 00", "Page number 10", "Page number 20", "Page number 30"]


async def test_the_server_takes_them_from_its_collection(index_uri: str) -> None:
    async with application(index_uri) as client:
        questions = (await client.get("/starters")).json()["questions"]
        assert sorted(questions) == ["How is data flushed?", "Where is data stored?"]


async def test_without_a_collection_there_are_none(index_uri: str) -> None:
    async with application(index_uri, collection="not_there") as client:
        assert (await client.get("/starters")).status_code == 503


async def test_feedback_is_taken_where_the_operator_asks_for_it(
    index_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = {"request_id": "0123abcd", "helpful": True}
    async with application(index_uri) as client:
        assert (await client.post("/feedback", json=given)).status_code == 404
        assert (await client.get("/info")).json()["takes_feedback"] is False
    async with application(index_uri, feedback=True) as client:
        assert (await client.get("/info")).json()["takes_feedback"] is True
        with caplog.at_level(logging.INFO, "milvus_rag.server"):
            assert (await client.post("/feedback", json=given)).status_code == 204
        (line,) = [record for record in caplog.records if record.getMessage() == "An answer was helpful."]
        assert line.__dict__["fields"] == {"answer": "0123abcd", "helpful": True}
        # What could forge a log line, or is no answer to anything.
        for wrong in ({**given, "request_id": "a\nb"}, {**given, "text": "x"}, {"helpful": True}):
            assert (await client.post("/feedback", json=wrong)).status_code == 422
