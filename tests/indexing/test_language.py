"""The language of a new collection: recognised by sync, remembered, said, and never changed afterwards."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, SyncReport, milvus_retriever, open_store, sync
from milvus_rag.errors import LoaderError
from milvus_rag.indexing.rebuild import rebuild
from milvus_rag.loaders.conversions import Conversions
from milvus_rag.loaders.kinds import Kind
from milvus_rag.loaders.text_places import Converted
from milvus_rag.markdown.plain_text import prose_of
from support.language_pages import ENGLISH, STEMMED, UNSTEMMED
from support.pages import CountingEmbeddings, Lines, Pages

SPANISH, GERMAN, CHINESE = STEMMED["spanish"], STEMMED["german"], UNSTEMMED["chinese"]


@pytest.fixture(params=["Lite", pytest.param("core", marks=pytest.mark.server)])
def uri(request: pytest.FixtureRequest, lite_uri: str, collection_name: str) -> Iterator[str]:
    """Where there is full-text search."""
    uri = str(request.getfixturevalue("core_uri")) if request.param == "core" else lite_uri
    yield uri
    with open_store(uri, collection=collection_name) as store:
        store.drop()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    return folder


def write(folder: Path, *pages: str) -> None:
    for number, page in enumerate(pages):
        (folder / f"{number:03}.md").write_text(page, "utf-8")


def synced(loader: BaseLoader, store: MilvusStore, **options: Any) -> SyncReport:
    return sync(loader, MarkdownSplitter(), store, **options)


def remembered(uri: str, collection: str = "my_rag_collection") -> str:
    with open_store(uri, collection=collection) as store:
        assert store.exists
        return store.language


class Given(BaseLoader):
    """A loader of somebody else's: documents one after the other, and nothing else."""

    def __init__(self, *pages: str | Exception) -> None:
        self.pages = pages
        self.loads = 0

    def lazy_load(self) -> Iterator[Document]:
        self.loads += 1
        for number, page in enumerate(self.pages):
            if isinstance(page, Exception):
                raise page
            yield Document(page, metadata={"source": f"{number}.txt"})


