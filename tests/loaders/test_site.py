"""A site by its address, over HTTP on loopback."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag import MarkdownSplitter, SyncReport, open_store, sync
from milvus_rag.errors import EmptySourceError, InputError, LoaderError, SourceNotFoundError, SourceTooLargeError
from milvus_rag.loaders import addresses
from milvus_rag.loaders.addresses import is_private, plain_url
from milvus_rag.loaders.site import SiteLimits, SiteLoader
from milvus_rag.loaders.site_client import SiteClient
from support.site import Site, site

FAST = SiteLimits(requests_per_second=1000)


@pytest.fixture
def web() -> Iterator[Site]:
    with site() as found:
        yield found


def loader_of(web: Site, path: str = "", errors: list[LoaderError] | None = None, **options: object) -> SiteLoader:
    on_error = None if errors is None else errors.append
    given = {"private": True, "limits": FAST, "on_error": on_error, **options}
    return SiteLoader(web.url + path, **given)  # type: ignore[arg-type]


def loaded(loader: SiteLoader, web: Site) -> list[str]:
    return ["/" + str(document.metadata["source"]).removeprefix(web.url) for document in loader.load()]


class TestWhichPages:
    def test_those_of_the_sitemaps_that_are_below_the_address(self, web: Site) -> None:
        web.sitemap("/sitemap.xml", "/maps/a.xml.gz", "/maps/b.xml", index=True)
        web.sitemap("/maps/a.xml.gz", "/en/one/", "/en/two.html", "/de/eins/", packed=True)
        web.sitemap("/maps/b.xml", "/en/three/", "/en/one/")
        for path in ("/en/one/", "/en/two.html", "/de/eins/", "/en/three/", "/en/unlisted/"):
            web.page(path, f"Text of {path}", links=("/en/unlisted/",))
        assert loaded(loader_of(web, "en/"), web) == ["/en/one/", "/en/two.html", "/en/three/"]
        assert web.loaded == ["/en/one/", "/en/two.html", "/en/three/"]

    def test_the_main_text_is_read_and_its_address_is_its_source(self, web: Site) -> None:
        web.page("/", "Pumps are <code>primed</code> by hand.", links=("/x/",))
        (document,) = loader_of(web).load()
        assert document.page_content == "# Start\n\nPumps are `primed` by hand."
        assert document.metadata == {"source": web.url, "title": "Start", "places": [{"line": 0}]}

    def test_without_a_sitemap_those_that_are_linked_to(self, web: Site) -> None:
        """Not what is above the address or elsewhere, and not the same page in other words."""
        web.page("/docs/", "Start", links=("a/", "b.html#part", "/blog/", "http://127.0.0.2:1/docs/", "mailto:x@y.org"))
        web.page("/docs/a/", "A", links=("../b.html", "?page=2", "../c/./d/../"))
        web.page("/docs/b.html", "B", links=("/docs/", "javascript:void(0)"))
        web.page("/docs/c/", "C")
        assert loaded(loader_of(web, "docs/"), web) == ["/docs/", "/docs/a/", "/docs/b.html", "/docs/c/"]

    def test_what_robots_txt_forbids_is_passed_over(self, web: Site) -> None:
        web.robots("User-agent: *", "Disallow: /*/private", "Sitemap: /map.xml")
        web.sitemap("/map.xml", "/a/", "/a/private/x", "/b.png", "/away/", "/gone/", "/sly/")
        web.page("/a/", "A")
        web.page("/a/private/x", "Secret")
        web.answers["/b.png"] = b"\x89PNG"
        web.status("/away/", 302, Location="http://127.0.0.1:1/")
        web.status("/sly/", 302, Location="/a/private/x")
        loader = loader_of(web)
        assert loaded(loader, web) == ["/a/"]
        assert "GET /a/private/x" not in web.requests
        assert str(loader.survey) == (
            "Taken: 1 pages; passed over: 5 (2 forbidden by robots.txt, 1 gone (HTTP 404), 1 leading out of the site, "
            "1 of type unknown)."
        )

    def test_robots_txt_that_cannot_be_read_forbids_all(self, web: Site) -> None:
        web.page("/", "A")
        web.status("/robots.txt", 500)
        with pytest.raises(LoaderError, match=r"robots\.txt cannot be read \(HTTP 500\)"):
            loader_of(web).load()

    def test_a_crawl_delay_is_kept_within_bounds(self, web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        pauses: list[float] = []
        monkeypatch.setattr(SiteClient, "_wait", lambda client: pauses.append(client.pause))
        web.page("/", "A")
        for delay, expected in (("2", 2.0), ("86400", 10.0)):
            web.robots("User-agent: *", f"Crawl-delay: {delay}")
            loader_of(web).load()
            assert pauses[-1] == expected

    def test_a_site_that_answers_everything_with_its_own_page_has_no_sitemap(self, web: Site) -> None:
        web.page("/", "Start", links=("/a/",))
        web.page("/a/", "A")
        web.answers["/sitemap.xml"] = web.answers["/"]
        assert loaded(loader_of(web), web) == ["/", "/a/"]


class TestUnchangedPages:
    def test_are_asked_for_and_not_loaded_again(self, web: Site, tmp_path: Path) -> None:
        web.page("/", "Start", links=("/a/",))
        web.page("/a/", "A")
        loader = loader_of(web, cache=tmp_path / "cache")
        first = loader.load()
        web.page("/a/", "A, changed")
        second = loader.load()
        assert web.loaded == ["/", "/a/", "/a/"]
        assert second[0] == first[0]
        assert second[1].page_content == "# A\n\nA, changed"

    def test_a_cache_that_is_damaged_or_cannot_be_written_costs_loads_only(self, web: Site, tmp_path: Path) -> None:
        web.page("/", "Start")
        folder = tmp_path / "cache"
        loader_of(web, cache=folder).load()
        for file in folder.iterdir():
            file.write_bytes(b"[1]\nrubbish")
        assert loaded(loader_of(web, cache=folder), web) == ["/"]
        (tmp_path / "file").touch()
        assert loaded(loader_of(web, cache=tmp_path / "file"), web) == ["/"]
        assert web.loaded == ["/"] * 3


class TestFailures:
    def synced(self, loader: SiteLoader, uri: str) -> SyncReport:
        with open_store(uri) as store:
            return sync(loader, MarkdownSplitter(), store)

    def test_a_page_that_fails_is_its_own_failure_and_stays_indexed(self, web: Site, lite_uri: str) -> None:
        web.sitemap("/sitemap.xml", "/a/", "/b/", "/c/")
        for path in ("/a/", "/b/", "/c/"):
            web.page(path, f"Text {path}")
        assert self.synced(loader_of(web), lite_uri).added == 3
        web.status("/a/", 500)
        web.status("/b/", 404)
        report = self.synced(loader_of(web), lite_uri)
        assert [failure.source for failure in report.failed] == [f"{web.url}a/"]
        assert report.removed == 0
        web.page("/a/", "Text /a/")
        assert self.synced(loader_of(web), lite_uri).pruned == [f"{web.url}b/"]

    @pytest.mark.parametrize("packed", [True, False])
    def test_a_sitemap_that_is_cut_off_removes_nothing(self, web: Site, lite_uri: str, packed: bool) -> None:
        web.sitemap("/sitemap.xml", "/maps/1.xml", "/maps/2.xml", index=True)
        web.sitemap("/maps/1.xml", "/a/")
        web.sitemap("/maps/2.xml", "/b/", "/c/")
        for path in ("/a/", "/b/", "/c/"):
            web.page(path, f"Text {path}")
        assert self.synced(loader_of(web), lite_uri).added == 3
        web.sitemap("/maps/2.xml", "/b/", "/c/", packed=packed, cut=20)
        report = self.synced(loader_of(web), lite_uri)
        assert report.removed == 0
        assert "damaged" in report.failed[0].reason
        web.status("/maps/2.xml", 503, Retry_After="0")
        report = self.synced(loader_of(web), lite_uri)
        assert report.removed == 0
        assert "HTTP 503" in report.failed[0].reason

    def test_more_pages_than_the_limit_remove_nothing(self, web: Site, lite_uri: str) -> None:
        web.sitemap("/sitemap.xml", "/a/", "/b/")
        for path in ("/a/", "/b/"):
            web.page(path, f"Text {path}")
        assert self.synced(loader_of(web), lite_uri).added == 2
        report = self.synced(loader_of(web, limits=SiteLimits(pages=1, requests_per_second=1000)), lite_uri)
        assert report.removed == 0
        assert "more than 1 pages" in report.failed[0].reason
        assert report.failed[0].source == web.url

    def test_bytes_are_limited_for_each_page_and_for_all(self, web: Site) -> None:
        web.sitemap("/sitemap.xml", "/a/", "/b/", "/c/")
        for path in ("/a/", "/b/", "/c/"):
            web.page(path, "x" * 1000)
        errors: list[LoaderError] = []
        limits = SiteLimits(page_bytes=1000, requests_per_second=1000)
        with pytest.raises(EmptySourceError):
            loader_of(web, errors=errors, limits=limits).load()
        assert [error.source for error in errors] == [f"{web.url}{path}/" for path in "abc"]
        errors.clear()
        limits = SiteLimits(total_bytes=3000, requests_per_second=1000)
        assert loaded(loader_of(web, errors=errors, limits=limits), web) == ["/a/", "/b/"]
        assert [type(error) for error in errors] == [SourceTooLargeError]

    def test_a_site_that_goes_down_ends_the_run(self, web: Site) -> None:
        web.sitemap("/sitemap.xml", *(f"/{number}/" for number in range(20)))
        for number in range(20):
            web.status(f"/{number}/", 502)
        errors: list[LoaderError] = []
        with pytest.raises(LoaderError, match="5 pages after each other"):
            loader_of(web, errors=errors).load()
        assert len(errors) == 4

    def test_a_redirect_out_of_the_site_is_not_followed(self, web: Site) -> None:
        web.page("/docs/", "Start", links=("a/",))
        web.status("/docs/a/", 302, Location="/blog/")
        web.page("/blog/", "Not asked for")
        assert loaded(loader_of(web, "docs/"), web) == ["/docs/"]
        assert web.loaded == ["/docs/"]

    def test_redirects_in_a_circle_end(self, web: Site) -> None:
        web.status("/", 302, Location="/x/")
        web.status("/x/", 302, Location="/")
        with pytest.raises(LoaderError, match="from one address to the next"):
            loader_of(web).load()

    def test_nothing_at_the_address_and_an_address_that_leads_elsewhere_are_said(self, web: Site) -> None:
        with pytest.raises(SourceNotFoundError, match="nothing at"):
            loader_of(web).load()
        web.status("/docs/", 301, Location="/en/docs/")
        web.page("/en/docs/", "Text")
        with pytest.raises(InputError, match=r"leads to .*/en/docs/\. Give that address"):
            loader_of(web, "docs/").load()

    def test_a_broken_sitemap_with_entities_makes_nothing_large(self, web: Site) -> None:
        web.page("/", "Start")
        web.answers["/sitemap.xml"] = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset><url><loc>&a;</loc></url></urlset>'
        errors: list[LoaderError] = []
        assert loaded(loader_of(web, errors=errors), web) == ["/"]
        assert "entities" in str(errors[0])


class TestPrivateAddresses:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433"])
    def test_are_loaded_from_only_when_asked(self, web: Site, host: str) -> None:
        web.page("/", "Inside")
        url = web.url.replace("127.0.0.1", host)
        with pytest.raises(LoaderError, match=r"private or loopback address .* --private-addresses"):
            SiteLoader(url, limits=FAST).load()
        assert web.requests == []

    def test_nor_where_a_redirect_leads_there(self, web: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(addresses, "is_private", lambda address: address != "127.0.0.1")
        inside = web.url.replace("127.0.0.1", "127.0.0.2")
        web.page("/", "Start", links=("/a/",))
        web.status("/a/", 302, Location=inside)
        web.status("/sitemap.xml", 302, Location=f"{inside}sitemap.xml")
        errors: list[LoaderError] = []
        assert loaded(loader_of(web, errors=errors, private=False), web) == ["/"]
        assert "127.0.0.2 is at a private" in str(errors[0])

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("93.184.216.34", False),
            ("2606:2800:220:1::1", False),
            ("10.1.2.3", True),
            ("169.254.169.254", True),
            ("100.64.0.1", True),
            ("0.0.0.0", True),  # noqa: S104 - an address, and nothing listens on it
            ("224.0.0.1", True),
            ("::1", True),
            ("fe80::1%eth0", True),
            ("fd00::1", True),
            ("::ffff:127.0.0.1", True),
            ("64:ff9b::7f00:1", True),
            ("2002:7f00:1::", True),
        ],
    )
    def test_are_known(self, address: str, expected: bool) -> None:
        assert is_private(address) is expected


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("HTTP://Docs.Example.ORG:80/a/../b//c/#x", "", "http://docs.example.org/b/c/"),
        ("https://user:secret@docs.example.org", "", "https://docs.example.org/"),
        ("page two.html?a=b c", "https://x.org/d/e.html", "https://x.org/d/page%20two.html?a=b%20c"),
        ("//y.org:8443/z", "https://x.org/", "https://y.org:8443/z"),
        ("http://bücher.example/", "", "http://xn--bcher-kva.example/"),
        ("mailto:a@b.org", "https://x.org/", None),
        ("http://[::1", "https://x.org/", None),
    ],
)
def test_a_page_has_one_spelling(url: str, base: str, expected: str | None) -> None:
    assert plain_url(url, base) == expected


def test_what_is_no_site_is_refused_without_its_password() -> None:
    for url in ("https://user:secret@docs.example.org/a.html", "docs", "ftp://docs.example.org/"):
        with pytest.raises(InputError) as refused:
            SiteLoader(url)
        assert "secret" not in str(refused.value)
