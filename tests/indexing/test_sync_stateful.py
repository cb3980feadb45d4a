"""Any loaders over a changing tree, with failures, moves and rebuilds between: the rows are what they should be.

The model knows files by their paths on disk and what was last read of each; it knows nothing of roots, names or ids.
"""

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, SyncReport, open_store, sync
from milvus_rag.indexing.rebuild import rebuild
from support.pages import CountingEmbeddings, Lines, places

with warnings.catch_warnings():
    # The package says at its import that it is not maintained any more; its loaders are what people have.
    warnings.simplefilter("ignore", DeprecationWarning)
    from langchain_community.document_loaders import DirectoryLoader, TextLoader

PAGES = ("a.md", "b.md", "sub/a.md", "sub/c.md", "sub/deep/d.md")
NOTES = ("n.txt", "sub/m.txt")
URLS = ("u", "v", "w")
COLLECTION = "pages"

pages = st.sampled_from(PAGES)
texts = st.lists(st.sampled_from(["one", "two", "three", "four", "five"]), min_size=1, max_size=3).map("\n".join)


class Web(BaseLoader):
    """Pages by their address."""

    def __init__(self, pages: dict[str, str], urls: list[str]) -> None:
        self.urls = [f"https://example.org/{url}" for url in urls]
        self._pages = pages

    def lazy_load(self) -> Iterator[Document]:
        for url in self.urls:
            yield Document(self._pages[url.rpartition("/")[2]], metadata={"source": url})


