"""HTML as Markdown: what is read of a page, without what stands around it on every page of a site."""

import re
from collections.abc import Iterable

from bs4 import BeautifulSoup, Comment, Tag
from markdownify import MarkdownConverter

from ...errors import UnreadableFileError
from ..text_places import Converted

_NEVER_READ = (
    "script", "style", "noscript", "template", "iframe", "svg", "canvas", "object", "button", "input", "select",
    "dialog", "nav", "footer", "head",
)  # fmt: skip
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "complementary", "menu"})
# Words of classes and ids that say that an element is about the site and not of the page.
_AROUND = re.compile(
    r"(?:^|[-_ ])(?:cookies?|consent|gdpr|breadcrumbs?|sidebar|navbar|nav|navigation|menu|menubar|pagination"
    r"|pager|footer|skip|skiplink|toc|toctree|newsletter|share|sharing|advert|ads|promo|edit-this-page|edit-page|related-pages"
    r"|prev-next|visually-hidden|sr-only|linenos|lineno|linenodiv|gutter)(?:$|[-_ ])"
)
_MARKS_OF_LINKS = frozenset("¶#§🔗")
_LANGUAGE = re.compile(r"^(?:language|lang|highlight|brush:?|sourceCode|hljs)[-_ ]?([A-Za-z][\w+#-]*)$")
_NO_LANGUAGE = frozenset({"default", "none", "text", "plaintext", "source", "ljs"})
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)")
_MOST = 0.5
_BLANK_LINES = re.compile(r"\n{3,}")


def convert(content: bytes, shown: str) -> Converted:
    """Make Markdown of a page.

    What is read is its ``main``, its one ``article``, or else its body, without navigation, banners and scripts.

    Args:
        content: The file, in the encoding that it declares; else UTF-8 or windows-1252.
        shown: The file, as messages name it.

    Raises:
        UnreadableFileError: It is no text, or has none without its scripts.
    """
    if b"\x00" in content[:1000] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFileError(f"{shown} is no page: it is a binary file.")
    page = BeautifulSoup(_decoded(content), "html.parser")
    title = page.title.get_text(" ", strip=True) if page.title else ""
    is_drawn = page.find("script") is not None
    text = _as_markdown(_main_part(page))
    if is_drawn and not text.strip():
        raise UnreadableFileError(f"{shown} has no text in it: scripts draw it, and are not run here.")
    return Converted(text, [(0, {})], title)


def fragment_as_markdown(html: str) -> str:
    """Make Markdown of HTML that is all to be read."""
    return _as_markdown(BeautifulSoup(html, "html.parser"))


def _decoded(content: bytes) -> str:
    found = _DECLARED.search(content[:4096])
    declared = found[1].decode("ascii").lower() if found else None
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    marked = next((name for mark, name in marks.items() if content.startswith(mark)), None)
    for name in (marked, declared, "utf-8"):
        if name is None:
            continue
        try:
            # What is called latin-1 is windows-1252 in all browsers: https://encoding.spec.whatwg.org/#names-and-labels
            return content.decode("cp1252" if name in ("iso-8859-1", "latin-1", "us-ascii", "ascii") else name)
        except (LookupError, UnicodeDecodeError):
            continue
    return content.decode("cp1252", "replace")


def _main_part(page: BeautifulSoup) -> Tag:
    body = page.body or page
    whole = len(body.get_text())
    mains = page.select("main, [role=main]")
    main: Tag | None = max(mains, key=lambda tag: len(tag.get_text()), default=None)
    articles = (main or body).select("article, [itemprop=articleBody]")
    outermost = [article for article in articles if article.find_parent("article") is None]
    if len(outermost) == 1 and (main is not None or len(outermost[0].get_text()) > whole // 4):
        main = outermost[0]
    chosen = main or body
    _without_the_rest(chosen, is_all=main is None)
    return chosen


def _without_the_rest(root: Tag, *, is_all: bool) -> None:
    for comment in root.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for tag in root.find_all(_NEVER_READ):
        if not tag.decomposed:
            tag.decompose()
    # Of a page without a main part, what stands beside it is not of it either.
    for tag in root.find_all(["aside", "header"]) if is_all else ():
        if not tag.decomposed and tag.find("h1") is None:
            tag.decompose()
    size = len(root.get_text())
    for tag in root.find_all(_is_around):
        if not tag.decomposed and tag.find(["main", "article", "h1"]) is None and len(tag.get_text()) <= _MOST * size:
            tag.decompose()


def _is_around(tag: Tag) -> bool:
    if tag.name in ("body", "html", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "code"):
        return False
    if tag.get("role") in _ROLES or tag.get("aria-hidden") == "true" or tag.has_attr("hidden"):
        return True
    return any(_AROUND.search(name.lower()) for name in _names(tag))


def _names(tag: Tag) -> Iterable[str]:
    classes = tag.get("class") or ()
    return [*([classes] if isinstance(classes, str) else classes), str(tag.get("id") or "")]


class _Converter(MarkdownConverter):
    """markdownify, with the languages of code, and without marks beside headings and pictures without words."""

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if text.strip() in _MARKS_OF_LINKS or (not text.strip() and parent_tags & {"h1", "h2", "h3", "h4", "h5", "h6"}):
            return ""
        href = str(el.get("href") or "")
        if href.startswith(("#", "javascript:", "data:")) or not href:
            return text
        return str(super().convert_a(el, text, parent_tags))  # type: ignore[misc]  # not in its stub

    def convert_td(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_td(el, _without_bars(text), parent_tags))  # type: ignore[misc]  # not in its stub

    def convert_th(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return str(super().convert_th(el, _without_bars(text), parent_tags))  # type: ignore[misc]  # not in its stub

    def convert_img(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return str(el.get("alt") or "")


def _without_bars(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\|", text)


def _as_markdown(root: Tag) -> str:
    converter = _Converter(
        heading_style="ATX",
        bullets="-",
        autolinks=False,
        escape_asterisks=False,
        escape_underscores=False,
        table_infer_header=True,
        newline_style="BACKSLASH",
        code_language_callback=_language,
    )
    text = str(converter.convert_soup(root))
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
    lines = [line.rstrip() for line in text.split("\n")]
    return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip("\n")


def _language(pre: Tag) -> str:
    code = pre.find("code")
    parents = [parent for parent, _ in zip(pre.parents, range(2), strict=False)]
    for tag in (code, pre, *parents):
        if not isinstance(tag, Tag):
            continue
        own = tag.get("data-lang") or tag.get("data-language")
        for name in (*_names(tag), *([f"lang-{own}"] if own else [])):
            found = _LANGUAGE.match(name)
            if found and found[1].lower() not in _NO_LANGUAGE:
                return found[1].lower()
    return ""
