"""A site by its address, as documents: the pages of its sitemap, or those that its pages link to."""

import hashlib
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from protego import Protego
from typing_extensions import override

from ..errors import EmptySourceError, InputError, LoaderError, SourceNotFoundError
from .addresses import is_site, plain_url, prefix_of
from .conversions import ConversionLimits, Conversions
from .converted_documents import document_of
from .download import is_url
from .kinds import MARKDOWN, Kind, kind_of
from .page_cache import CachedPage, PageCache
from .selection import LastSurvey, Survey
from .site_client import USER_AGENT, Answer, SiteClient
from .site_links import links_of
from .sitemaps import BrokenSitemapError, read_sitemap

MAX_PAGES = 2_000
MAX_PAGE_BYTES = 10 * 2**20
MAX_SITE_BYTES = 500 * 2**20
_LONGEST_CRAWL_DELAY = 10.0
_MOST_SITEMAPS = 500
# So many pages after each other that fail are a site that is down.
_MOST_FAILURES = 5
_GONE = (404, 410)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)
_KINDS = {
    "text/html": kind_of("x.html"),
    "application/xhtml+xml": kind_of("x.html"),
    "application/pdf": kind_of("x.pdf"),
    "text/markdown": MARKDOWN,
    "text/plain": kind_of("x.txt"),
}


@dataclass(frozen=True, kw_only=True)
class SiteLimits:
    """What loading a site may take.

    Attributes:
        pages: Pages.
        page_bytes: Bytes of a page.
        total_bytes: Bytes of all pages.
        requests_per_second: Requests a second; fewer where robots.txt asks for it, down to one in ten seconds.
        timeout: Seconds that the server may be silent.

    Raises:
        InputError: One is not greater than 0.
    """

    pages: int = MAX_PAGES
    page_bytes: int = MAX_PAGE_BYTES
    total_bytes: int = MAX_SITE_BYTES
    requests_per_second: float = 5.0
    timeout: float = 30.0

    def __post_init__(self) -> None:
        """Check them."""
        if min(self.pages, self.page_bytes, self.total_bytes, self.requests_per_second, self.timeout) <= 0:
            raise InputError("All of SiteLimits must be greater than 0.")


class SiteLoader(BaseLoader):
    """Loads the pages of a site, one document a page, one at a time.

    Pages are those below the given address that its sitemap lists (that of robots.txt, or ``sitemap.xml`` in the folder
    of the address or at the top), or, without one, those that its pages link to. What robots.txt forbids is left out.
    Of HTML the main part is read, see `loaders.converters.pages`. A document's metadata has

    - ``source``: the page's URL, where redirects led to.
    - ``title``: its one heading of level 1 if it is the first of all, else its ``<title>``.

    Args:
        url: The site, e.g. ``https://docs.example.org/en/``: what is below its last slash is loaded. A user and a
            password in it are sent to its own host only, and shown nowhere.
        private: Whether loopback and private addresses may be asked, also where a redirect or a name leads there.
        limits: See `SiteLimits`. What is over them is told to `on_error`, and the pages before are loaded.
        cache: A folder for the pages, so that those that did not change are not loaded again; None keeps none.
        on_error: Called with what is wrong with one page or sitemap, which is then left out. Without it, the error is
            raised. A page that is gone (404) is none, and no longer there.
        conversion: What converting a page may take.

    Raises:
        InputError: It is no http(s) URL of a site.
    """

    def __init__(
        self,
        url: str,
        *,
        private: bool = False,
        limits: SiteLimits | None = None,
        cache: Path | None = None,
        on_error: Callable[[LoaderError], None] | None = None,
        conversion: ConversionLimits | None = None,
    ) -> None:
        start = plain_url(url) if is_url(url) else None
        if start is None or not is_site(start):
            raise InputError("A site is given by an address that ends with a slash, e.g. https://docs.example.org/en/.")
        self.url = start
        self.on_error = on_error
        parts = urlsplit(url)
        self._credentials = (unquote(parts.username or ""), unquote(parts.password or "")) if parts.username else None
        self._prefix = prefix_of(start)
        self._private = private
        self._limits = limits or SiteLimits()
        self._cache = PageCache(cache)
        self._conversion = conversion or ConversionLimits()
        # Shared by shallow copies: they are the same loader with another `on_error`.
        self._last = LastSurvey()

    @property
    def root(self) -> str:
        """Names the site, without telling it: a digest of its address."""
        return hashlib.sha256(self._prefix.encode()).hexdigest()[:16]

    @property
    def survey(self) -> Survey | None:
        """Which pages the last load took and passed over; None before the first."""
        return self._last.survey

    def covers(self, source: str) -> bool:
        """Whether a page of this URL would be loaded, were it there."""
        return source.startswith(self._prefix)

    def check_path(self) -> None:
        """Nothing can be told before the site is asked."""

    def close(self) -> None:
        """Nothing is open between two loads."""

    def lazy_load(self) -> Iterator[Document]:
        """The documents, in the order of the sitemap, or as they were found.

        Raises:
            SourceNotFoundError: There is nothing at the address.
            EmptySourceError: There is no page that may be read.
            SourceTooLargeError: Over a limit; only without `on_error`.
            LoaderError: The site does not answer, or is at a private address; of one page, only without `on_error`.
        """
        limits = self._limits
        client = SiteClient(
            per_second=limits.requests_per_second,
            timeout=limits.timeout,
            max_page_bytes=limits.page_bytes,
            max_total_bytes=limits.total_bytes,
            private=self._private,
            credentials=self._credentials,
            origin=self.url[: self.url.index("/", len("https://"))],
        )
        with client, Conversions(self._conversion) as conversions:
            visit = _Visit(self.url, self._prefix, limits, client, self._cache, self._report)
            self._last.survey = visit.survey
            for url, answer, kind in visit.pages():
                try:
                    converted = conversions.convert(kind, _in_unicode(answer.page), url)
                except LoaderError as exc:
                    visit.fail(url, exc)
                    continue
                visit.survey.taken.append(url)
                yield document_of(converted, url)

    def _report(self, error: LoaderError) -> None:
        # What concerns the whole site has its address, and not the name that hides it.
        error.source = error.source or self.url
        if self.on_error is None:
            raise error
        self.on_error(error)


