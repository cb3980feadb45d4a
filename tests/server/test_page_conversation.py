"""A person with a browser asks on, and looks at what the answer cites."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import browser, chromium, watched_page
from support.served import Served, serving
from support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)"),
]

QUESTION, FOLLOW_UP = "How is data flushed?", "And where is it stored?"


@pytest.fixture(scope="module")
def server(index_uri: str) -> Iterator[Served]:
    with serving(index_uri) as served:
        yield served


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chrome: Browser, server: Served) -> Iterator[Page]:
    with watched_page(chrome, f"{server.url}/", permissions=["clipboard-read", "clipboard-write"]) as opened:
        yield opened


def ask(page: Page, question: str) -> Any:
    """Ask, wait for the answer, and give its turn."""
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    turn = page.locator(".turn").last
    expect(turn.locator(".question")).to_have_text(question)
    expect(turn.locator(".facts")).not_to_be_empty()
    return turn


def answering(page: Page, answer: str, **marks: bool) -> list[dict[str, Any]]:
    """Let the server answer a text over two passages. Returns the bodies that it is sent."""
    passages: list[dict[str, Any]] = [
        {"page_content": "Segments are kept in object storage.", "metadata": {"source": "a.md", "start_line": 3}},
        {"page_content": "A flush writes growing data.", "metadata": {"source": "b.md", "headings": ["B"]}},
    ]
    for passage in passages:
        passage["metadata"] |= marks
    parts: list[dict[str, Any]] = [{"question": "q"}, {"context": passages}, {"answer": answer}, {"citations": []}]
    body = "".join(f"event: data\ndata: {json.dumps(part)}\n\n" for part in parts) + "event: end\n\n"
    sent: list[dict[str, Any]] = []

    def answer_it(route: Any) -> None:
        sent.append(route.request.post_data_json)
        route.fulfill(status=200, body=body, content_type="text/event-stream")

    page.route("**/rag/stream", answer_it)
    return sent


def test_a_follow_up_goes_on_with_the_turn_before(page: Page) -> None:
    first = ask(page, QUESTION)
    expect(first.locator(".searched")).to_be_hidden()
    second = ask(page, FOLLOW_UP)
    expect(second.locator(".searched")).to_have_text("Searched for: And where is it stored? (data flushed)")
    page.reload()
    expect(page.locator(".searched").last).to_have_text("Searched for: And where is it stored? (data flushed)")
    page.get_by_role("button", name="New chat").click()
    expect(ask(page, FOLLOW_UP).locator(".searched")).to_be_hidden()


def test_what_was_answered_goes_with_the_question_and_no_more_than_six_turns(page: Page) -> None:
    sent = answering(page, "So it is [1].")
    for number in range(8):
        ask(page, f"question {number}")
    assert "chat_history" not in sent[0]["input"]
    assert sent[1]["input"] == {
        "question": "question 1", "chat_history": [["human", "question 0"], ["ai", "So it is [1]."]],
    }  # fmt: skip
    assert [said for _, said in sent[7]["input"]["chat_history"][::2]] == [f"question {i}" for i in range(1, 7)]


def test_a_citation_opens_its_passage_by_keyboard_with_the_words_marked(page: Page) -> None:
    answering(page, "Growing data is written by a flush [2]. `x[1]` is code, [9] is nothing.")
    turn = ask(page, QUESTION)
    (citation,) = turn.locator(".citation").all()
    assert citation.get_attribute("aria-label") == "Source 2"
    citation.focus()
    page.keyboard.press("Enter")
    source = turn.locator(".source").nth(1)
    expect(source).to_have_attribute("open", "")
    expect(source.locator("summary")).to_be_focused()
    assert source.locator("mark").all_text_contents() == ["flush", "growing", "data"]
    expect(turn.locator(".source").first).not_to_have_attribute("open", "")


def test_the_model_that_quotes_cites_by_nature(page: Page) -> None:
    turn = ask(page, QUESTION)
    turn.locator(".citation").first.click()
    # The quotation's words, and not those of the line that says where it is from.
    assert {"writes", "growing", "memory"} <= set(turn.locator(".source[open] mark").all_text_contents())


def test_an_answer_that_cites_nothing_is_marked_so(page: Page) -> None:
    answering(page, "It is somewhere.")
    expect(ask(page, QUESTION).locator(".facts")).to_contain_text("cites none of the sources")


def test_passages_that_are_only_the_nearest_say_so(page: Page) -> None:
    answering(page, "The documents do not answer this question.", only_nearest=True)
    turn = ask(page, QUESTION)
    expect(turn.locator(".sources h3")).to_have_text("Nearest passages")
    expect(turn.locator(".facts")).not_to_contain_text("cites none")
    turn.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert "\n\nNearest passages:\n\n1. a.md" in page.evaluate("navigator.clipboard.readText()")
    page.reload()
    expect(page.locator(".sources h3")).to_have_text("Nearest passages")


def test_the_question_comes_to_the_top(page: Page) -> None:
    for question in (QUESTION, "What colour are bananas?"):
        turn = ask(page, question)
    top = "element => element.getBoundingClientRect().top"
    wait_until(lambda: turn.locator(".question").evaluate(top) < 160, "the question stays where it was")


def test_an_answer_is_copied_with_its_sources(page: Page) -> None:
    answering(page, "So it is [1].")
    ask(page, QUESTION).get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "So it is [1].\n\nSources:\n\n1. a.md, line 3\n2. b.md, B"


def test_what_a_model_thought_is_folded(page: Page) -> None:
    answering(page, "<think>\nThey want **data**.\n</think>\nSo it is [1].")
    turn = ask(page, QUESTION)
    expect(turn.locator(".thought summary")).to_have_text("What the model thought")
    expect(turn.locator(".thought div")).to_be_hidden()
    expect(turn.locator(".answer")).to_contain_text("So it is")


@pytest.mark.parametrize(("answer", "direction"), [("כדי למחוק השתמש בפקודה.", "rtl"), ("Use drop.", "ltr")])
def test_each_block_runs_as_its_language_does(page: Page, answer: str, direction: str) -> None:
    answering(page, answer)
    paragraph = ask(page, QUESTION).locator(".answer p")
    assert paragraph.evaluate("element => getComputedStyle(element).direction") == direction


class TestWhatTheBrowserKeeps:
    def test_is_for_one_path_of_an_origin(self, page: Page, server: Served) -> None:
        ask(page, "a secret of one team")
        kept = page.evaluate("Object.keys(sessionStorage)")
        assert kept
        assert all(name.startswith("milvus-rag:/:") for name in kept)

    @pytest.mark.parametrize("stored", ["{", "[1, null, {}]", '[{"question": "Q", "context": 7}]', '"text"'])
    def test_may_be_broken(self, chrome: Browser, server: Served, stored: str) -> None:
        with watched_page(chrome, f"{server.url}/") as page:
            page.evaluate("text => sessionStorage.setItem('milvus-rag:/:history', text)", stored)
            page.reload()
            expect(ask(page, QUESTION).locator(".answer")).to_contain_text("flush")

    def test_may_be_nothing(self, chrome: Browser, server: Served) -> None:
        with watched_page(chrome, f"{server.url}/") as page:
            page.add_init_script(
                "for (const name of ['localStorage', 'sessionStorage'])"
                " Object.defineProperty(window, name, {get() { throw new DOMException('no', 'SecurityError'); }});"
            )
            page.reload()
            expect(ask(page, QUESTION).locator(".answer")).to_contain_text("flush")
            page.get_by_role("button", name="Switch between light and dark").click()
