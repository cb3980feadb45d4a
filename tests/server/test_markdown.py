"""The page's Markdown, rendered by a real browser."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from support.browser import browser, chromium, watched_page
from support.served import serving

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="needs chromium (make browser)")]

_RENDER = """async (text) => {
  const { render } = await import("/page/markdown.js");
  const frame = document.createElement("div");
  frame.append(render(text));
  return frame.innerHTML;
}"""

LINK = '<a href="https://a.b/c" target="_blank" rel="noopener noreferrer nofollow">'

CASES = {
    "paragraphs": ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
    "line break": ("one  \ntwo", "<p>one<br>two</p>"),
    "carriage returns": ("one\r\n\r\ntwo", "<p>one</p><p>two</p>"),
    "emphasis": ("**a** *b* __c__ _d_ ~~e~~", None),
    "nested emphasis": ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    "names are no emphasis": ("query_node_count and 2 * 3 * 4", "<p>query_node_count and 2 * 3 * 4</p>"),
    "code": ("a `b*c*` and ``d ` e``", "<p>a <code>b*c*</code> and <code>d ` e</code></p>"),
    "escapes": (r"\*a\* \<b\>", "<p>*a* &lt;b&gt;</p>"),
    "fence": (
        "```python\na = [1]\n\n# no heading\n```\nafter",
        '<pre><code data-language="python">a = [1]\n\n# no heading</code></pre><p>after</p>',
    ),
    "longer fence": ("````\n```\n````", "<pre><code>```</code></pre>"),
    "open fence": ("~~~\na\nb", "<pre><code>a\nb</code></pre>"),
    "headings": ("# One\n### Three ##\ntext", "<h3>One</h3><h5>Three</h5><p>text</p>"),
    "rule": ("a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"),
    "quote": ("> a\n> b\n>\n> - c", "<blockquote><p>a\nb</p><ul><li>c</li></ul></blockquote>"),
    "origin": ("> a\n>\n> \u2014 b.md", '<blockquote><p>a</p><p class="origin">\u2014 b.md</p></blockquote>'),
    "list": ("- a\n- b\n  c\n\nafter", "<ul><li>a</li><li>b\nc</li></ul><p>after</p>"),
    "numbers": ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    "nested list": ("- a\n  - b\n    - c\n- d", "<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>"),
    "loose list": ("- a\n\n- b", "<ul><li>a</li><li>b</li></ul>"),
    "code in a list": (
        "1. a\n   ```\n   b\n   ```\n2. c",
        '<ol start="1"><li>a<pre><code>b</code></pre></li><li>c</li></ol>',
    ),
    "two lists": ("- a\n1. b", '<ul><li>a</li></ul><ol start="1"><li>b</li></ol>'),
    "table": (
        "| a | b |\n|---|:-:|\n| `c` | d\\|e |\n\nafter",
        '<div class="table"><table><thead><tr><th>a</th><th>b</th></tr></thead>'
        "<tbody><tr><td><code>c</code></td><td>d|e</td></tr></tbody></table></div><p>after</p>",
    ),
    "link": ("[a **b**](https://a.b/c)", f"<p>{LINK}a <strong>b</strong></a></p>"),
    "link with a title": ('[a](https://a.b/c "t")', f"<p>{LINK}a</a></p>"),
    "address": ("<https://a.b/c> and https://a.b/c.", f"<p>{LINK}https://a.b/c</a> and {LINK}https://a.b/c</a>.</p>"),
    "link to a neighbour": ("[a](b.md)", "<p><span>a</span></p>"),
    "script as a link": ("[a](javascript:alert(1)) [b](JAVASCRIPT:x) [c](data:text/html,x)", None),
    "picture": ("![what it shows](https://evil.example/x.png)", "<p>what it shows</p>"),
    "html": ('<script>alert(1)</script>\n<img src=x onerror="alert(1)">', None),
    "html in code": ("`<b>`", "<p><code>&lt;b&gt;</code></p>"),
    "entities": ("&lt;b&gt; &amp;", "<p>&amp;lt;b&amp;gt; &amp;amp;</p>"),
    "nothing": ("", ""),
}


@pytest.fixture(scope="module")
def page(index_uri: str) -> Iterator[Page]:
    with serving(index_uri) as server, browser() as chrome, watched_page(chrome, f"{server.url}/") as opened:
        yield opened


def render(page: Page, text: str) -> str:
    """Markdown as HTML, without the direction that each block has, see `test_each_block_takes_its_own_direction`."""
    html: Any = page.evaluate(_RENDER, text)
    return str(html).replace(' dir="auto"', "")


@pytest.mark.parametrize("case", [name for name, (_, expected) in CASES.items() if expected is not None])
def test_markdown_becomes_elements(page: Page, case: str) -> None:
    text, expected = CASES[case]
    assert render(page, text) == expected


@pytest.mark.parametrize("text", ["a", "# a", "- a", "> a", "| a |\n|---|\n| b |"])
def test_each_block_takes_its_own_direction(page: Page, text: str) -> None:
    html = str(page.evaluate(_RENDER, text))
    texts = re.findall(r"<(\w+)([^<>]*)>[ab]", html)
    assert texts
    assert {attributes for _, attributes in texts} == {' dir="auto"'}


def test_emphasis(page: Page) -> None:
    html = render(page, CASES["emphasis"][0])
    assert html == "<p><strong>a</strong> <em>b</em> <strong>c</strong> <em>d</em> <s>e</s></p>"


def test_html_stays_text(page: Page) -> None:
    html = render(page, CASES["html"][0])
    assert html == '<p>&lt;script&gt;alert(1)&lt;/script&gt;\n&lt;img src=x onerror="alert(1)"&gt;</p>'


def test_links_lead_to_http_only(page: Page) -> None:
    html = render(page, CASES["script as a link"][0])
    assert "href" not in html
    assert "<a" not in html


@pytest.mark.parametrize(
    "text",
    [
        "*a " * 20_000,
        "[" * 50_000,
        "`" * 50_000,
        "> " * 5_000 + "a",
        "- " * 5_000 + "a",
        "|-" * 50_000,
        "(((" * 20_000,
        "![](" * 20_000,
    ],
    ids=lambda text: text[:4],
)
def test_no_text_keeps_the_page_busy(page: Page, text: str) -> None:
    """A page that hangs would miss Playwright's time limit."""
    page.set_default_timeout(15_000)
    for whole in (text, text + "\n" + text):
        assert render(page, whole)
