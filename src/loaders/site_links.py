"""Links of a page of HTML."""

from contextlib import suppress
from html.parser import HTMLParser

from typing_extensions import override

from .addresses import plain_url


def links_of(html: str, url: str) -> list[str]:
    """The pages that a page links to, as `plain_url` writes them, in order and each once.

    Args:
        html: The page.
        url: Where it is.
    """
    reader = _Links()
    # Declarations that are cut off; what came before was read.
    with suppress(AssertionError, ValueError):
        reader.feed(html)
    base = plain_url(reader.base, url) or url
    return list(dict.fromkeys(found for link in reader.links if (found := plain_url(link, base)) is not None))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.base = ""
        self.links: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        target = values.get("href")
        if not target:
            return
        if tag == "base" and not self.base:
            self.base = target
        elif tag in ("a", "area") and "nofollow" not in (values.get("rel") or "").split():
            self.links.append(target)
