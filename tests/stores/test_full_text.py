"""Full-text search: its scores, its language, where there is none, and rows that were just written."""

import logging
import math
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_milvus.utils.sparse import BaseSparseEmbedding

from milvus_rag import MarkdownLoader, MarkerSplitter, MilvusStore, open_store, sync
from milvus_rag.errors import EmbeddingMismatchError, FullTextUnavailableError, InputError
from milvus_rag.text_analysis import analyse
from support.lite_server import LiteServer
from support.word_embeddings import WordEmbeddings

TEXTS = {
    "store": "Milvus stores inserted data in object storage.",
    "flush": "Growing segments are flushed; a flush seals them. Flushing takes a while.",
    "weather": "The weather in Paris is fine.",
    "identifier": "Call drop_collection() with queryNode.gracefulTime set to 5.",
    "korean": "밀버스는 데이터를 오브젝트 스토리지에 저장합니다.",
}


def _fill(store: MilvusStore) -> None:
    store.add_texts(list(TEXTS.values()), ids=list(TEXTS))


def _ids(hits: list[tuple[Document, float]]) -> list[str | None]:
    return [document.id for document, _ in hits]


class TestSearch:
    @pytest.fixture(scope="class", params=["in process", "server", pytest.param("core", marks=pytest.mark.server)])
    @classmethod
    def store(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
        """On Milvus Lite in this process, and as a server of its own; and on another kind of Milvus."""
        if request.param == "core":
            name = f"test_{uuid.uuid4().hex}"
            with open_store(request.getfixturevalue("core_uri"), collection=name) as store:
                _fill(store)
                yield store
                store.drop()
            return
        database = tmp_path_factory.mktemp("full-text") / "test.db"
        if request.param == "in process":
            with open_store(database) as store:
                _fill(store)
                yield store
        else:
            with LiteServer(database) as server, open_store(server.uri) as store:
                _fill(store)
                yield store

    def test_scores_are_positive_and_the_best_come_first(self, store: MilvusStore) -> None:
        """Milvus Lite gives them negated, in process and as a server."""
        hits = store.search_full_text("Where are growing segments stored?", 5)
        assert _ids(hits) == ["flush", "store"]
        assert hits[0][1] > hits[1][1] > 0

    def test_a_score_is_bm25s(self, store: MilvusStore) -> None:
        """One text of five has the word, once; k1 is 1.5 on Milvus Lite 3 and 1.2 elsewhere, b is 0.75."""
        k1 = 1.5 if store.server.lite else 1.2
        lengths = {name: len(analyse(text)) for name, text in TEXTS.items()}
        relative = lengths["weather"] / (sum(lengths.values()) / 5)
        expected = math.log(1 + (5 - 1 + 0.5) / (1 + 0.5)) * (k1 + 1) / (1 + k1 * (1 - 0.75 + 0.75 * relative))
        assert store.search_full_text("Paris", 5)[0][1] == pytest.approx(expected, rel=0.01)

    def test_relevance_is_between_0_and_1(self, store: MilvusStore) -> None:
        hits = store.similarity_search_with_relevance_scores("Where are growing segments stored?")
        assert 1 > hits[0][1] > hits[1][1] > 0

    @pytest.mark.parametrize(
        ("question", "found"),
        [
            ("storing inserts", ["store"]),
            ("FLUSH", ["flush"]),
            ("drop_collection", ["identifier"]),
            ("the collection", ["identifier"]),
            ("gracefulTime", ["identifier"]),
            # Another particle than the text's.
            ("데이터가 저장", ["korean"]),
            ("nothing of that", []),
            ("the of and in", []),
            ("", []),
            ("?!", []),
            ("\x00 \ud800 '\"", []),
        ],
        ids=ascii,
    )
    def test_words_find_their_text(self, store: MilvusStore, question: str, found: list[str]) -> None:
        assert _ids(store.search_full_text(question, 3)) == found
        assert [document.id for document in store.similarity_search(question, k=3)] == found

    def test_a_filter_holds(self, store: MilvusStore) -> None:
        assert _ids(store.search_full_text("data storage flush", 3, 'pk != "flush"')) == ["store"]

    def test_there_are_no_more_than_asked_for(self, store: MilvusStore) -> None:
        assert len(store.search_full_text("flush data weather collection", 2)) == 2
        with pytest.raises(InputError, match="at least 1"):
            store.search_full_text("data", 0)


class TestLanguage:
    def test_it_is_remembered(self, lite_uri: str) -> None:
        with open_store(lite_uri, language="german") as store:
            store.add_texts(["Die Häuser der Städte", "Das Auto"], ids=["1", "2"])
        with open_store(lite_uri) as store:
            assert store.language == "german"
            assert _ids(store.search_full_text("Haus Stadt", 2)) == ["1"]
            # "die" is a stop word here.
            assert store.search_full_text("die", 2) == []
            store.add_texts(["Ein altes Haus"], ids=["3"])
            assert set(_ids(store.search_full_text("Häusern", 3))) == {"1", "3"}

    def test_another_one_is_refused(self, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            assert store.language == "english"
            store.add_texts(["houses"])
        with pytest.raises(InputError, match=r"in english.*opened for german.*language='english'.*--rebuild"):
            open_store(lite_uri, language="german")
        with open_store(lite_uri, language="english") as store:
            assert len(store.search_full_text("house", 1)) == 1

    def test_none_has_neither_stems_nor_stop_words(self, lite_uri: str) -> None:
        with open_store(lite_uri, language="none") as store:
            store.add_texts(["The houses"])
            assert len(store.search_full_text("the", 1)) == 1
            assert store.search_full_text("house", 1) == []


class _Weights(BaseSparseEmbedding):
    """Each word weighs one, at a place of its own."""

    fingerprint = {"provider": "test", "model": "weights"}  # noqa: RUF012 - read only

    def embed_documents(self, texts: list[str]) -> list[dict[int, float]]:
        return [{int.from_bytes(word.encode()[:3], "big"): 1.0 for word in text.lower().split()} for text in texts]

    def embed_query(self, text: str) -> dict[int, float]:
        return self.embed_documents([text])[0]


class TestSparseModel:
    def test_it_stands_in_for_bm25(self, lite_uri: str) -> None:
        embedding = WordEmbeddings(64)
        with open_store(lite_uri, embedding=embedding, sparse_embedding=_Weights()) as store:
            _fill(store)
            hits = store.search_full_text("paris weather", 3)
            assert (_ids(hits), hits[0][1]) == (["weather"], 2.0)
        # By another program that has not the model, it is no full-text search.
        with open_store(lite_uri, embedding=embedding) as store:
            assert not store.has_full_text
            with pytest.raises(FullTextUnavailableError, match="no full-text search that could be used here"):
                store.search_full_text("paris", 1)

    def test_it_does_not_search_what_bm25_made(self, lite_uri: str) -> None:
        with open_store(lite_uri, embedding=WordEmbeddings(64)) as store:
            _fill(store)
        with pytest.raises(EmbeddingMismatchError, match=r"BM25.*test:weights"):
            open_store(lite_uri, embedding=WordEmbeddings(64), sparse_embedding=_Weights())


@pytest.mark.server
class TestServerWithout:
    """Milvus 2.3 has neither BM25 functions nor sparse vectors."""

    def test_without_an_embedding_there_is_no_search_at_all(self, server_uri: str, collection_name: str) -> None:
        for sparse in (None, _Weights()):
            with pytest.raises(FullTextUnavailableError) as caught:
                open_store(server_uri, collection=collection_name, sparse_embedding=sparse)
            assert "Milvus v2.3" in str(caught.value)
            assert server_uri in str(caught.value)
            assert "embedding model" in str(caught.value)

    def test_with_an_embedding_it_is_dense_and_says_so_once(
        self, server_uri: str, collection_name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.WARNING, logger="milvus_rag")
        with open_store(server_uri, collection=collection_name, embedding=WordEmbeddings(64)) as store:
            _fill(store)
            assert not store.has_full_text
            assert store.similarity_search("inserted data in object storage", k=1)[0].id == "store"
            with pytest.raises(FullTextUnavailableError, match="no full-text search"):
                store.search_full_text("data", 1)
            store.drop()
        said = [record.getMessage() for record in caplog.records if record.name.startswith("milvus_rag")]
        assert len(said) == 1
        assert "Milvus v2.3" in said[0]
        assert "dense only" in said[0]


class TestRowsJustWritten:
    """Milvus Lite weighs a word by how many rows of its segment have it, and each write begins a segment.

    In a segment of one row every word is as common as can be: it came after all rows of a large segment that share
    but one word with the question, and was never found by its own.
    """

    MANY = 600

    def _page(self, number: int) -> str:
        words = " ".join(f"word{(number * step) % 997}" for step in range(3, 40))
        return f"Page {number}: {words}{' habitat' if number % 50 == 0 else ''}."

    def test_texts_that_are_added_later(self, lite_uri: str) -> None:
        with open_store(lite_uri) as store:
            store.add_texts([self._page(n) for n in range(self.MANY)], ids=[f"old{n}" for n in range(self.MANY)])
            for name in ("zebra", "quagga"):
                store.add_texts([f"The {name} lives in its habitat of grass."], ids=[name])
            for name in ("zebra", "quagga"):
                hits = store.search_full_text(f"{name} habitat word7", 3)
                assert hits[0][0].id == name
                assert hits[0][1] > 2 * hits[1][1]
            # What was written anew meanwhile is what it was.
            assert store.count() == self.MANY + 2
            assert store.get_by_ids(["old0"])[0].page_content == self._page(0)

    def test_files_that_are_synced_later(self, lite_uri: str, tmp_path: Path) -> None:
        docs = tmp_path / "docs"
        docs.mkdir()
        (docs / "many.md").write_text("# ".join(self._page(n) for n in range(self.MANY)))
        with open_store(lite_uri, embedding=WordEmbeddings(64)) as store:
            for name in ("", "zebra", "quagga"):
                if name:
                    (docs / f"{name}.md").write_text(f"The {name} lives in its habitat of grass.")
                sync(MarkdownLoader(docs), MarkerSplitter(), store)
            for name in ("zebra", "quagga"):
                document, score = store.search_full_text(f"{name} habitat word7", 3)[0]
                assert document.metadata["source"] == f"{name}.md"
                assert score > 5
            assert store.count() == self.MANY + 2
