"""Several stores, threads and processes on one Milvus Lite database, one after the other and at once."""

import contextlib
import fcntl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import StoreUnavailableError
from support.word_embeddings import WordEmbeddings

DIMENSION = 64
# Prints the texts of all rows of a database, sorted.
_READ = """
import sys
from milvus_rag import open_store
with open_store(sys.argv[1], collection="docs") as store:
    print(sorted(document.page_content for document in store.get_by_ids(store.get_pks(""))))
"""


def _open(uri: str | Path, collection: str = "docs") -> MilvusStore:
    return open_store(uri, collection=collection, embedding=WordEmbeddings(DIMENSION))


def _is_free(uri: str | Path) -> bool:
    """Whether another process could open a database: Milvus Lite locks this file of it while it is open."""
    with (Path(uri) / "LOCK").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class TestReopening:
    def test_everything_is_there_again(self, lite_uri: str) -> None:
        documents = [Document("cats chase mice", id="1", metadata={"pk": {"n": [1, None]}}), Document("dogs", id="2")]
        for round_number in range(3):
            with _open(lite_uri) as store:
                if not round_number:
                    store.add_documents(documents)
                assert store.count() == 2
                assert store.get_by_ids(["1", "2"]) == documents
                assert store.similarity_search_with_score("cats", k=1)[0][1] == pytest.approx(3**-0.5)
                assert [d.id for d, _ in store.search_full_text("chasing cats", 2)] == ["1"]

    def test_another_process_may_open_it_once_it_is_closed(self, lite_uri: str) -> None:
        with _open(lite_uri) as store:
            store.add_texts(["one", "two"])
            assert not _is_free(lite_uri)
        assert _is_free(lite_uri)
        ran = subprocess.run([sys.executable, "-c", _READ, lite_uri], capture_output=True, text=True, check=True)
        assert ran.stdout.strip() == "['one', 'two']"
        with _open(lite_uri) as store:
            assert store.count() == 2

    def test_an_error_while_it_is_open_closes_it(self, lite_uri: str) -> None:
        with contextlib.suppress(KeyError), _open(lite_uri) as store:
            store.add_texts(["one"])
            raise KeyError
        assert _is_free(lite_uri)
        with pytest.raises(StoreUnavailableError, match="is closed"):
            store.count()


class TestSeveralStores:
    def test_each_sees_what_the_others_write(self, lite_uri: str) -> None:
        with _open(lite_uri) as first, _open(lite_uri) as second, _open(lite_uri, "other") as other:
            first.add_texts(["of the first"], ids=["1"])
            second.add_texts(["of the second"], ids=["2"])
            other.add_texts(["of another collection"], ids=["1"])
            assert first.get_by_ids(["2"])[0].page_content == "of the second"
            assert second.count() == 2
            second.delete(["1"])
            assert first.get_by_ids(["1"]) == []
            assert other.get_by_ids(["1"])[0].page_content == "of another collection"

    def test_closing_one_leaves_the_others_open(self, lite_uri: str) -> None:
        first, second = _open(lite_uri), _open(lite_uri)
        first.add_texts(["one"])
        first.close()
        first.close()
        second.add_texts(["two"])
        assert second.count() == 2
        assert not _is_free(lite_uri)
        second.close()
        assert _is_free(lite_uri)

    def test_one_that_fails_to_open_leaves_the_others_open(self, lite_uri: str) -> None:
        with _open(lite_uri) as store:
            store.add_texts(["one"])
            with pytest.raises(Exception, match="language"):
                open_store(lite_uri, collection="docs", language="german")
            assert store.count() == 1

    def test_one_database_has_many_spellings(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "sub")
        spellings: list[str | Path] = [
            "sub/test.db",
            "./sub/../sub/test.db",
            str(tmp_path / "link" / "test.db"),
            Path("sub") / "test.db",
        ]
        stores = [_open(uri) for uri in spellings]
        for store in stores:
            store.add_texts(["text"])
            assert stores[-1].count() == stores.index(store) + 1
            if store is not stores[-1]:
                store.close()
        stores[-1].close()
        assert _is_free("sub/test.db")

    def test_the_working_folder_may_change_while_it_is_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "elsewhere").mkdir()
        store = _open("test.db")
        store.add_texts(["one"])
        monkeypatch.chdir(tmp_path / "elsewhere")
        store.add_texts(["two"])
        assert store.count() == 2
        store.close()
        assert not Path("test.db").exists()
        assert _is_free(tmp_path / "test.db")


