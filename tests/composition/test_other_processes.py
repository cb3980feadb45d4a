"""A store in other processes than the one that opened it: after a fork, and where it arrived as a pickle."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import DeterministicFakeEmbedding

from milvus_rag import MilvusStore, chat_model, milvus_retriever, open_store, rag_chain
from milvus_rag.errors import StoreError
from milvus_rag.stores.lite import LITE_DATABASES
from support.notes import NOTES
from support.pools import found

# In a process of its own: pytest's has threads that a fork would miss.
FORKING = """
import os, sys, warnings
warnings.simplefilter("ignore")
from langchain_core.embeddings import DeterministicFakeEmbedding
from milvus_rag import open_store

store = open_store(sys.argv[1], collection=sys.argv[2], embedding=DeterministicFakeEmbedding(size=4), full_text=False)
store.add_texts(["tea"], ids=["1"])
for name in ("2", "3"):
    pid = os.fork()
    if not pid:
        found = [document.page_content for document in store.similarity_search("tea", k=1)]
        store.add_texts(["coffee"], ids=[name])
        print(found, store.count() > 1, flush=True)
        store.close()
        # As a child ends that does not know of it: what is registered for the end runs.
        sys.exit(0)
    _, status = os.waitpid(pid, 0)
    print(status, store.count(), len(store.similarity_search("tea")), flush=True)
store.delete(["1"])
print(store.count())
store.drop()
store.close()
"""


def forked(uri: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", FORKING, uri, f"test_{os.urandom(8).hex()}"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


FORKED = ["['tea'] True", "0 2 2", "['tea'] True", "0 3 3", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
class TestAFork:
    def test_on_lite(self, tmp_path: Path) -> None:
        assert forked(str(tmp_path / "test.db")) == FORKED

    @pytest.mark.server
    def test_on_a_server(self, server_uri: str) -> None:
        assert forked(server_uri) == FORKED


def pooled(store: MilvusStore, names: list[str], work: Callable[..., Any] = found) -> list[Any]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, [store] * len(names), names))


@pytest.mark.slow
class TestAPoolOfProcesses:
    NAMES = ("a", "b", "c", "d")

    def test_on_lite_they_share_the_database_of_this_process(self, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            store.add_documents(NOTES)
            for name, texts in zip(self.NAMES, pooled(store, list(self.NAMES)), strict=True):
                assert f"The kettle of {name} is descaled in May." in texts

            assert store.count() == len(NOTES) + len(self.NAMES)

    @pytest.mark.server
    def test_on_a_server(self, server_uri: str, collection_name: str) -> None:
        embedding = DeterministicFakeEmbedding(size=4)
        with open_store(server_uri, collection=collection_name, embedding=embedding, full_text=False) as store:
            store.add_documents(NOTES)
            for name, texts in zip(self.NAMES, pooled(store, list(self.NAMES)), strict=True):
                assert f"The kettle of {name} is descaled in May." in texts

            assert store.count() == len(NOTES) + len(self.NAMES)
            store.drop()


class TestACopy:
    @pytest.fixture(params=["pickle", "deepcopy"])
    def copied(self, request: pytest.FixtureRequest) -> Callable[[Any], Any]:
        return copy.deepcopy if request.param == "deepcopy" else lambda given: pickle.loads(pickle.dumps(given))  # noqa: S301 - our own

    def test_has_a_connection_of_its_own(self, lite_uri: str, copied: Callable[[Any], Any]) -> None:
        with open_store(lite_uri, language="german", timeout=7) as store:
            store.add_texts(["Der Tee zieht zwei Minuten."], ids=["1"])
            other = copied(store)
            assert other.client is not store.client
            assert (other.language, other.collection_name) == ("german", store.collection_name)
        assert [document.id for document in other.similarity_search("Minute")] == ["1"]
        other.close()
        with pytest.raises(StoreError, match="closed"):
            other.similarity_search("Minute")
        with open_store(lite_uri) as again:
            assert again.count() == 1

    def test_that_nobody_closes_is_closed_when_it_goes(self, lite_uri: str, copied: Callable[[Any], Any]) -> None:
        with open_store(lite_uri) as store:
            store.add_texts(["tea"])
            other = copied(store)
            assert other.count() == 1
            del other
            gc.collect()
        assert LITE_DATABASES.holder(str(Path(lite_uri).resolve())) is None

    def test_of_a_relative_path_is_of_the_same_database(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: Callable[[Any], Any]
    ) -> None:
        with open_store("here.db") as store:
            store.add_texts(["tea"])
            (tmp_path / "elsewhere").mkdir()
            monkeypatch.chdir(tmp_path / "elsewhere")
            with copied(store) as other:
                assert other.count() == 1
        assert not list(Path.cwd().iterdir())

    def test_of_retriever_and_chain_answers_alike(self, notes: MilvusStore, copied: Callable[[Any], Any]) -> None:
        retriever = milvus_retriever(notes, k=2, filter={"team": "garden"}, configurable=["k"])
        chain = rag_chain(retriever, chat_model("local"), citations=True)
        question = "When are roses cut back?"

        for one in (retriever, chain):
            assert copied(one).invoke(question) == one.invoke(question)
        assert copied(retriever).invoke(question, filter={"team": "workshop"}) == []

    def test_has_a_token_that_was_given_and_shows_it_nowhere(self, notes: MilvusStore) -> None:
        assert "secret" not in repr(notes.__reduce__())


def test_where_the_other_process_is_gone_the_database_is_opened_here(lite_uri: str) -> None:
    program = (
        "import pickle, sys\n"
        "from milvus_rag import open_store\n"
        "store = open_store(sys.argv[1])\n"
        "store.add_texts(['tea'])\n"
        "sys.stdout.buffer.write(pickle.dumps(store))\n"
        "store.close()\n"
    )
    run = subprocess.run([sys.executable, "-c", program, lite_uri], capture_output=True, check=True)

    with pickle.loads(run.stdout) as store:  # noqa: S301 - our own
        assert store.count() == 1
