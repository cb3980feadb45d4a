"""What the retriever finds in each mode, and what it says of each hit."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, milvus_retriever, open_store
from milvus_rag.chains.retrieval import Mode
from milvus_rag.errors import InputError
from support.embedding import hashed_words
from support.word_embeddings import WordEmbeddings
from support.word_reranker import CountingReranker

QUESTION = "How many dimensions may a vector have?"


def ids(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def places(documents: list[Document]) -> list[tuple[str, str]]:
    return [(document.metadata["source"], document.metadata["headings"][-1]) for document in documents]


@pytest.mark.parametrize("mode", ["dense", "full_text", "hybrid", None])
def test_every_mode_puts_the_right_passage_first(handbook: MilvusStore, mode: Mode | None) -> None:
    found = milvus_retriever(handbook, mode=mode, k=3).invoke(QUESTION)

    assert places(found)[0] == ("ops/limits.md", "Vectors")
    assert len(found) <= 3


def test_three_passages_are_the_default(handbook: MilvusStore) -> None:
    assert len(milvus_retriever(handbook).invoke(QUESTION)) == 3


def test_a_dense_score_is_the_inner_product(handbook: MilvusStore) -> None:
    found = milvus_retriever(handbook, mode="dense", k=7).invoke(QUESTION)

    question = hashed_words(QUESTION, 256)
    for document in found:
        vector = hashed_words(document.page_content, 256)
        product = sum(a * b for a, b in zip(question, vector, strict=True))
        assert document.metadata["score"] == pytest.approx(product, abs=1e-5)
        assert not {"dense_score", "dense_rank", "$vector"} & document.metadata.keys()


def test_a_full_text_score_is_better_when_higher(handbook: MilvusStore) -> None:
    found = milvus_retriever(handbook, mode="full_text", k=7).invoke("error E1042 bucket vector")

    scores = [document.metadata["score"] for document in found]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    assert places(found)[0] == ("ops/backup.md", "Errors")


def test_full_text_search_gives_what_matches_and_nothing_else(handbook: MilvusStore) -> None:
    assert places(milvus_retriever(handbook, mode="full_text", k=7).invoke("E1042")) == [("ops/backup.md", "Errors")]
    assert milvus_retriever(handbook, mode="full_text").invoke("why is it so?") == []


def test_a_hybrid_hit_carries_each_legs_score_and_rank(handbook: MilvusStore) -> None:
    hybrid = milvus_retriever(handbook, mode="hybrid", k=7).invoke(QUESTION)
    legs: dict[str, list[Document]] = {
        leg: milvus_retriever(handbook, mode=leg, k=7).invoke(QUESTION) for leg in ("dense", "full_text")
    }

    for leg, found in legs.items():
        for rank, document in enumerate(found, start=1):
            (same,) = [hit for hit in hybrid if hit.id == document.id]
            assert same.metadata[f"{leg}_score"] == pytest.approx(document.metadata["score"])
            assert same.metadata[f"{leg}_rank"] == rank
        absent = [hit for hit in hybrid if hit.id not in ids(found)]
        assert all(f"{leg}_rank" not in hit.metadata and f"{leg}_score" not in hit.metadata for hit in absent)
    assert len(legs["full_text"]) < len(hybrid)
    scores = [document.metadata["score"] for document in hybrid]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_rrf_scores_are_what_the_ranks_say(handbook: MilvusStore) -> None:
    found = milvus_retriever(handbook, mode="hybrid", k=7, fusion="rrf", weights=(2.0, 1.0), rrf_k=10).invoke(QUESTION)

    for document in found:
        ranks = document.metadata
        expected = 2 / (10 + ranks["dense_rank"]) + (
            1 / (10 + ranks["full_text_rank"]) if "full_text_rank" in ranks else 0
        )
        assert ranks["score"] == pytest.approx(expected)


def test_weights_choose_a_leg(handbook: MilvusStore) -> None:
    question = "nearest hits E1042"
    by_words = milvus_retriever(handbook, mode="hybrid", k=1, weights=(0.0, 1.0)).invoke(question)
    by_vectors = milvus_retriever(handbook, mode="hybrid", k=7, weights=(1.0, 0.0), fusion="rrf").invoke(question)
    dense = milvus_retriever(handbook, mode="dense", k=7).invoke(question)

    assert places(by_words) == [("ops/backup.md", "Errors")]
    assert ids(by_vectors) == ids(dense)


def test_k_of_ten_gives_ten(tmp_path: Path) -> None:
    texts = [f"note {n} about the harvest" for n in range(40)]
    with open_store(str(tmp_path / "notes.db"), embedding=WordEmbeddings()) as store:
        store.add_texts(texts)
        for mode in ("dense", "full_text", "hybrid"):
            found = milvus_retriever(store, mode=mode, k=10).invoke("the harvest notes")
            assert len(set(ids(found))) == 10
        assert len(milvus_retriever(store, mode="hybrid", k=30, fetch_k=5).invoke("the harvest notes")) == 30


def test_the_hundredth_search_gives_what_the_first_gave(handbook: MilvusStore) -> None:
    """langchain_milvus keeps what a hybrid search appends to its fields, so the second one fails."""
    retriever = milvus_retriever(handbook, mode="hybrid", k=5)

    first = retriever.invoke(QUESTION)

    assert retriever.invoke(QUESTION) == first
    for _ in range(97):
        retriever.invoke("something else")
    assert retriever.invoke(QUESTION) == first
    assert milvus_retriever(handbook, mode="hybrid", k=5).invoke(QUESTION) == first


def test_no_vector_is_made_for_full_text_search(words_only: MilvusStore, handbook: MilvusStore) -> None:
    embedding = handbook.embedding
    assert isinstance(embedding, WordEmbeddings)
    asked = len(embedding.questions)

    milvus_retriever(handbook, mode="full_text").invoke(QUESTION)

    assert len(embedding.questions) == asked


def test_without_a_mode_it_is_what_the_store_has(words_only: MilvusStore, vectors_only: MilvusStore) -> None:
    words = milvus_retriever(words_only).invoke(QUESTION)
    vectors = milvus_retriever(vectors_only).invoke(QUESTION)

    assert places(words)[0] == places(vectors)[0] == ("ops/limits.md", "Vectors")
    assert words == milvus_retriever(words_only, mode="full_text").invoke(QUESTION)
    assert vectors == milvus_retriever(vectors_only, mode="dense").invoke(QUESTION)


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_a_mode_without_an_embedding_is_refused(words_only: MilvusStore, mode: Mode) -> None:
    with pytest.raises(InputError, match="opened without one"):
        milvus_retriever(words_only, mode=mode)


@pytest.mark.parametrize("mode", ["full_text", "hybrid"])
def test_a_mode_without_full_text_search_is_refused(vectors_only: MilvusStore, mode: Mode) -> None:
    with pytest.raises(InputError, match="needs full-text search"):
        milvus_retriever(vectors_only, mode=mode)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k is at least 1, not 0"),
        ({"k": -3}, "k is at least 1"),
        ({"fetch_k": 0}, "fetch_k is at least 1"),
        ({"expand": -1}, "expand is at least 0"),
        ({"rrf_k": 0}, "rrf_k is at least 1"),
        ({"min_score": 1.5}, "from -1 to 1"),
        ({"weights": (-1.0, 2.0)}, "weights"),
        ({"weights": (0.0, 0.0)}, "weights"),
        ({"mode": "sparse"}, "no mode 'sparse'. Use one of: dense, full_text, hybrid"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(
    handbook: MilvusStore, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        milvus_retriever(handbook, **arguments)


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused(handbook: MilvusStore, question: str) -> None:
    with pytest.raises(InputError, match="The question is empty"):
        milvus_retriever(handbook).invoke(question)


@pytest.mark.parametrize("mode", ["dense", "hybrid"])
def test_a_collection_that_is_not_there_yet_has_no_passages(tmp_path: Path, mode: Mode) -> None:
    with open_store(str(tmp_path / "empty.db"), embedding=WordEmbeddings()) as store:
        assert milvus_retriever(store, mode=mode).invoke(QUESTION) == []


class TestFloor:
    """min_score is a floor on the cosine, whichever search found the passage."""

    def test_what_is_above_it_keeps_its_order_and_scores(self, handbook: MilvusStore) -> None:
        every = milvus_retriever(handbook, mode="hybrid", k=7).invoke(QUESTION)

        floored = milvus_retriever(handbook, mode="hybrid", k=7, min_score=0.2).invoke(QUESTION)

        assert floored == [document for document in every if document.metadata["dense_score"] >= 0.2]
        assert 0 < len(floored) < len(every)

    def test_the_best_match_of_words_is_left_out_when_its_cosine_is_below(self, tmp_path: Path) -> None:
        """BM25 finds it and fusion would put it first, but its vector is far away."""
        with open_store(str(tmp_path / "far.db"), embedding=_LastWord()) as store:
            store.add_texts(["zebra zebra zebra south", "some words north"])
            question = "zebra north"
            free = milvus_retriever(store, mode="hybrid", weights=(0.1, 0.9)).invoke(question)
            floored = milvus_retriever(store, mode="hybrid", weights=(0.1, 0.9), min_score=0.5).invoke(question)

        assert free[0].page_content == "zebra zebra zebra south"
        assert [document.page_content for document in floored] == ["some words north"]
        assert (free[1].metadata["full_text_rank"], floored[0].metadata["full_text_rank"]) == (2, 1), "before fusion"

    def test_nothing_above_it_gives_nothing(self, handbook: MilvusStore) -> None:
        assert milvus_retriever(handbook, mode="hybrid", min_score=0.99).invoke(QUESTION) == []

    def test_a_floor_of_the_lowest_cosine_leaves_everything(self, handbook: MilvusStore) -> None:
        free = milvus_retriever(handbook, mode="dense", k=7).invoke(QUESTION)

        assert milvus_retriever(handbook, mode="dense", k=7, min_score=-1.0).invoke(QUESTION) == free

    def test_the_length_of_vectors_does_not_matter(self, tmp_path: Path) -> None:
        with open_store(str(tmp_path / "long.db"), embedding=_LastWord(length=5.0)) as store:
            store.add_texts(["one south", "two north"])

            found = milvus_retriever(store, mode="dense", min_score=0.9).invoke("where is north")

        assert [(document.page_content, document.metadata["score"]) for document in found] == [("two north", 25.0)]

    def test_full_text_search_has_no_cosine(self, handbook: MilvusStore, words_only: MilvusStore) -> None:
        with pytest.raises(InputError, match="min_score is a floor on the cosine"):
            milvus_retriever(handbook, mode="full_text", min_score=0.5)
        with pytest.raises(InputError, match="min_score is a floor on the cosine"):
            milvus_retriever(words_only, min_score=0.5)


class _LastWord(WordEmbeddings):
    """Texts that end alike have the same direction."""

    def __init__(self, length: float = 1.0) -> None:
        super().__init__(dimension=64)
        self.length = length

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[self.length * x for x in hashed_words(text.split()[-1], self.dimension)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def test_neighbours_come_with_a_hit(handbook: MilvusStore) -> None:
    (found,) = milvus_retriever(handbook, mode="full_text", k=1, expand=1).invoke("restore_collection")

    assert found.page_content.count("\n\n") == 3
    assert [text in found.page_content for text in ("two in the morning", "name of the copy", "E1042")] == [True] * 3
    assert found.metadata["headings"] == ["Backup", "Restore"]


class TestReranker:
    def test_it_reorders_before_the_best_are_taken(self, handbook: MilvusStore) -> None:
        reranker = CountingReranker(word="seven")

        found = milvus_retriever(handbook, mode="hybrid", k=1, reranker=reranker).invoke(QUESTION)

        assert "seven copies" in found[0].page_content
        assert reranker.seen == [7]

    def test_its_score_takes_the_place_of_the_search(self, handbook: MilvusStore) -> None:
        plain = milvus_retriever(handbook, mode="hybrid", k=7).invoke(QUESTION)

        found = milvus_retriever(handbook, mode="hybrid", k=7, reranker=CountingReranker(word="vector")).invoke(
            QUESTION
        )

        before = {document.id: document.metadata["score"] for document in plain}
        for document in found:
            assert document.metadata["score"] == document.metadata["rerank_score"]
            assert document.metadata["retrieval_score"] == before[document.id]
            assert "dense_rank" in document.metadata

    @pytest.mark.parametrize(("mode", "fetch_k", "seen"), [("dense", None, 20), ("dense", 4, 4), ("hybrid", 6, 6)])
    def test_it_reads_as_many_as_it_should(self, tmp_path: Path, mode: Mode, fetch_k: int | None, seen: int) -> None:
        reranker = CountingReranker(word="harvest")
        with open_store(str(tmp_path / "notes.db"), embedding=WordEmbeddings()) as store:
            store.add_texts([f"note {n} about the harvest" for n in range(30)])
            milvus_retriever(store, mode=mode, k=2, fetch_k=fetch_k, reranker=reranker).invoke("harvest")

        assert reranker.seen == [seen]

    async def test_it_is_awaited(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, mode="hybrid", k=3, reranker=CountingReranker(word="copies."))

        assert await retriever.ainvoke(QUESTION) == retriever.invoke(QUESTION)

    def test_metadata_that_looks_like_its_score_is_none(self, tmp_path: Path) -> None:
        with open_store(str(tmp_path / "notes.db"), embedding=WordEmbeddings()) as store:
            store.add_texts(["a note"], metadatas=[{"relevance_score": 0.01}])
            (found,) = milvus_retriever(store, mode="dense").invoke("a note")

        assert found.metadata["score"] == pytest.approx(1.0)
        assert found.metadata["relevance_score"] == 0.01
        assert "retrieval_score" not in found.metadata

    def test_neighbours_are_added_to_what_it_chose(self, handbook: MilvusStore) -> None:
        reranker = CountingReranker(word="seven")

        (found,) = milvus_retriever(handbook, mode="hybrid", k=1, reranker=reranker, expand=1).invoke(QUESTION)

        assert "seven copies" in found.page_content
        assert "restore_collection" in found.page_content
