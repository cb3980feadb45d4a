"""The widget on pages of another origin: strict ones, ones that run from the right, and ones that nobody allowed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from support.accessibility import check
from support.browser import browser, chromium, watched_page
from support.file_server import Answer, answer, file_server
from support.served import Served, serving
from support.slow_model import SlowModel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)"),
]

KEY = "correct-horse-battery-staple"
# What a page can do to what stands in it.
STYLE = b"html{font-size:62.5%} *{letter-spacing:1em!important} button,h2,p{display:none;color:red} ol{position:fixed}"


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=30, pause=0.02) as server:
        yield server


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return {"/favicon.ico": b"", "/style.css": answer(200, STYLE, Content_Type="text/css")}


@pytest.fixture(scope="module")
def site(answers: dict[str, Answer]) -> Iterator[str]:
    with file_server(answers) as (url, _):
        yield url


@pytest.fixture(scope="module")
def server(index_uri: str, site: str) -> Iterator[Served]:
    """Below a prefix, with a key."""
    options = ("--allow-origin", site, "--root-path", "/chat")
    with serving(index_uri, *options, environment={"MILVUS_RAG_SERVER_KEY": KEY}) as served:
        yield served


@pytest.fixture(scope="module")
def open_server(index_uri: str, server: Served, model: SlowModel, site: str, tmp_path_factory: Any) -> Iterator[Served]:
    """Without a key, on a model that takes its time; the index is another, since each has one process."""
    uri = str(tmp_path_factory.mktemp("open") / "docs.db")
    fill(uri)
    options = ("--allow-origin", site, "--llm", "openai:slow", "--feedback")
    with serving(uri, *options, environment=model.environment) as served:
        yield served


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


def fill(uri: str) -> None:
    from langchain_core.documents import Document

    from milvus_rag import open_store

    with open_store(uri) as store:
        # The model says word0, word1, … also where it is asked what to search for.
        text = f"Data is stored in segments. {' '.join(f'word{number}' for number in range(30))}"
        store.add_documents([Document(text, metadata={"source": "storage.md"})])


def host(server: Served, *, attributes: str = "", body: str = "", html: str = 'lang="en"') -> Answer:
    """A page with the widget, which allows just what `docs/deploy.md` says."""
    origin = server.url.removesuffix("/chat")
    policy = (
        f"default-src 'none'; script-src {origin}; style-src 'self' {origin}; connect-src {origin}; base-uri 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = (
        f'<!doctype html><html {html}><head><meta charset="utf-8"><title>Host</title>'
        f'<link rel="stylesheet" href="/style.css"></head><body><main><h1>A site</h1>{body}</main>'
        f'<script type="module" src="{server.url}/page/widget.js" {attributes}></script></body></html>'
    )
    return answer(200, page.encode(), Content_Type="text/html; charset=utf-8", Content_Security_Policy=policy)


def ask(page: Page, question: str) -> Locator:
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")
    return page.locator(".turn").last


def test_a_strict_page_has_the_chat_behind_a_button(
    chrome: Browser, server: Served, site: str, answers: dict[str, Answer]
) -> None:
    """With a key that its reader gives; nothing of a passage becomes anything but text, and axe finds nothing."""
    answers["/strict"] = host(server, attributes='data-title="Ask us"')
    look: dict[str, Any] = {"viewport": {"width": 390, "height": 700}, "reduced_motion": "reduce"}
    with watched_page(chrome, f"{site}/strict", beside=server.url, allow_status=401, **look) as page:
        launcher = page.get_by_role("button", name="Ask us", exact=True)
        expect(launcher).to_have_attribute("aria-expanded", "false")
        assert not [line for line in server.logged() if line["route"] == "/info"]
        check(page, "closed", reads_styles=False)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        key = page.get_by_label("The server's key")
        expect(key).to_be_focused()
        check(page, "asked for the key", reads_styles=False)
        key.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_text("That key is not the right one")).to_be_visible()
        page.get_by_label("not the right one").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Your question")).to_be_focused()
        expect(page.locator("#starters button").first).to_be_visible()
        check(page, "empty", reads_styles=False)
        assert page.get_by_label("Your question").evaluate("box => getComputedStyle(box).letterSpacing") == "normal"
        page.get_by_label("Your question").fill("x" * 5000)
        expect(page.locator("#length")).to_contain_text("5000 characters")
        page.keyboard.press("Enter")
        turn = ask(page, "What is said of widgets and scripts?")
        expect(turn.locator(".facts")).not_to_be_empty()
        expect(turn.locator(".question")).to_be_in_viewport()
        for summary in turn.locator(".source summary").all():
            summary.click()
        check(page, "answered, with all opened", reads_styles=False)
        assert page.title() == "Host"
        assert turn.locator("script, img, [onerror]").count() == 0
        assert turn.locator("a:not([href^='http'])").count() == 0
        turn.locator(".citation").first.click()
        expect(turn.locator(".source summary:focus")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(launcher).to_be_focused()
        expect(page.locator(".panel")).to_be_hidden()
        page.reload()
        page.get_by_role("button", name="Ask us", exact=True).click()
        expect(page.locator(".turn .question")).to_have_text("What is said of widgets and scripts?")
        expect(page.locator(".turn .source")).not_to_have_count(0)


def test_a_page_from_the_right_has_it_in_a_place_of_its_own(
    chrome: Browser, open_server: Served, site: str, answers: dict[str, Answer], model: SlowModel
) -> None:
    """The answer comes in pieces, is stopped, goes on with the conversation; failures are told."""
    answers["/right"] = host(
        open_server, attributes='data-target="#place"', body='<div id="place"></div>', html='lang="he" dir="rtl"'
    )
    look: dict[str, Any] = {"color_scheme": "dark", "reduced_motion": "reduce"}
    with watched_page(chrome, f"{site}/right", beside=open_server.url, allow_status=502, **look) as page:
        expect(page.locator("#place .panel")).to_be_visible()
        expect(page.get_by_label("Your question")).not_to_be_focused()
        with model.holding(3):
            turn = ask(page, "Where is data stored? איפה")
            expect(turn.locator(".answer")).to_contain_text("word2")
            expect(turn.locator(".source").first).to_be_visible()
            check(page, "answering", reads_styles=False)
            page.keyboard.press("Escape")
            expect(turn.locator(".facts")).to_contain_text("stopped")
        sent: list[Any] = []
        page.on("request", lambda request: sent.append(request.post_data_json) if "/rag/" in request.url else None)
        expect(ask(page, "How is data stored in it?").locator(".answer")).to_contain_text("word29")
        expect(page.locator(".turn").last.locator(".facts")).not_to_be_empty()
        assert sent[0]["input"]["chat_history"][0] == ["human", "Where is data stored? איפה"]
        page.get_by_role("button", name="Helpful", exact=True).last.click()
        expect(page.locator(".feedback").last).to_have_text("Thank you")
        check(page, "answered", reads_styles=False)
        page.route(
            "**/rag/stream", lambda route: route.fulfill(status=502, headers={"Access-Control-Allow-Origin": site})
        )
        expect(ask(page, "Where is it stored?").get_by_role("alert")).to_contain_text("does not run at the moment")
        page.get_by_role("button", name="New chat").click()
        expect(page.locator(".turn")).to_have_count(0)
        check(page, "cleared", reads_styles=False)


def test_a_page_that_nobody_allowed_gets_nothing(
    chrome: Browser, open_server: Served, answers: dict[str, Answer]
) -> None:
    answers["/stranger"] = host(open_server)
    with file_server(answers) as (stranger, _):
        surroundings = chrome.new_context()
        said: list[str] = []
        page = surroundings.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{stranger}/stranger")
        expect(page.locator("h1")).to_be_attached()
        assert page.locator("milvus-rag-widget").count() == 0
        surroundings.close()
    assert any("widget.js" in line and "CORS" in line for line in said)


def test_what_the_page_got_wrong_is_said_to_its_author(
    chrome: Browser, open_server: Served, site: str, answers: dict[str, Answer]
) -> None:
    answers["/wrong"] = host(open_server, attributes='data-target="#nowhere" data-theme="dark"')
    surroundings = chrome.new_context()
    said: list[str] = []
    page = surroundings.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{site}/wrong")
    expect(page.get_by_role("button", name="Ask the documents")).to_be_visible()
    assert page.locator(".widget").evaluate("frame => getComputedStyle(frame).colorScheme") == "dark"
    surroundings.close()
    assert any("data-target" in line for line in said), json.dumps(said)
