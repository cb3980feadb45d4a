"""Converters in the tests' own process, where their coverage is measured: they do what they do in one of their own."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from milvus_rag.errors import LoaderError
from milvus_rag.loaders.conversions import ConversionLimits, Conversions
from milvus_rag.loaders.converters import process
from milvus_rag.loaders.kinds import kind_of
from support import documents

PAGE = """<!doctype html><html><head><title>Beans</title><meta charset="utf-8"></head><body>
<nav><a href="/">Home</a></nav><main><h1 id="top">Beans <a href="#top">#</a></h1>
<p>Grind <b>fresh</b>, see <a href="https://example.org/grind">how</a>.<br>Then pour.</p>
<ul><li>Arabica<ul><li>Bourbon</li></ul></li><li>Robusta</li></ul><ol><li>One</li><li>Two</li></ol>
<pre><code class="language-bash">brew --grind 7
brew --pour | sort</code></pre><div class="highlight"><pre>plain</pre></div>
<table><caption>Heat</caption><thead><tr><th>Bean</th><th>Heat</th></tr></thead>
<tbody><tr><td>A|B</td><td rowspan="2">93</td></tr><tr><td colspan="1">C</td></tr></tbody></table>
<blockquote><p>Quoted.</p></blockquote><img src="a.png" alt="A cup"><dl><dt>Crema</dt><dd>Foam</dd></dl>
</main><footer>Imprint</footer><script>track()</script></body></html>"""
LEFT = ["The heron stands in the shallow water and waits.", "It eats fish, frogs and what else there is to be had."]
RIGHT = ["The bittern hides in the reeds and is heard at night.", "Few have seen one, and nobody has seen two of them."]
# Written when their test wants them, not by each process that looks which tests there are.
FILES: dict[str, Callable[[], bytes]] = {
    "manual.pdf": lambda: documents.manual_pdf(),
    "birds.pdf": lambda: documents.columns_pdf(LEFT * 6, RIGHT * 6, title="Birds of the fen"),
    "drawing.pdf": lambda: documents.drawing_pdf(),
    "policy.docx": lambda: documents.policy_docx(),
    "roadmap.pptx": lambda: documents.roadmap_pptx(),
    "prices.xlsx": lambda: documents.prices_xlsx(40),
    "tales.epub": lambda: documents.book_epub(),
    "page.html": lambda: PAGE.encode(),
    "old.htm": lambda: "<meta charset=windows-1252><body><article>caf\u00e9</article></body>".encode("cp1252"),
    "utf16.html": lambda: PAGE.encode("utf-16"),
    "drawn.html": lambda: b"<html><body><div id=root></div><script>draw()</script></body></html>",
    "binary.html": lambda: b"\x00\x01\x02" * 100,
    "locked.pdf": lambda: documents.locked_pdf(),
    "locked.epub": lambda: documents.book_epub("OPS/one.xhtml"),
    "cut.pdf": lambda: documents.manual_pdf()[:1500],
    "cut.xlsx": lambda: documents.prices_xlsx(3)[:900],
    "cut.epub": lambda: documents.book_epub()[:400],
    "other.docx": lambda: documents.prices_xlsx(3),
    "other.pptx": lambda: documents.prices_xlsx(3),
    "other.epub": lambda: documents.prices_xlsx(3),
    "other.xlsx": lambda: documents.roadmap_pptx(),
    "bomb.docx": lambda: documents.bomb_docx(),
}


@pytest.fixture(scope="module")
def conversions() -> Iterator[Conversions]:
    with Conversions(ConversionLimits()) as running:
        yield running


@pytest.mark.parametrize("name", FILES)
def test_they_do_here_what_they_do_there(conversions: Conversions, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    kind = kind_of(name)
    assert kind is not None
    # They are for a process that ends with them.
    monkeypatch.setattr(process, "_limit", lambda *_: None)
    limits = asdict(ConversionLimits())
    content = FILES[name]()
    here = process._answer({"module": kind.module, "shown": name, "limits": limits}, content, 0)
    try:
        there = conversions.convert(kind, content, name)
    except LoaderError as exc:
        # That there is no text in it, the loader says itself.
        refusal = str(exc)
        assert here.get("error", refusal) == refusal
        assert "error" in here or not here["text"].strip()
        return
    assert (here["text"], here["title"]) == (there.text, there.title)
    assert [(line, dict(place)) for line, place in here["places"]] == [(line, dict(p)) for line, p in there.places]