def _in_unicode(page: CachedPage) -> bytes:
    """A page's content, with a byte order mark where its server says its encoding: that goes before all else."""
    found = _CHARSET.search(page.kind)
    if found is None:
        return page.body
    try:
        return page.body.decode(found[1]).encode("utf-8-sig")
    except (LookupError, UnicodeDecodeError):
        return page.body


class SiteSurvey(Survey):
    """Which pages of a site were taken and which were passed over."""

    @override
    def __str__(self) -> str:
        """One line; empty where none was passed over."""
        if not self.passed:
            return ""
        reasons = sorted(Counter(self.passed.values()).items(), key=lambda entry: (-entry[1], entry[0]))
        why = ", ".join(f"{count:,} {reason}" for reason, count in reasons)
        return f"Taken: {len(self.taken):,} pages; passed over: {len(self.passed):,} ({why})."


class _Visit:
    """One load of a site: which pages are next, which have been."""

    def __init__(
        self,
        start: str,
        prefix: str,
        limits: SiteLimits,
        client: SiteClient,
        cache: PageCache,
        report: Callable[[LoaderError], None],
    ) -> None:
        self._start = start
        self._prefix = prefix
        self._limits = limits
        self._client = client
        self._cache = cache
        self._report = report
        self._failures = 0
        self.survey = SiteSurvey()

    def pages(self) -> Iterator[tuple[str, Answer, Kind]]:
        """Pages that can be converted: URL, answer, kind."""
        robots = self._robots()
        delay = robots.crawl_delay(USER_AGENT)
        if delay:
            self._client.pause = max(self._client.pause, min(float(delay), _LONGEST_CRAWL_DELAY))
        listed = self._listed(robots)
        follows = not listed
        queue = deque(listed or [self._start])
        known, done = set(queue), set[str]()
        is_empty = True
        while queue:
            url = queue.popleft()
            if not robots.can_fetch(url, USER_AGENT):
                self.survey.passed[url] = "forbidden by robots.txt"
                continue
            if len(done) >= self._limits.pages:
                self._report(LoaderError(self._too_many()))
                return
            answer = self._load(url, robots)
            if self._client.is_full:
                return
            if answer is None:
                continue
            page = answer.page
            if page.url in done:
                continue
            done.add(page.url)
            kind = self._kind(url, answer)
            if kind is None:
                continue
            if follows and kind is _KINDS["text/html"]:
                for link in links_of(page.body.decode("utf-8", "replace"), page.url):
                    # Queries lead to the same page in other words, without an end.
                    if link not in known and link.startswith(self._prefix) and "?" not in link:
                        known.add(link)
                        queue.append(link)
            is_empty = False
            yield page.url, answer, kind
        if is_empty:
            raise EmptySourceError(f"There is no page at {self._start} that may be read.{self._why_none()}")

    def fail(self, url: str, error: LoaderError) -> None:
        """Tell of a page that failed.

        Raises:
            LoaderError: So many failed after each other that the site is down.
        """
        error.source = url
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            raise LoaderError(f"{_MOST_FAILURES} pages after each other cannot be loaded, the last: {error}") from error
        self._report(error)

    def _load(self, url: str, robots: Protego) -> Answer | None:
        known = self._cache.get(url)
        try:
            answer = self._client.get(
                url, known, may_follow=lambda to: to.startswith(self._prefix) and robots.can_fetch(to, USER_AGENT)
            )
        except LoaderError as exc:
            if url == self._start:
                raise
            self.fail(url, exc)
            return None
        status = answer.status
        if status == 304 and known is not None:
            self._failures = 0
            return Answer(200, known)
        if status in range(300, 400):
            # It leads to where nothing is loaded from.
            return answer
        if status in _GONE:
            if url == self._start and not self.survey.taken:
                raise SourceNotFoundError(f"There is nothing at {url} (HTTP {status}). Check the address.")
            self.survey.passed[url] = f"gone (HTTP {status})"
            return None
        if status != 200:
            error = LoaderError(f"{url} cannot be loaded: HTTP {status}.")
            if url == self._start:
                raise error
            self.fail(url, error)
            return None
        self._failures = 0
        self._cache.put(url, answer.page)
        return answer

    def _kind(self, url: str, answer: Answer) -> Kind | None:
        if not answer.page.url.startswith(self._prefix):
            if url == self._start:
                raise InputError(f"{url} leads to {prefix_of(answer.page.url)}. Give that address.")
            self.survey.passed[url] = "leading out of the site"
            return None
        if answer.status != 200:
            self.survey.passed[url] = "forbidden by robots.txt"
            return None
        media_type = answer.page.kind.partition(";")[0].strip().lower()
        kind = _KINDS.get(media_type)
        if kind is None or not kind.is_here:
            self.survey.passed[url] = f"of type {media_type or 'unknown'}"
            return None
        return kind

    def _robots(self) -> Protego:
        url = plain_url("/robots.txt", self._start) or ""
        answer = self._client.get(url)
        if answer.status == 200:
            return Protego.parse(answer.page.body.decode("utf-8-sig", "replace"))
        if answer.status in range(400, 500) and answer.status != 429:
            return Protego.parse("")
        # https://www.rfc-editor.org/rfc/rfc9309#section-2.3.1.4
        raise LoaderError(
            f"{url} cannot be read (HTTP {answer.status}), so nobody knows what may be loaded. Try later."
        )

    def _listed(self, robots: Protego) -> list[str]:
        """The pages of the first sitemap that has some below the address."""
        named = [plain_url(found, self._start) for found in robots.sitemaps]
        usual = [plain_url("sitemap.xml", self._prefix), plain_url("/sitemap.xml", self._start)]
        for url in dict.fromkeys([*named, *usual]):
            if url is None or urlsplit(url).netloc != urlsplit(self._start).netloc:
                continue
            if found := self._pages_of(url, is_named=url in named):
                return found
        return []

    def _pages_of(self, sitemap: str, *, is_named: bool) -> list[str]:
        pages: dict[str, None] = {}
        queue, seen = deque([sitemap]), {sitemap}
        while queue:
            url = queue.popleft()
            try:
                answer = self._client.get(url)
                if answer.status in _GONE and url == sitemap and not is_named:
                    return []
                if answer.status != 200:
                    raise LoaderError(f"The sitemap {url} cannot be loaded: HTTP {answer.status}.")
                for name, found in read_sitemap(answer.page.body):
                    location = plain_url(found, url)
                    if name == "url" and location is not None and location.startswith(self._prefix):
                        pages[location] = None
                    elif name == "sitemap" and location is not None and location not in seen:
                        if len(seen) >= _MOST_SITEMAPS:
                            raise LoaderError(
                                f"The site has more than {_MOST_SITEMAPS} sitemaps. The others are left out."
                            )
                        seen.add(location)
                        queue.append(location)
            except BrokenSitemapError as exc:
                if exc.is_none and url == sitemap and not is_named:
                    # A site that answers every address with its own page.
                    return []
                self._report(LoaderError(f"The sitemap {url} is damaged: {exc}. The pages before that are loaded."))
            except LoaderError as exc:
                self._report(exc)
        return list(pages)

    def _too_many(self) -> str:
        return (
            f"{self._start} has more than {self._limits.pages:,} pages; the first are indexed, and nothing is removed. "
            f"Raise the limit (--max-pages), or give the address of a part."
        )

    def _why_none(self) -> str:
        if not self.survey.passed:
            return ""
        url, reason = next(iter(self.survey.passed.items()))
        return f" {url} is {reason}."
