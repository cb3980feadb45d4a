"""The page's Markdown, rendered by a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from milvus_rag import MarkdownLoader
from support.browser import browser, chromium, watched_page
from support.deployment import ROOT
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
    "html that does something": (
        'a <script>alert(1)</script><img src=x onerror="alert(1)" alt="b"><iframe src="//x">c</iframe> d',
        "<p>a b d</p>",
    ),
    "html that means something": (
        'H<sub>2</sub>O, <b onclick="x()">bold *and* so</b>, <kbd>Esc</kbd><br>next',
        "<p>H<sub>2</sub>O, <strong>bold <em>and</em> so</strong>, <kbd>Esc</kbd><br>next</p>",
    ),
    "html that is left out": ('<span style="color:red">red</span> <font>a</font>b</p>', "<p>red ab</p>"),
    "html in pairs that are none": ("a </b> <i>b **c</i> d** e", "<p>a  <em>b <strong>c d</strong> e</em></p>"),
    "a block of html": (
        '<div class="x">\n  <h2 id="a">Title</h2>\n  <p>one &amp; two</p>\n</div>\n\n*after*',
        "<div><h4>Title</h4><p>one &amp; two</p></div><p><em>after</em></p>",
    ),
    "a table of html": (
        "<table>\n<tr><th>a</th></tr>\n\n<tr><td>1<td>`2`</tr>\n</table>\nafter",
        '<div class="table"><table><tr><th>a</th></tr><tr><td>1</td><td><code>2</code></td></tr></table></div>'
        "<p>after</p>",
    ),
    "rows of a table that was cut": (
        "<tr><td>1</td></tr>",
        '<div class="table"><table><tr><td>1</td></tr></table></div>',
    ),
    "a list of html": ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
    "preformatted": ("<pre>\na  <b>b</b>\n\n*c*\n</pre>\nd", None),
    "details": ("<details><summary>More</summary>\n\n- a\n\n</details>", "<div><p>More</p></div><ul><li>a</li></ul>"),
    "comments": ("a <!-- b\nc --> d\n\n<!--\n\n# e\n-->\nf", None),
    "a link of html": ('<a href="https://a.b/c?d=1&amp;e=2">x</a> <a href="javascript:y()">z</a>', None),
    "components": ('<Tabs>\n\n<Tab title="a > b">\n\ntext\n\n</Tab>\n</Tabs>', "<p>text</p>"),
    "names in brackets are text": ("List<String> for <your_name> or <uri>", None),
    "comparisons are text": ("if a <b and c> 2 < 3", None),
    "html in code": ("`<b>&amp;`", "<p><code>&lt;b&gt;&amp;amp;</code></p>"),
    "html in indented code": ("a\n\n    <b>&amp;\n\n    c\n\nd", None),
    "html in a fence": ("```\n<b>&amp;\n```", "<pre><code>&lt;b&gt;&amp;amp;</code></pre>"),
    "entities": ("&lt;b&gt; &amp; &copy;&nbsp;&#8364; &#x1F600; &Omega;&mdash;&unknown; &amp", None),
    "entities that mean markup": ("&ast;a&ast; &lt;script&gt;", "<p>*a* &lt;script&gt;</p>"),
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


def text(page: Page, markdown: str) -> str:
    """What is read of it."""
    shown: Any = page.evaluate(_RENDER.replace("frame.innerHTML", "frame.textContent"), markdown)
    return str(shown)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("names in brackets are text", "List<String> for <your_name> or <uri>"),
        ("entities", "<b> & \u00a9\u00a0\u20ac \U0001f600 \u03a9\u2014&unknown; &amp"),
        ("html in indented code", "a<b>&amp;\n\ncd"),
        ("preformatted", "\na  b\n\n*c*\nd"),
        ("comments", "a  df"),
    ],
)
def test_what_is_read(page: Page, case: str, expected: str) -> None:
    assert text(page, CASES[case][0]) == expected


def test_links_of_html_lead_to_http_only(page: Page) -> None:
    html = render(page, CASES["a link of html"][0])
    assert 'href="https://a.b/c?d=1&amp;e=2"' in html
    assert html.count("href") == 1


@pytest.mark.parametrize(
    ("markdown", "host"),
    [
        ("[https://bank.example/login](https://evil.example/x)", "evil.example"),
        ("[**bank.example**](https://evil.example/)", "evil.example"),
        ("[go to WWW.Bank.example now](https://bank.example.evil.example)", "bank.example.evil.example"),
        ("https://bank.example@evil.example/", "evil.example"),
        ('<a href="https://evil.example">bank.example</a>', "evil.example"),
        ("[b\u00e4nk.example](https://bank.example)", "bank.example"),
        ("[bank.example](https://www.bank.example/a)", None),
        ("[the bank](https://evil.example)", None),
        ("<https://bank.example/a?b=c.d>", None),
        ("[version 3.12.1](https://bank.example)", None),
    ],
)
def test_a_label_that_names_another_host_is_told_on(page: Page, markdown: str, host: str | None) -> None:
    shown: Any = page.evaluate(_RENDER.replace("frame.innerHTML", "[...frame.querySelectorAll('.host')]"
                                               ".map((one) => one.textContent)"), markdown)  # fmt: skip
    assert shown == ([] if host is None else [f" ({host})"])


_RAW_TAG = re.compile(r"</?(?:a|b|br|div|h[1-6]|i|img|li|p|pre|span|strong|sub|sup|table|td|th|tr|ul)(?:\s[^<>]*)?/?>")


@pytest.mark.shared
def test_no_tag_is_shown_of_the_milvus_documentation(page: Page, milvus_docs: Path) -> None:
    _check_pages(page, [document.page_content for document in MarkdownLoader(milvus_docs).lazy_load()])


def test_no_tag_is_shown_of_our_own_documentation(page: Page) -> None:
    _check_pages(page, [path.read_text("utf-8") for path in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]])


def _check_pages(page: Page, texts: list[str]) -> None:
    """Neither a tag nor a reference is shown outside of code, which is shown as it is."""
    outside = (
        "frame.innerHTML",
        "(frame.querySelectorAll('pre, code').forEach((one) => one.remove()), frame.textContent)",
    )
    found: dict[str, int] = {}
    for markdown in texts:
        shown: Any = page.evaluate(_RENDER.replace(*outside), markdown)
        for raw in [*_RAW_TAG.findall(shown), *re.findall(r"&(?:amp|lt|gt|nbsp|quot|#\d+);", shown)]:
            found[raw] = found.get(raw, 0) + 1
    assert len(texts) > 5
    assert found == {}


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
        "<b>" * 20_000,
        "<svg>" * 20_000,
        "<a href='" * 10_000,
        "<b " * 30_000,
        "<!--" * 20_000,
        "<div>\n\n" * 5_000,
        "<table><tr><td>" * 3_000,
        "&amp;" * 20_000,
        "[a.b.c.d.e.f.g](https://x.y) " * 2_000,
    ],
    ids=lambda text: text[:4],
)
def test_no_text_keeps_the_page_busy(page: Page, text: str) -> None:
    """A page that hangs would miss Playwright's time limit."""
    page.set_default_timeout(15_000)
    for whole in (text, text + "\n" + text):
        render(page, whole)