class TestANewCollection:
    @pytest.mark.parametrize(
        ("pages", "language", "said"),
        [
            ((SPANISH,) * 3, "spanish", "Spanish"),
            ((CHINESE,) * 3, "none", "words as they are"),
            ((ENGLISH,) * 3, "english", None),
        ],
        ids=["stems", "no stems", "English"],
    )
    def test_has_the_language_of_its_documents(
        self, docs: Path, uri: str, collection_name: str, pages: tuple[str, ...], language: str, said: str | None
    ) -> None:
        write(docs, *pages)
        with open_store(uri, collection=collection_name) as store:
            first, second = synced(MarkdownLoader(docs), store), synced(MarkdownLoader(docs), store)
            assert store.language == language
        assert remembered(uri, collection_name) == language
        assert len(first.notes) == (said is not None)
        assert said is None or said in first.notes[0]
        assert second.notes == []

    def test_is_searched_in_it(self, docs: Path, lite_uri: str) -> None:
        """Only a stemmer of Spanish knows that both are forms of one word."""
        write(docs, SPANISH, "# Motores\n\nLos motores se apagan siempre antes de cambiar la correa de la máquina.\n")
        with open_store(lite_uri) as store:
            synced(MarkdownLoader(docs), store)
            (hit, *_) = milvus_retriever(store, k=1).invoke("¿apagando?")
        assert hit.metadata["source"] == "001.md"

    def test_keeps_it_whatever_comes_later(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri) as store:
            synced(MarkdownLoader(docs), store)
            write(docs, *[ENGLISH] * 20)
            report = synced(MarkdownLoader(docs), store)
            assert (store.language, report.notes) == ("spanish", [])

    def test_has_the_chosen_one(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, language="english") as store:
            assert synced(MarkdownLoader(docs), store).notes == []
        assert remembered(lite_uri) == "english"

    def test_is_recognised_again_when_it_was_dropped(self, docs: Path, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            for page, language in ((SPANISH, "spanish"), (GERMAN, "german"), (ENGLISH, "english")):
                write(docs, page)
                synced(MarkdownLoader(docs), store)
                assert store.language == language
                store.drop()

    def test_without_full_text_search_has_none(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            assert synced(MarkdownLoader(docs), store).notes == []
            assert store.layout is not None
            assert "analysis" not in store.layout.properties

    def test_beside_vectors_has_one(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, embedding=CountingEmbeddings()) as store:
            synced(MarkdownLoader(docs), store)
            assert store.language == "spanish"

    def test_without_sync_is_english(self, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            store.add_texts([SPANISH])
        assert remembered(lite_uri) == "english"


class TestAnExistingCollection:
    def test_is_never_changed(self, docs: Path, lite_uri: str) -> None:
        """Those of before were all made as English."""
        write(docs, *[SPANISH] * 3)
        with open_store(lite_uri) as store:
            store.add_texts(["a row"])
            report = synced(MarkdownLoader(docs), store)
            assert (store.language, report.notes) == ("english", [])


class TestWhatIsLookedAt:
    @pytest.mark.parametrize("folders", [("de", "en"), ("de", "en", "es", "fr")])
    def test_is_spread_over_a_folder(self, docs: Path, lite_uri: str, folders: tuple[str, ...]) -> None:
        """The first hundred files are all in one language."""
        pages = {"de": GERMAN, "en": ENGLISH, "es": SPANISH, "fr": STEMMED["french"]}
        for name in folders:
            (docs / name).mkdir()
            write(docs / name, *[pages[name]] * 100)
        with open_store(lite_uri) as store:
            assert synced(MarkdownLoader(docs), store).notes == []
            assert store.language == "english"

    def test_is_the_same_for_every_shard(self, docs: Path, lite_uri: str) -> None:
        """The shard that comes first creates the collection for all of them."""
        write(docs, *[SPANISH] * 3, *[ENGLISH] * 9)
        parts = [MarkdownLoader(docs, shard=(number, 12)) for number in range(1, 13)]
        spanish = [part for part in parts if set(part.sources()) & {"000.md", "001.md", "002.md"}]
        assert spanish
        for part in (*spanish, *parts):
            with open_store(lite_uri) as store:
                synced(part, store)
                assert store.language == "english"

    def test_shards_have_one_language(self, docs: Path, lite_uri: str) -> None:
        write(docs, *[SPANISH] * 12)
        notes = []
        with open_store(lite_uri) as store:
            for number in (1, 2, 3):
                notes += synced(MarkdownLoader(docs, shard=(number, 3)), store).notes
            assert store.language == "spanish"
            assert store.count() == 12 * len(MarkdownSplitter().transform_documents([Document(SPANISH)]))
        assert len(notes) == 1

    @pytest.mark.parametrize("page", ["", "# Hola\n", "```\nla casa de la calle\n```\n"])
    def test_may_be_too_little(self, docs: Path, lite_uri: str, page: str) -> None:
        write(docs, page)
        with open_store(lite_uri) as store:
            assert synced(MarkdownLoader(docs), store).notes == []
            assert store.language == "english"

    def test_leaves_out_what_cannot_be_read(self, docs: Path, lite_uri: str) -> None:
        write(docs, *[SPANISH] * 3)
        (docs / "broken.md").write_bytes(b"\xff\xfe\xff")
        failed: list[LoaderError] = []
        with open_store(lite_uri) as store:
            report = synced(MarkdownLoader(docs, on_error=failed.append), store)
            assert store.language == "spanish"
        assert len(failed) == len(report.failed) == 1

    def test_of_nothing_is_an_error_of_the_load(self, tmp_path: Path, lite_uri: str) -> None:
        with open_store(lite_uri) as store, pytest.raises(LoaderError, match="There is no file or folder"):
            synced(MarkdownLoader(tmp_path / "nowhere"), store)


class TestALoaderOfSomebodyElse:
    def test_is_loaded_once(self, lite_uri: str) -> None:
        loader = Given(*[SPANISH] * 300)
        with open_store(lite_uri) as store:
            report = synced(loader, store)
            assert (store.language, loader.loads, report.sources) == ("spanish", 1, 300)

    def test_that_fails_is_indexed_as_far_as_it_came(self, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            with pytest.raises(ConnectionError, match="gone"):
                synced(Given(SPANISH, SPANISH, SPANISH, ConnectionError("gone")), store)
            assert store.language == "spanish"
            # The last one may not have been all that there is of it.
            assert {document.metadata["source"] for document in store.search_by_metadata("")} == {"0.txt", "1.txt"}

    def test_is_not_read_where_the_language_is_chosen(self, lite_uri: str) -> None:
        pages = {f"{number:03}": ENGLISH for number in range(3)}
        with open_store(lite_uri, language="none") as store:
            report = sync(Pages(pages), Lines(), store)
            assert (store.language, report.notes) == ("none", [])


class TestADryRun:
    def test_says_what_it_would_take_and_writes_nothing(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri) as store:
            (note,) = synced(MarkdownLoader(docs), store, dry_run=True).notes
            assert "Spanish" in note
            assert not store.exists


class TestARebuild:
    @staticmethod
    def _rebuilt(uri: str, docs: Path, language: str | None = None, **options: Any) -> SyncReport:
        (report,) = rebuild(
            [MarkdownLoader(docs)],
            MarkdownSplitter(),
            lambda name: open_store(uri, collection=name, language=language),
            collection="my_rag_collection",
            **options,
        )
        return report

    def test_keeps_the_language(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, language="german") as store:
            synced(MarkdownLoader(docs), store)
        assert self._rebuilt(lite_uri, docs, dry_run=True).notes == []
        assert self._rebuilt(lite_uri, docs).notes == []
        assert remembered(lite_uri) == "german"

    def test_takes_the_chosen_one(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, language="german") as store:
            synced(MarkdownLoader(docs), store)
        assert self._rebuilt(lite_uri, docs, "french").notes == []
        assert remembered(lite_uri) == "french"

    def test_of_nothing_recognises_it(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        assert len(self._rebuilt(lite_uri, docs).notes) == 1
        assert remembered(lite_uri) == "spanish"

    def test_does_not_go_on_with_what_was_begun_in_another(self, docs: Path, lite_uri: str) -> None:
        write(docs, SPANISH)
        with open_store(lite_uri, language="german") as store:
            synced(MarkdownLoader(docs), store)
        (docs / "broken.md").write_bytes(b"\xff\xfe\xff")
        assert self._rebuilt(lite_uri, docs, "french").failed
        (docs / "broken.md").unlink()
        self._rebuilt(lite_uri, docs)
        assert remembered(lite_uri) == "german"


_KILLED = """
import os, signal, sys
from milvus_rag import MarkdownLoader, MarkdownSplitter, open_store, sync
with open_store(sys.argv[1]) as store:
    sync(MarkdownLoader(sys.argv[2]), MarkdownSplitter(), store,
         on_progress=lambda progress: progress.chunks_done and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_run_that_is_killed_and_run_again_has_one_language(docs: Path, lite_uri: str) -> None:
    """The second run finds other files, and stays with what the first one took."""
    write(docs, *[SPANISH] * 12)
    killed = subprocess.run([sys.executable, "-c", _KILLED, lite_uri, docs], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert remembered(lite_uri) == "spanish"
    write(docs, *[ENGLISH] * 40)
    with open_store(lite_uri) as store:
        assert synced(MarkdownLoader(docs), store).notes == []
        assert (store.language, store.count()) == (
            "spanish",
            40 * len(MarkdownSplitter().transform_documents([Document(ENGLISH)])),
        )


def test_files_that_take_long_to_convert_are_converted_once(
    docs: Path, lite_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read ahead instead, and kept."""
    for number in range(3):
        page = "".join(f"<p>{line}</p>" for line in prose_of(SPANISH).split("\n") if line)
        (docs / f"{number}.html").write_text(f"<html><body>{page}</body></html>", "utf-8")
    converted: list[str] = []
    convert = Conversions.convert

    def counted(self: Conversions, kind: Kind, content: bytes, shown: str) -> Converted:
        converted.append(shown)
        return convert(self, kind, content, shown)

    monkeypatch.setattr(Conversions, "convert", counted)
    with open_store(lite_uri) as store:
        synced(MarkdownLoader(docs), store)
        assert store.language == "spanish"
    assert len(converted) == 3
