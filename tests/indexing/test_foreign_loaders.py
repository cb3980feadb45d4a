"""Loaders of other packages: what is not known to be gone stays, and nobody deletes another's rows."""

import json
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MilvusStore, open_store, sync
from milvus_rag.indexing.identity import identify
from milvus_rag.indexing.loader_traits import selection_of, swallows_errors
from support.pages import CountingEmbeddings, Lines, places

with warnings.catch_warnings():
    # The package says at its import that it is not maintained any more; its loaders are what people have.
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.document_loaders import DirectoryLoader, TextLoader


@pytest.fixture
def store(lite_uri: str) -> Iterator[MilvusStore]:
    with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as opened:
        yield opened


def texts(store: MilvusStore) -> set[str]:
    return {text for _, _, text in places(store)}


def folder_loader(folder: Path, glob: str | Sequence[str], **options: Any) -> DirectoryLoader:
    return DirectoryLoader(str(folder), glob=glob, loader_cls=TextLoader, **options)


class TestTwoOfOneFolder:
    @pytest.fixture
    def docs(self, tmp_path: Path) -> Path:
        folder = tmp_path / "docs"
        (folder / "sub").mkdir(parents=True)
        for name in ("a.md", "b.rst", "sub/c.md", "sub/d.rst"):
            (folder / name).write_text(f"text of {name}")
        return folder

    @pytest.mark.parametrize(
        "globs", [("**/*.md", "**/*.rst"), ("**/*.*", "**/*.md"), ("sub/*.*", "*.*"), ("**/*.*", "sub/*")]
    )
    def test_leave_each_other_alone(self, store: MilvusStore, docs: Path, globs: tuple[str, str]) -> None:
        wanted: set[str] = set()
        for glob in (*globs, *globs):
            wanted |= {document.page_content for document in folder_loader(docs, glob).lazy_load()}
            assert sync(folder_loader(docs, glob), Lines(), store).pruned == []
            assert texts(store) == wanted

    def test_replace_what_they_read_and_drop_what_is_gone(self, store: MilvusStore, docs: Path) -> None:
        for glob in ("**/*.md", "**/*.rst"):
            sync(folder_loader(docs, glob), Lines(), store)
        (docs / "a.md").write_text("edited")
        (docs / "sub/c.md").unlink()
        report = sync(folder_loader(docs, "**/*.md"), Lines(), store)
        assert report.pruned == [str(docs / "sub/c.md")]
        assert texts(store) == {"edited", "text of b.rst", "text of sub/d.rst"}

    def test_are_one_with_another_manner_of_loading(self, store: MilvusStore, docs: Path) -> None:
        sync(folder_loader(docs, "**/*.md"), Lines(), store)
        (docs / "a.md").write_text("edited")
        sync(folder_loader(docs, "**/*.md", use_multithreading=True, silent_errors=True), Lines(), store)
        assert texts(store) == {"edited", "text of sub/c.md"}

    def test_keep_a_file_that_one_failed_to_read(self, store: MilvusStore, docs: Path) -> None:
        loader = folder_loader(docs, "**/*.md", silent_errors=True)
        sync(loader, Lines(), store)
        (docs / "a.md").write_bytes(b"\xff\xfe\xd8 half")
        report = sync(loader, Lines(), store)
        assert report.pruned == []
        assert "their files are there" in report.notes[0]
        assert texts(store) == {"text of a.md", "text of sub/c.md"}


class Records(BaseLoader):
    """One source of which a query chooses."""

    def __init__(self, file_path: Path, query: str) -> None:
        self.file_path = file_path
        self._query = query

    def lazy_load(self) -> Iterator[Document]:
        for text in json.loads(self.file_path.read_text())[self._query]:
            yield Document(text, metadata={"source": str(self.file_path)})


def test_two_queries_of_one_file_are_two(store: MilvusStore, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"users": ["Ada", "Alan"], "notes": ["tea"]}))
    for query in ("users", "notes", "users", "notes"):
        sync(Records(file, query), Lines(), store)
    assert texts(store) == {"Ada", "Alan", "tea"}
    file.write_text(json.dumps({"users": ["Ada"], "notes": ["coffee"]}))
    for query in ("users", "notes"):
        sync(Records(file, query), Lines(), store)
    assert texts(store) == {"Ada", "coffee"}


class Web(BaseLoader):
    """Pages by their address, from a list."""

    def __init__(self, pages: dict[str, str], urls: Sequence[str], *, continue_on_failure: bool = False) -> None:
        self.web_paths = [f"https://example.org/{url}" for url in urls]
        self.continue_on_failure = continue_on_failure
        self._pages = pages

    def lazy_load(self) -> Iterator[Document]:
        for url in self.web_paths:
            text = self._pages.get(url.rpartition("/")[2])
            if text is not None:
                yield Document(text, metadata={"source": url})


