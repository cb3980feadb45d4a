"""The page in each of its states: what axe-core finds, what is said of failures, where focus and window are."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from support.accessibility import check
from support.browser import browser, chromium, watched_page
from support.served import Served, serving
from support.slow_model import SlowModel
from support.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)"),
]

QUESTION = "How is data flushed?"
LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True},
}
ANSWER = """<think>
They ask about **flushing**.
</think>
Growing data is written by a flush [2], see `flush()` and [the guide](https://docs.example.org/).

```python
client.flush("a_collection_with_a_name_that_is_longer_than_any_line_on_any_phone_could_ever_be_without_scrolling")
```

| Call | What it does |
|---|---|
| `flush` | writes <kbd>growing</kbd> data |

> A flush writes growing data.
>
> — b.md

1. [bank.example](https://evil.example/)
2. כדי למחוק
"""
PASSAGES: list[dict[str, Any]] = [
    {
        "page_content": "Segments are kept.\n\n    indented code",
        "metadata": {"source": "a.md", "start_line": 3, "score": 0.7},
    },
    {"page_content": "A flush writes growing data.", "metadata": {"source": "b.md", "headings": ["B", "Flush"]}},
]


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=400, pause=0.02) as server:
        yield server


@pytest.fixture(scope="module")
def server(index_uri: str, model: SlowModel) -> Iterator[Served]:
    with serving(index_uri, "--allow-llm", "openai:slow", "--feedback", environment=model.environment) as served:
        yield served


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


class Canned:
    """Answers of the server, one after the other; None holds an answer back until `release`."""

    def __init__(self, page: Page) -> None:
        self.body: str | None = None
        self._held: Route | None = None
        page.route("**/rag/stream", self._answer)

    def answer(self, text: str, *, problem: str = "", **marks: bool) -> None:
        passages = [{**passage, "metadata": {**passage["metadata"], **marks}} for passage in PASSAGES]
        parts: list[dict[str, Any]] = [{"question": "q"}, {"context": passages}, {"answer": text}]
        events = [f"event: data\ndata: {json.dumps(part)}\n\n" for part in parts]
        error = {"error": {"status": 503, "message": problem, "request_id": "12345678"}}
        events.append(f"event: error\ndata: {json.dumps(error)}\n\n" if problem else "event: end\n\n")
        self.body = "".join(events)

    def release(self) -> None:
        assert self._held is not None
        self._held.fulfill(status=200, body=self.body, content_type="text/event-stream")

    def _answer(self, route: Route) -> None:
        self._held = route
        if self.body is not None:
            self.release()


def ask(page: Page, question: str = QUESTION) -> Any:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return page.locator(".turn").last


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_in_any_state(chrome: Browser, server: Served, look: str) -> None:
    options = {**LOOKS[look], "reduced_motion": "reduce"}
    with watched_page(chrome, f"{server.url}/", **options) as page:
        canned = Canned(page)
        expect(page.locator("#starters button")).to_have_count(2)
        check(page, "empty")
        page.get_by_label("Your question").fill("x" * 5000)
        expect(page.locator("#length")).not_to_be_empty()
        check(page, "too long")
        turn = ask(page)
        expect(turn.locator(".waiting")).to_be_visible()
        check(page, "asking")
        canned.answer(ANSWER)
        canned.release()
        expect(turn.locator(".facts")).not_to_be_empty()
        turn.locator(".thought summary").click()
        for source in turn.locator(".source summary").all():
            source.click()
        check(page, "answered, with all opened")
        turn.locator(".citation").first.click()
        check(page, "a citation clicked")
        canned.answer("Half an", problem="The model is not available at the moment.")
        expect(ask(page).get_by_role("alert")).to_be_visible()
        check(page, "failed")
        canned.answer("The documents do not answer this question.", only_nearest=True)
        expect(ask(page).locator(".sources h3")).to_have_text("Nearest passages")
        check(page, "not answered")
    for status in (401, 502):
        with watched_page(chrome, f"{server.url}/page/icon.svg", allow_status=status, **options) as page:
            refuse(page, status)
            page.goto(f"{server.url}/")
            expect(page.get_by_role("dialog" if status == 401 else "alert")).to_be_visible()
            check(page, f"refused by {status}")


def refuse(page: Page, status: int) -> None:
    """Let a server, or a proxy in front of it, refuse what the page asks first."""
    page.unroute("**/info")
    body = json.dumps({"error": {"status": status, "message": "No.", "request_id": "12345678"}})
    page.route("**/info", lambda route: route.fulfill(status=status, body=body if status == 401 else "<h1>Bad</h1>"))


def test_axe_would_find_something(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/") as page:
        page.evaluate("document.querySelector('#theme').removeAttribute('aria-label')")
        with pytest.raises(AssertionError, match="empty: button-name"):
            check(page, "empty")


def test_a_citation_is_reached_and_clicked_by_keyboard(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/") as page:
        Canned(page).answer(ANSWER)
        turn = ask(page)
        expect(turn.locator(".facts")).not_to_be_empty()
        expect(page.get_by_label("Your question")).to_be_focused()
        while page.evaluate("document.activeElement.className") != "citation":
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        source = turn.locator(".source").nth(1)
        expect(source).to_have_attribute("open", "")
        expect(source.locator("summary")).to_be_focused()
        assert "flush" in source.locator("mark").all_text_contents()


def test_code_is_copied_block_by_block(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/", permissions=["clipboard-read", "clipboard-write"]) as page:
        Canned(page).answer("```sh\nfirst --one\n```\n\n```\nsecond\n\nline\n```\n")
        turn = ask(page)
        expect(turn.locator(".facts")).not_to_be_empty()
        copy = turn.get_by_role("button", name="Copy the code")
        expect(copy).to_have_count(2)
        copy.last.click()
        expect(copy.last).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == "second\n\nline"


class TestFailures:
    def test_after_the_key_are_said_and_can_be_tried_again(self, chrome: Browser, server: Served) -> None:
        with watched_page(chrome, f"{server.url}/page/icon.svg", allow_status=(401, 502)) as page:
            refuse(page, 401)
            page.goto(f"{server.url}/")
            page.get_by_label("Key", exact=True).fill("the right one")
            refuse(page, 502)
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_role("alert")).to_contain_text("does not run at the moment")
            page.unroute("**/info")
            page.route("**/info", lambda route: route.fulfill(status=200, body="<h1>Hello</h1>"))
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_role("alert")).to_have_text("What answers at this address is not the server.")
            page.unroute("**/info")
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_label("Model")).to_be_visible()
            expect(page.get_by_role("alert")).to_have_count(0)

    def test_of_whoever_gives_no_key_are_said_too(self, chrome: Browser, server: Served) -> None:
        with watched_page(chrome, f"{server.url}/page/icon.svg", allow_status=401) as page:
            refuse(page, 401)
            page.goto(f"{server.url}/")
            expect(page.get_by_role("dialog")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.get_by_role("alert")).to_have_text("Nothing can be asked without the server's key.")
            page.get_by_role("button", name="Try again").click()
            expect(page.get_by_role("dialog")).to_be_visible()

    def test_of_a_model_that_is_asked_again_say_what_is_waited_for(self, chrome: Browser, server: Served) -> None:
        """As the server tells it, see `test_streams.py`."""
        with watched_page(chrome, f"{server.url}/") as page:
            page.evaluate(_WAITING)
            turn = ask(page)
            expect(turn.locator(".waiting")).to_have_text(
                "The model did not answer. It is asked again in 7 s; Esc stops"
            )
            expect(page.get_by_role("status").first).to_contain_text("asked again in 7 s")
            page.keyboard.press("Escape")
            expect(turn.locator(".facts")).to_contain_text("stopped")
            expect(turn.locator(".waiting")).to_have_count(0)


# A stream that goes on, which Playwright's routes cannot give.
_WAITING = """() => {
  const real = window.fetch;
  const text = 'event: data\\ndata: {"context": []}\\n\\nevent: waiting\\ndata: {"seconds": 6.9}\\n\\n';
  window.fetch = (path, options) => {
    if (!String(path).endsWith("/rag/stream")) return real(path, options);
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode(text));
        options.signal.addEventListener("abort", () => controller.error(new DOMException("", "AbortError")));
      },
    });
    return Promise.resolve(new Response(body));
  };
}"""


class TestWhileAnAnswerIsWritten:
    def test_the_window_follows_until_the_reader_scrolls(
        self, chrome: Browser, server: Served, model: SlowModel
    ) -> None:
        small = {"viewport": {"width": 390, "height": 600}}
        with watched_page(chrome, f"{server.url}/", **small) as page:
            page.get_by_label("Model").select_option("openai:slow")
            turn = ask(page)
            end = "element => element.getBoundingClientRect().bottom"
            window = page.locator("footer").bounding_box()
            assert window is not None
            with model.holding(390):
                expect(turn.locator(".answer")).to_contain_text("word389")
                wait_until(lambda: turn.locator(".answer").evaluate(end) <= window["y"], "the end is out of the window")
                assert turn.locator(".question").evaluate(end) < 0
                page.mouse.move(200, 200)
                page.mouse.wheel(0, -300)
                wait_until(lambda: turn.locator(".answer").evaluate(end) > window["y"], "the reader cannot scroll")
            before = page.evaluate("scrollY")
            expect(turn.locator(".answer")).to_contain_text("word399")
            expect(turn.locator(".facts")).not_to_be_empty()
            assert page.evaluate("scrollY") == before

    def test_an_answer_that_comes_at_once_is_read_from_its_top(self, chrome: Browser, server: Served) -> None:
        with watched_page(chrome, f"{server.url}/") as page:
            canned = Canned(page)
            canned.answer("A line.\n\n" * 100)
            for _ in range(2):
                turn = ask(page)
                expect(turn.locator(".facts")).not_to_be_empty()
            box = turn.locator(".question").bounding_box()
            assert box is not None
            assert 0 <= box["y"] < 160

    def test_focus_and_what_was_opened_stay(self, chrome: Browser, server: Served, model: SlowModel) -> None:
        with watched_page(chrome, f"{server.url}/") as page:
            page.get_by_label("Model").select_option("openai:slow")
            with model.holding(40):
                turn = ask(page)
                expect(turn.locator(".answer")).to_contain_text("word39")
                summary = turn.locator(".source summary").first
                summary.click()
                expect(summary).to_be_focused()
            expect(turn.locator(".facts")).not_to_be_empty()
            expect(summary).to_be_focused()
            expect(turn.locator(".source").first).to_have_attribute("open", "")


def test_a_starter_question_is_asked_with_a_click(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/") as page:
        page.get_by_role("button", name="Where is data stored?").click()
        turn = page.locator(".turn").last
        expect(turn.locator(".question")).to_have_text("Where is data stored?")
        expect(turn.locator(".facts")).not_to_be_empty()
        expect(page.locator("#starters")).to_be_hidden()


def test_what_a_reader_says_of_an_answer_is_a_log_line(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/") as page:
        turn = ask(page)
        turn.get_by_role("button", name="Not helpful").click()
        expect(turn.locator(".feedback")).to_have_text("Thank you")
    (said,) = [json.loads(line) for line in server.lines if "An answer was not helpful." in line]
    assert said["helpful"] is False
    assert server.wait_for_line(id=said["answer"])["route"] == "/rag/stream"