class TestThreads:
    def _at_once(self, *uses: Callable[[], object]) -> None:
        """Run all to their end, starting at the same time; the first error is raised."""
        start = threading.Barrier(len(uses))

        def run(use: Callable[[], object]) -> None:
            start.wait()
            use()

        with ThreadPoolExecutor(len(uses)) as pool:
            for done in [pool.submit(run, use) for use in uses]:
                done.result()

    def test_eight_search_and_write_at_once(self, lite_uri: str) -> None:
        axes = [[float(i == n) for i in range(DIMENSION)] for n in range(DIMENSION)]
        with _open(lite_uri) as store:
            store.add_embeddings([f"fixed{n}" for n in range(32)], axes[:32], ids=[str(n) for n in range(32)])

            def write(thread: int) -> None:
                for n in range(4):
                    ids = [f"{thread}-{n}-{i}" for i in range(5)]
                    store.add_embeddings([f"row {i}" for i in ids], [axes[32 + thread]] * 5, ids=ids)
                    store.delete(ids[4:])

            def search(thread: int) -> None:
                for n in range(thread * 8, thread * 8 + 8):
                    assert store.similarity_search_by_vector(axes[n], k=1)[0].id == str(n)
                    assert store.search_full_text(f"fixed{n}", 1)[0][0].id == str(n)
                    assert store.get_by_ids([str(n)])[0].page_content == f"fixed{n}"

            self._at_once(*(partial(write, n) for n in range(4)), *(partial(search, n) for n in range(4)))
            assert store.count() == 32 + 4 * 4 * 4

    def test_the_collection_is_made_once(self, lite_uri: str) -> None:
        with _open(lite_uri) as store:
            self._at_once(*(partial(store.add_texts, [f"row {n}"], ids=[str(n)]) for n in range(8)))
            assert sorted(store.get_pks("")) == [str(n) for n in range(8)]

    def test_opening_and_closing_while_others_do(self, lite_uri: str) -> None:
        def use() -> None:
            for _ in range(4):
                with _open(lite_uri) as store:
                    assert store.count() == 1

        with _open(lite_uri) as store:
            store.add_texts(["text"])
        self._at_once(*[use] * 4)
        assert _is_free(lite_uri)


class TestAliases:
    def test_an_alias_is_a_name(self, lite_uri: str) -> None:
        with _open(lite_uri, "docs_1") as store:
            store.add_texts(["old"], ids=["1"])
            store.client.create_alias("docs_1", "docs")
            with _open(lite_uri, "docs") as by_alias:
                assert by_alias.similarity_search("old")[0].id == "1"
                by_alias.add_texts(["new"], ids=["2"])
            assert store.count() == 2
        with _open(lite_uri, "docs") as by_alias:
            assert by_alias.count() == 2
            by_alias.drop()
            assert not by_alias.exists
        with _open(lite_uri, "docs_1") as store:
            assert not store.exists

    @pytest.mark.server
    def test_on_a_server(self, server_uri: str, collection_name: str) -> None:
        embedding = WordEmbeddings(DIMENSION)
        with open_store(server_uri, collection=collection_name, embedding=embedding, full_text=False) as store:
            store.add_texts(["old"], ids=["1"])
            alias = f"{collection_name}_alias"
            store.client.create_alias(collection_name, alias)
            with open_store(server_uri, collection=alias, embedding=embedding, full_text=False) as by_alias:
                by_alias.add_texts(["new"], ids=["2"])
                assert sorted(by_alias.get_pks("")) == ["1", "2"]
                assert by_alias.similarity_search("new", k=1)[0].id == "2"
                by_alias.drop()
            assert not open_store(server_uri, collection=collection_name, embedding=embedding, full_text=False).exists