class TestAList:
    PAGES: ClassVar = dict.fromkeys("abcdefgh", "") | {name: f"page {name}" for name in "abcdefgh"}

    @pytest.mark.parametrize(
        "lists", [["ab", "abc"], ["abc", "cab"], ["abc", "ab"], ["abcd", "abce"], ["a", "abcdefgh", "h"]]
    )
    def test_that_grows_shrinks_or_is_reordered_is_the_same(self, store: MilvusStore, lists: list[str]) -> None:
        for urls in lists:
            pages = {name: f"{text} in {urls}" for name, text in self.PAGES.items()}
            sync(Web(pages, list(urls)), Lines(), store)
            assert texts(store) == {pages[name] for name in urls}
        layout = store.collection.existing()
        assert sum(name.startswith("root.") for name in layout.properties) == 1

    def test_that_has_nothing_of_another_leaves_it_alone(self, store: MilvusStore) -> None:
        for urls in ("ab", "cd", "ab", "cd"):
            assert sync(Web(self.PAGES, list(urls)), Lines(), store).pruned == []
        assert texts(store) == {f"page {name}" for name in "abcd"}

    def test_keeps_a_page_that_it_names_and_could_not_load(self, store: MilvusStore) -> None:
        sync(Web(self.PAGES, list("abc")), Lines(), store)
        report = sync(Web({"a": "page a"}, list("ab"), continue_on_failure=True), Lines(), store)
        assert report.pruned == ["https://example.org/c"]
        assert "https://example.org/b" in report.notes[0]
        assert texts(store) == {"page a", "page b"}


class Site(BaseLoader):
    """A site that finds its pages itself."""

    def __init__(self, pages: dict[str, str], filter_urls: str = "", *, continue_on_failure: bool = False) -> None:
        self.web_path = "https://example.org/sitemap.xml"
        self.filter_urls = re.compile(filter_urls)
        self.continue_on_failure = continue_on_failure
        self._pages = pages

    def lazy_load(self) -> Iterator[Document]:
        for name, text in self._pages.items():
            if self.filter_urls.match(name):
                yield Document(text, metadata={"source": f"https://example.org/{name}"})


class TestASite:
    PAGES: ClassVar = {"en/a": "a", "en/b": "b", "de/c": "c"}

    def test_with_two_filters_is_two(self, store: MilvusStore) -> None:
        for chosen in ("en/", "de/", "en/", "de/"):
            assert sync(Site(self.PAGES, chosen), Lines(), store).pruned == []
        assert texts(store) == {"a", "b", "c"}

    def test_loses_a_page_that_it_does_not_list_any_more(self, store: MilvusStore) -> None:
        sync(Site(self.PAGES), Lines(), store)
        assert sync(Site({"en/a": "a", "en/b": "b"}), Lines(), store).pruned == ["https://example.org/de/c"]

    def test_loses_nothing_when_it_hides_what_fails_and_says_how_to_say_it(self, store: MilvusStore) -> None:
        sync(Site(self.PAGES, continue_on_failure=True), Lines(), store)
        report = sync(Site({"en/a": "a"}, continue_on_failure=True), Lines(), store)
        assert report.pruned == []
        assert "scope=" in report.notes[0]
        assert texts(store) == {"a", "b", "c"}


class Downloaded(BaseLoader):
    """A file by its address, which it loads into a temporary file of another name each time, as PyPDFLoader does."""

    def __init__(self, url: str, text: str) -> None:
        self.web_path = url
        self._text = text
        with tempfile.NamedTemporaryFile(suffix=".pdf", delete=False) as file:
            self.file_path = file.name
        Path(self.file_path).unlink()

    def lazy_load(self) -> Iterator[Document]:
        yield Document(self._text, metadata={"source": self.web_path})


def test_a_temporary_file_of_an_address_is_known_by_the_address(store: MilvusStore) -> None:
    url = "https://example.org/fees.pdf?key=secret"
    assert sync(Downloaded(url, "one\ntwo"), Lines(), store).added == 2
    again = sync(Downloaded(url, "one\ntwo"), Lines(), store)
    assert (again.unchanged, again.changed) == (2, False)
    sync(Downloaded(url, "two"), Lines(), store)
    assert texts(store) == {"two"}
    assert "secret" not in json.dumps(dict(store.collection.existing().properties))


class TestWhatALoaderChoosesBy:
    def test_is_the_same_for_two_of_the_same(self, tmp_path: Path) -> None:
        one, other = (folder_loader(tmp_path, ["*.md", "*.rst"], exclude=["x*"]) for _ in range(2))
        assert identify(one) == identify(other)

    @pytest.mark.parametrize(
        "options",
        [{"glob": "*.md"}, {"exclude": ["y"]}, {"recursive": True}, {"load_hidden": True}, {"sample_size": 3}],
        ids=str,
    )
    def test_differs_with_each_choice(self, tmp_path: Path, options: dict[str, Any]) -> None:
        given: dict[str, Any] = {"glob": "*", "exclude": [], **options}
        assert selection_of(folder_loader(tmp_path, **given)) != selection_of(folder_loader(tmp_path, "*", exclude=[]))

    def test_is_no_secret_and_no_manner(self, tmp_path: Path) -> None:
        one, other = (folder_loader(tmp_path, "*", show_progress=shown) for shown in (False, True))
        one.api_key, other.api_key = "a", "b"  # type: ignore[attr-defined]  # as loaders of paid services have it
        assert selection_of(one) == selection_of(other)


@pytest.mark.parametrize(
    ("attributes", "swallows"),
    [
        ({}, False),
        ({"silent_errors": True}, True),
        ({"continue_on_failure": False}, False),
        ({"raise_on_error": False}, True),
        ({"on_error": "ignore"}, True),
        ({"on_error": None}, False),
        ({"on_error": print}, False),
    ],
    ids=str,
)
def test_a_loader_that_hides_what_fails_is_known_by_its_words(attributes: dict[str, Any], swallows: bool) -> None:
    loader = Site({})
    for name, value in attributes.items():
        setattr(loader, name, value)
    assert swallows_errors(loader) is swallows