class Indexing(RuleBasedStateMachine):
    """A checkout, a folder of notes and a site, and one collection."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Path(tempfile.mkdtemp(prefix="stateful-"))
        self.moves = 0
        self.embedding = CountingEmbeddings()
        self.site = {url: _marked(f"site/{url}", "one") for url in URLS}
        self.notes = self.work / "notes"
        self.notes.mkdir()
        # What should be there, by where it is from: of each file and page what was last read of it.
        self.expected: dict[str, str] = {}
        self.listed: set[str] = set()
        self.store: MilvusStore = open_store(
            self.work / "index.db", embedding=self.embedding, collection=COLLECTION, full_text=False
        )

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.work)

    @property
    def docs(self) -> Path:
        return self.work / f"checkout {self.moves}" / "docs"

    @initialize()
    def check_out(self) -> None:
        git = self.docs.parent / ".git"
        git.mkdir(parents=True)
        (git / "HEAD").write_text("ref: refs/heads/main\n")
        (git / "config").write_text('[remote "origin"]\n\turl = https://example.org/docs.git\n')
        for name in PAGES[:3]:
            self.write(name, "one\ntwo")
        self.write_note(NOTES[0], "one")

    # --- what happens to files

    @rule(name=pages, text=texts)
    def write(self, name: str, text: str) -> None:
        (self.docs / name).parent.mkdir(parents=True, exist_ok=True)
        (self.docs / name).write_text(_marked(f"docs/{name}", text))

    @rule(name=pages)
    def garble(self, name: str) -> None:
        if (self.docs / name).exists():
            (self.docs / name).write_bytes(b"\xff\xfe\xd8")

    @rule(name=pages)
    def delete(self, name: str) -> None:
        (self.docs / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(NOTES), text=texts)
    def write_note(self, name: str, text: str) -> None:
        (self.notes / name).parent.mkdir(parents=True, exist_ok=True)
        (self.notes / name).write_text(_marked(f"notes/{name}", text))

    @rule(name=st.sampled_from(NOTES))
    def delete_note(self, name: str) -> None:
        (self.notes / name).unlink(missing_ok=True)

    @rule(name=st.sampled_from(URLS), text=texts)
    def publish(self, name: str, text: str) -> None:
        self.site[name] = _marked(f"site/{name}", text)

    @rule()
    def move(self) -> None:
        """The next run of a CI checks out into another folder."""
        before = self.docs.parent
        self.moves += 1
        before.rename(self.docs.parent)

    # --- what is synced

    @rule()
    def sync_docs(self) -> None:
        self._sync_pages(self.docs, list(PAGES))

    @rule(name=st.sampled_from(["sub", "sub/deep"]))
    def sync_inner(self, name: str) -> None:
        if (self.docs / name).is_dir():
            self._sync_pages(self.docs / name, [page for page in PAGES if page.startswith(f"{name}/")])

    @rule(name=pages)
    def sync_file(self, name: str) -> None:
        if (self.docs / name).is_file():
            self._sync_pages(self.docs / name, [name])

    @rule(number=st.integers(1, 2))
    def sync_shard(self, number: int) -> None:
        loader = MarkdownLoader(self.docs, shard=(number, 2))
        self._sync_pages(self.docs, [page for page in PAGES if loader.covers(page)], shard=(number, 2))

    @rule(glob=st.sampled_from(["**/*.txt", "*.txt"]))
    def sync_notes(self, glob: str) -> None:
        loader = DirectoryLoader(str(self.notes), glob=glob, loader_cls=TextLoader)
        given = {document.metadata["source"]: document.page_content for document in loader.lazy_load()}
        sync(loader, Lines(), self.store)
        if given:
            # Whoever looks sees that a file is gone.
            self._expect(
                given, [path for path in self.expected if path.startswith(str(self.notes)) and not Path(path).exists()]
            )

    @rule(urls=st.lists(st.sampled_from(URLS), min_size=1, unique=True))
    def sync_site(self, urls: list[str]) -> None:
        if self.listed and not (set(urls) <= self.listed or set(urls) >= self.listed):
            return
        sync(Web(self.site, urls), Lines(), self.store)
        self._expect(
            {f"https://example.org/{url}": self.site[url] for url in urls},
            [f"https://example.org/{url}" for url in URLS],
        )
        self.listed = set(urls)

    @rule()
    def rebuild_all(self) -> None:
        readable = {name: text for name in PAGES if (text := self._text(name)) is not None}
        broken = any((self.docs / name).exists() and name not in readable for name in PAGES)
        if not readable or broken:
            return
        self.store.close()
        loaders: list[BaseLoader] = [MarkdownLoader(self.docs)]
        loaders += [Web(self.site, sorted(self.listed))] if self.listed else []
        if any(self.notes.rglob("*.txt")):
            loaders.append(DirectoryLoader(str(self.notes), glob="**/*.txt", loader_cls=TextLoader))

        def opened(name: str) -> MilvusStore:
            return open_store(self.work / "index.db", embedding=self.embedding, collection=name, full_text=False)

        rebuild(loaders, Lines(), opened, collection=COLLECTION, drop_others=True)
        self.store = opened(COLLECTION)
        self.expected = {f"docs/{name}": text for name, text in readable.items()}
        self.expected |= {f"https://example.org/{url}": self.site[url] for url in self.listed}
        self.expected |= {str(path): path.read_text() for path in self.notes.rglob("*.txt")}

    # --- the model

    def _text(self, name: str) -> str | None:
        try:
            return (self.docs / name).read_text()
        except (FileNotFoundError, UnicodeDecodeError):
            return None

    def _sync_pages(self, path: Path, covered: list[str], shard: tuple[int, int] | None = None) -> None:
        there = [name for name in covered if (self.docs / name).exists()]
        every = [name for name in PAGES if (self.docs / name).exists() and (self.docs / name).is_relative_to(path)]
        if not every:
            return
        failed: list[Exception] = []
        report: SyncReport = sync(MarkdownLoader(path, on_error=failed.append, shard=shard), Lines(), self.store)
        broken = [name for name in there if self._text(name) is None]
        assert len(report.failed) == len(failed) == len(broken)
        given = {f"docs/{name}": text for name in there if (text := self._text(name)) is not None}
        # In a run with failures nothing is known to be gone.
        self._expect(given, [] if broken else [f"docs/{name}" for name in covered])

    def _expect(self, given: dict[str, str], covered: list[str]) -> None:
        for place in covered:
            self.expected.pop(place, None)
        self.expected |= given

    @invariant()
    def holds_each_line_of_each_file_once_and_each_file_under_one_name(self) -> None:
        found = [(source, text) for source, _, text in places(self.store)]
        wanted = Counter(line for text in self.expected.values() for line in text.split("\n"))
        assert Counter(text for _, text in found) == wanted
        names = {(source, text.partition(":")[0]) for source, text in found}
        assert len(names) == len({file for _, file in names})


def _marked(place: str, text: str) -> str:
    """A text whose lines say which file they are of."""
    return "\n".join(f"{place}: {line}" for line in text.split("\n"))


TestIndexing = Indexing.TestCase
TestIndexing.settings = settings(
    max_examples=25,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
