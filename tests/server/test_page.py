"""A person with a browser asks on the page."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import browser, chromium, watched_page
from support.served import Served, serving
from support.slow_model import SlowModel
from support.waiting import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)"),
]

KEY = "correct-horse-battery-staple"
QUESTION = "Where is data stored?"
STORAGE = "Data is stored in object storage as segments."
PHONE = {"viewport": {"width": 390, "height": 800}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=30, pause=0.1) as server:
        yield server


@pytest.fixture(scope="module")
def server(index_uri: str, model: SlowModel) -> Iterator[Served]:
    # The provider lepton has no address here: it is the model that cannot be used.
    arguments = ("--allow-llm", "openai:slow", "--allow-llm", "lepton", "--root-path", "/chat")
    with serving(index_uri, *arguments, environment=model.environment) as served:
        yield served


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chrome: Browser, server: Served) -> Iterator[Page]:
    with watched_page(chrome, f"{server.url}/") as opened:
        yield opened


def ask(page: Page, question: str, model: str | None = None) -> None:
    if model is not None:
        page.get_by_label("Model").select_option(model)
    page.get_by_label("Your question").fill(question)
    page.keyboard.press("Enter")


def last_turn(page: Page) -> Page:
    return page.locator(".turn").last  # type: ignore[return-value]  # a locator has what is used of a page here


def wait_for_end(page: Page) -> None:
    expect(last_turn(page).locator(".facts")).not_to_be_empty()


def test_asking_streams_an_answer_with_its_sources(page: Page, model: SlowModel) -> None:
    with model.holding(3):
        ask(page, QUESTION, "openai:slow")
        turn = last_turn(page)
        expect(turn.locator(".question")).to_have_text(QUESTION)
        # The sources are there, and the first words, while the model goes on.
        expect(turn.locator(".source").first).to_be_visible()
        turn.locator("summary").first.click()
        expect(turn.locator(".answer")).to_contain_text("word2")
        expect(turn).to_have_attribute("aria-busy", "true")
        expect(turn.locator(".answer")).not_to_contain_text("word29")
        expect(page.get_by_role("button", name="Stop the answer")).to_be_visible()
    expect(turn.locator(".answer")).to_contain_text("word29")
    expect(turn).not_to_have_attribute("aria-busy", "true")
    # What the reader opened stays open.
    expect(turn.locator(".source").first).to_have_attribute("open", "")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("The answer is complete.")


def test_each_source_names_its_place_and_opens_to_its_passage(page: Page) -> None:
    ask(page, QUESTION)
    wait_for_end(page)
    source = last_turn(page).locator(".source").first
    expect(source.locator(".heading")).to_have_text("Manual \u203a FAQ \u203a Where is data stored?")
    expect(source.locator(".file")).to_have_text("faq/storage.md")
    expect(source.locator(".lines")).to_have_text("lines 3\u20139")
    assert re.fullmatch(r"\d+\.\d+", source.locator(".score").inner_text())
    expect(source.locator(".passage")).not_to_be_visible()
    source.locator("summary").click()
    expect(source.locator(".passage")).to_have_text(STORAGE)


def test_html_that_does_something_is_left_out(page: Page) -> None:
    title = page.title()
    ask(page, "What arms a widget?")
    wait_for_end(page)
    turn = last_turn(page)
    turn.locator(".source", has_text="widgets.md").locator("summary").click()
    passage = turn.locator(".source[open] .passage")
    for place in (passage, turn.locator(".answer")):
        expect(place).to_contain_text("A widget is armed by and .")
        expect(place).not_to_contain_text("owned")
    # Markdown is rendered, as far as it can do no harm.
    expect(passage.locator("strong")).to_have_text("bold")
    expect(passage.locator("p code")).to_have_text("code")
    passage.get_by_text("A link").click()
    assert page.locator("main :is(script, img, iframe, a[href^=javascript], [onerror])").count() == 0
    assert page.title() == title


def test_a_question_is_text_too(page: Page) -> None:
    ask(page, '<img src=x onerror="document.title=1"> stored?')
    wait_for_end(page)
    assert last_turn(page).locator("img").count() == 0
    expect(last_turn(page).locator(".question")).to_contain_text("<img src=x")


@pytest.mark.parametrize("by", ["button", "key"])
def test_an_answer_can_be_stopped(page: Page, model: SlowModel, by: str) -> None:
    abandoned = model.abandoned
    with model.holding(2):
        ask(page, QUESTION, "openai:slow")
        expect(last_turn(page).locator(".answer")).to_contain_text("word1")
        if by == "button":
            page.get_by_role("button", name="Stop the answer").click()
        else:
            page.keyboard.press("Escape")
        expect(last_turn(page).locator(".facts")).to_contain_text("stopped")
        assert model.wait_for("abandoned", abandoned + 1), "the server goes on asking the model"
    expect(last_turn(page).locator(".answer")).not_to_contain_text("word29")
    expect(last_turn(page).get_by_role("button", name="Ask again")).to_be_visible()


def test_an_answer_can_be_copied(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/", permissions=["clipboard-read", "clipboard-write"]) as page:
        ask(page, QUESTION)
        wait_for_end(page)
        button = last_turn(page).get_by_role("button", name="Copy")
        button.click()
        expect(last_turn(page).get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert f"> {STORAGE}" in copied
        assert "Sources:\n\n1. faq/storage.md, lines 3\u20139, Manual \u203a FAQ \u203a Where is data stored?" in copied


def test_what_goes_wrong_is_said_in_a_sentence(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/", allow_status=503) as page:
        ask(page, QUESTION, "lepton")
        wait_for_end(page)
        problem = last_turn(page).get_by_role("alert")
        expect(problem).to_contain_text("The model is not available at the moment.")
        expect(problem).to_contain_text(re.compile(r"\(request [0-9a-f]{8}\)"))
        page.get_by_label("Model").select_option("local")
        last_turn(page).get_by_role("button", name="Ask again").click()
        expect(page.locator(".turn")).to_have_count(2)
        expect(last_turn(page).locator(".answer")).to_contain_text(STORAGE)


def test_a_server_that_is_gone_is_said_in_a_sentence(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/") as page:
        page.route(
            "**/rag/stream", lambda route: route.fulfill(status=200, body='event: data\ndata: {"answer": "a"}\n\n')
        )
        ask(page, QUESTION)
        expect(last_turn(page).get_by_role("alert")).to_have_text(
            "The connection broke before the answer was complete."
        )


def test_the_conversation_stays_until_a_new_one(page: Page) -> None:
    for question in (QUESTION, "What colour are bananas?"):
        ask(page, question)
        wait_for_end(page)
    page.reload()
    expect(page.locator(".question")).to_have_text([QUESTION, "What colour are bananas?"])
    expect(page.locator(".answer").last).to_contain_text("Bananas are yellow.")
    page.locator(".source summary").first.click()
    expect(page.locator(".passage").first).to_have_text(STORAGE)
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".turn")).to_have_count(0)
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()
    page.reload()
    expect(page.locator(".turn")).to_have_count(0)


def test_a_question_can_have_lines_and_no_more_than_its_limit(page: Page) -> None:
    box = page.get_by_label("Your question")
    button = page.get_by_role("button", name="Ask", exact=True)
    expect(button).to_be_disabled()
    box.fill("   ")
    expect(button).to_be_disabled()
    box.fill("first")
    height = page.evaluate("document.getElementById('question').clientHeight")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second")
    assert box.input_value() == "first\nsecond"
    assert page.evaluate("document.getElementById('question').clientHeight") > height
    expect(button).to_be_enabled()
    box.fill("x" * 4001)
    expect(button).to_be_disabled()
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#length")).to_have_text("The question has 4,001 characters, 4,000 are possible.")
    page.keyboard.press("Enter")
    expect(page.locator(".turn")).to_have_count(0)


def test_the_keyboard_is_enough(page: Page) -> None:
    """The box has the focus at the start and after an answer; the sources open with Enter."""
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    wait_for_end(page)
    expect(page.get_by_label("Your question")).to_be_focused()
    while page.evaluate("document.activeElement.localName") != "summary":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".source[open]")).to_have_count(1)


def test_light_and_dark(chrome: Browser, server: Served) -> None:
    def ground(page: Page) -> int:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall(r"\d+", colour)[:3]))

    with watched_page(chrome, f"{server.url}/", color_scheme="light") as page:
        assert ground(page) > 600
        page.get_by_role("button", name="Switch between light and dark").click()
        assert ground(page) < 200
        page.reload()
        assert ground(page) < 200
    with watched_page(chrome, f"{server.url}/", color_scheme="dark") as page:
        assert ground(page) < 200


def test_it_fits_on_a_phone(chrome: Browser, server: Served) -> None:
    with watched_page(chrome, f"{server.url}/", **PHONE) as page:
        ask(page, "How is a widget armed?")
        wait_for_end(page)
        opened = page.locator(".source", has_text="widgets.md")
        opened.locator("summary").tap()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for part in (opened, opened.locator("pre"), opened.locator(".table")):
            box = part.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        for name in ("Ask", "New chat", "Switch between light and dark"):
            box = page.get_by_role("button", name=name, exact=True).bounding_box()
            assert box is not None
            assert box["width"] >= 32
            assert box["x"] + box["width"] <= 390


def test_the_page_and_the_playground_work_under_a_prefix(chrome: Browser, server: Served) -> None:
    """Whether or not the proxy takes the prefix off."""
    with watched_page(chrome, f"{server.url.removesuffix('/chat')}/chat/") as page:
        ask(page, QUESTION)
        wait_for_end(page)
        expect(last_turn(page).locator(".answer")).to_contain_text(STORAGE)
    root = server.url.removesuffix("/chat")
    for path in ("/rag/invoke", "/chat/rag/invoke"):
        assert httpx.post(root + path, json={"input": QUESTION}, timeout=PATIENCE_SECONDS).status_code == 200


@pytest.mark.parametrize("chain", ["rag", "answer"])
def test_the_playground_answers(chrome: Browser, server: Served, chain: str) -> None:
    with watched_page(chrome, f"{server.url}/{chain}/playground/") as page:
        for model in ("openai:slow", "local"):
            # The playground takes up a choice with a delay, and asks then for the schema that goes with it. A second
            # choice before that is lost on a slow machine.
            with page.expect_response(lambda response: response.url.endswith("/input_schema")):
                page.get_by_role("combobox").select_option(model)
        page.locator("textarea").last.fill(QUESTION)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("body")).to_contain_text(f"> {STORAGE}" if chain == "answer" else STORAGE)


def test_policies_allow_nothing_from_elsewhere(server: Served) -> None:
    page = httpx.get(f"{server.url}/", timeout=PATIENCE_SECONDS).headers["Content-Security-Policy"]
    assert "default-src 'none'" in page
    assert "unsafe" not in page
    assert "frame-ancestors 'none'" in page
    playground = httpx.get(f"{server.url}/rag/playground/", timeout=PATIENCE_SECONDS).headers["Content-Security-Policy"]
    (scripts,) = re.findall(r"script-src ([^;]*)", playground)
    assert "'unsafe-inline'" not in scripts
    assert not re.search(r"\*|https?:", page + playground)


def test_the_page_asks_for_the_key(chrome: Browser, index_uri: str, tmp_path: Path) -> None:
    # A Milvus Lite database has one process.
    shutil.copytree(index_uri, tmp_path / "copy.db", ignore=shutil.ignore_patterns("*LOCK*", "*lock*"))
    with (
        serving(str(tmp_path / "copy.db"), environment={"MILVUS_RAG_SERVER_KEY": KEY}) as keyed,
        watched_page(chrome, f"{keyed.url}/", allow_status=401) as page,
    ):
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("This server needs its key")
        page.get_by_label("Key", exact=True).fill("wrong")
        page.keyboard.press("Enter")
        expect(dialog.get_by_role("alert")).to_have_text("That key is not the right one.")
        page.get_by_label("Key", exact=True).fill(KEY)
        page.get_by_role("button", name="Continue").click()
        expect(dialog).not_to_be_visible()
        ask(page, QUESTION)
        wait_for_end(page)
        expect(last_turn(page).locator(".answer")).to_contain_text(STORAGE)
        page.reload()
        expect(page.get_by_label("Model")).to_be_visible()
        expect(dialog).not_to_be_visible()
        # The playground cannot send the key. Who opens it without a pass comes to the page, and from there to it.
        page.goto(f"{keyed.url}/rag/playground/")
        expect(page.get_by_role("button", name="Open the playground")).to_be_focused()
        page.keyboard.press("Enter")
        page.wait_for_url("**/rag/playground/")
        page.locator("textarea").last.fill(QUESTION)
        page.get_by_role("button", name="Start").click()
        expect(page.locator("body")).to_contain_text(STORAGE)
        assert page.evaluate("document.cookie") == ""
        assert not [line for line in keyed.lines if KEY in line]
        page.goto(f"{keyed.url}/")
        page.get_by_role("link", name="Playground").click()
        page.wait_for_url("**/rag/playground/")
