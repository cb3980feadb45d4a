"""What the command says of a question that the indexed files do not answer."""

from pathlib import Path

import pytest

from milvus_rag.chains.rag import NO_CONTEXT_ANSWER
from support.openai_server import OpenAIServer

from .conftest import Run

PAGES = Path(__file__).resolve().parents[2] / "docs"
QUESTION = "How do I replicate the collection to a second data centre?"
HINT = "The documents seem not to answer this. These are the nearest passages.\n"


@pytest.fixture
def pages(run: Run) -> None:
    assert run("index", PAGES).exit_code == 0


@pytest.mark.usefixtures("pages")
class TestUnanswered:
    def test_ask_says_so_and_shows_the_nearest(self, run: Run) -> None:
        ran = run("ask", QUESTION)
        answer, _, passages = ran.stdout.partition("\nNearest passages:\n")
        assert answer == f"{NO_CONTEXT_ANSWER}\n"
        assert [line[:5] for line in passages.splitlines()] == ["  1. ", "  2. ", "  3. "]

    def test_json_marks_them(self, run: Run) -> None:
        answered = run("ask", QUESTION, "--json").json
        assert answered["answer"] == NO_CONTEXT_ANSWER
        assert answered["citations"] == []
        for passages in (answered["sources"], run("search", QUESTION, "--json").json["hits"]):
            assert [passage["only_nearest"] for passage in passages] == [True] * 3

    @pytest.mark.parametrize("how", [(), ("--explain",)])
    def test_search_shows_them_all_the_same(self, run: Run, how: tuple[str, ...]) -> None:
        ran, plain = run("search", QUESTION, *how), run("search", QUESTION, *how, "--min-score", "none")
        assert ran.stdout == plain.stdout != ""
        assert (ran.stderr, plain.stderr) == (HINT, "")

    def test_no_model_is_asked_unless_it_is_turned_off(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        with OpenAIServer() as server:
            for name, value in server.environment("openai").items():
                monkeypatch.setenv(name, value)
            assert run("ask", QUESTION, "--llm", "openai:fake").stdout.startswith(NO_CONTEXT_ANSWER)
            assert server.requests == []
            ran = run("ask", QUESTION, "--llm", "openai:fake", "--min-score", "none")
            assert not ran.stdout.startswith(NO_CONTEXT_ANSWER)
            assert "\nSources:\n" in ran.stdout
            assert len(server.requests) == 1

    def test_a_follow_up_of_it_is_a_question_of_its_own(self, run: Run) -> None:
        run("ask", QUESTION)
        ran = run("ask", "How do I make a key for the server?", "--continue")
        assert not ran.stdout.startswith(NO_CONTEXT_ANSWER)
