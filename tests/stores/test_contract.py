"""LangChain's contract beyond its own test suite: ids, replacing, searching in every way, sync and async."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import InputError, ModelResponseError
from support.word_embeddings import WordEmbeddings

DIMENSION = 64


@pytest.fixture(scope="module", params=["lite", pytest.param("server", marks=pytest.mark.server)])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    """A store in Milvus Lite, and one on a real server."""
    uri = str(tmp_path_factory.mktemp("contract") / "test.db")
    if request.param == "server":
        uri = request.getfixturevalue("server_uri")
    name = f"contract_{uuid.uuid4().hex}"
    with open_store(uri, collection=name, embedding=WordEmbeddings(DIMENSION), full_text=False) as store:
        store.add_texts(["the first row makes the collection"], ids=["first"])
        yield store
        store.drop()


@pytest.fixture
def store(shared: MilvusStore) -> MilvusStore:
    """An empty one."""
    shared.delete(expr='pk != ""')
    return shared


@pytest.fixture
def lite(lite_uri: str) -> Iterator[MilvusStore]:
    with open_store(lite_uri, embedding=WordEmbeddings(DIMENSION)) as store:
        yield store


def _texts(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


class TestWriting:
    def test_adding_an_id_again_replaces_all_of_the_row(self, store: MilvusStore) -> None:
        assert store.add_documents([Document("old words", id="1", metadata={"old": 1, "both": 1})]) == ["1"]
        assert store.add_documents([Document("new words", id="1", metadata={"both": 2})]) == ["1"]
        [found] = store.get_by_ids(["1"])
        assert (found.page_content, found.metadata) == ("new words", {"both": 2})
        assert _texts(store.similarity_search("old", k=3)) == ["new words"]
        assert store.get_pks({"old": 1}) == []
        assert store.upsert(["1"], [Document("newest words")]) == ["1"]
        assert _texts(store.get_by_ids(["1"])) == ["newest words"]
        assert store.count() == 1

    @pytest.mark.parametrize(
        "add",
        [
            lambda store, documents: store.add_documents(documents),
            lambda store, documents: asyncio.run(store.aadd_documents(documents)),
            lambda store, documents: store.upsert(documents=documents),
            lambda store, documents: asyncio.run(store.aupsert(documents=documents)),
        ],
        ids=["add_documents", "aadd_documents", "upsert", "aupsert"],
    )
    def test_documents_may_come_one_by_one(self, store: MilvusStore, add: Callable[..., list[str]]) -> None:
        """As a loader's lazy_load gives them."""
        assert add(store, (Document(f"text {i}", id=str(i), metadata={"n": i}) for i in range(3))) == ["0", "1", "2"]
        assert [(d.page_content, d.metadata) for d in store.get_by_ids(["0", "2"])] == [
            ("text 0", {"n": 0}),
            ("text 2", {"n": 2}),
        ]

    def test_a_store_may_be_made_of_documents_that_come_one_by_one(self, lite_uri: str) -> None:
        embedding = WordEmbeddings(DIMENSION)
        for name, texts in (("sync", ["a"]), ("async", ["b"])):
            documents = (Document(text, id=text, metadata={"n": 1}) for text in texts)
            if name == "sync":
                store = MilvusStore.from_documents(documents, embedding, uri=lite_uri, collection_name=name)
            else:
                made = MilvusStore.afrom_documents(documents, embedding, uri=lite_uri, collection_name=name)
                store = asyncio.run(made)
            with store:
                assert store.get_pks({"n": 1}) == texts

    def test_vectors_and_their_texts_may_come_one_by_one(self, store: MilvusStore) -> None:
        texts = ["one", "two"]
        vectors = WordEmbeddings(DIMENSION).embed_documents(texts)
        assert store.add_embeddings(iter(texts), iter(vectors), ids=["1", "2"]) == ["1", "2"]
        assert _texts(store.get_by_ids(["1", "2"])) == texts

    def test_of_an_id_given_twice_the_last_wins(self, store: MilvusStore) -> None:
        assert store.add_texts(["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": 3}], ids=["x", "y", "x"]) == ["x", "y", "x"]
        assert store.count() == 2
        assert [(d.id, d.page_content, d.metadata) for d in store.get_by_ids(["x", "y"])] == [
            ("x", "c", {"n": 3}),
            ("y", "b", {"n": 2}),
        ]

    def test_ids_are_random_where_there_are_none(self, store: MilvusStore) -> None:
        first, second = store.add_texts(["same", "same"])
        given, third = store.add_documents([Document("same", id="given"), Document("same")])
        assert given == "given"
        assert len({first, second, third}) == 3
        assert all(uuid.UUID(row_id) for row_id in (first, second, third))
        assert store.count() == 4

    def test_deleting(self, store: MilvusStore) -> None:
        store.add_texts(["a", "b", "c", "d"], [{"n": n} for n in range(4)], ids=list("abcd"))
        assert store.delete(["a", "unknown", "a"]) is True
        assert store.delete(filter={"n": {"$gte": 3}}) is True
        assert store.delete(expr="n == 1") is True
        assert store.delete(expr='pk == "unknown"') is True
        assert store.delete([]) is True
        assert store.get_pks("") == ["c"]

    def test_documents_come_by_id_in_the_order_asked_for(self, store: MilvusStore) -> None:
        store.add_texts(list("abc"), ids=list("abc"))
        assert [d.id for d in store.get_by_ids(["c", "unknown", "a", "c"])] == ["c", "a", "c"]
        assert store.get_by_ids([]) == []

    def test_many_at_once(self, lite: MilvusStore) -> None:
        """More than a request to Milvus takes."""
        ids = [f"{n:04}" for n in range(1200)]
        assert lite.add_texts([f"text {n}" for n in ids], [{"n": int(n)} for n in ids], ids=ids) == ids
        assert [d.metadata["n"] for d in lite.get_by_ids(ids[::-1])] == list(range(1199, -1, -1))
        assert sorted(lite.get_pks({"n": {"$gte": 100}})) == ids[100:]
        lite.delete(ids[1:])
        assert lite.get_pks("") == ids[:1]

    def test_an_embedding_that_is_no_vector_of_numbers_stores_nothing(self, lite: MilvusStore) -> None:
        good: list[Any] = [0.5] * DIMENSION
        wrong: list[Any] = [float("nan"), float("inf"), 1e300, "x", "0.5", None, True, 1j, [0.5]]
        for bad in wrong:
            with pytest.raises(ModelResponseError, match="embedding 2 of 2"):
                lite.add_embeddings(["a", "b"], [good, [*good[1:], bad]])
        with pytest.raises(ModelResponseError):
            lite.similarity_search_by_vector([float("nan")] * DIMENSION)
        assert not lite.exists


class TestSearching:
    TEXTS = ("cats chase mice", "cats chase mice often", "dogs chase cats", "milvus stores vectors")

    @pytest.fixture
    def filled(self, store: MilvusStore) -> MilvusStore:
        store.add_texts(list(self.TEXTS), [{"n": n} for n in range(4)], ids=list("abcd"))
        return store

    def test_the_best_come_first_with_their_scores(self, filled: MilvusStore) -> None:
        hits = filled.similarity_search_with_score("cats chase mice", k=4)
        assert [d.id for d, _ in hits] == ["a", "b", "c", "d"]
        # Cosines of bags of words, worked out by hand.
        assert [score for _, score in hits] == pytest.approx([1.0, 3 / 12**0.5, 2 / 3, 0.0], abs=1e-6)
        assert [d.id for d in filled.similarity_search("cats chase mice", k=2)] == ["a", "b"]
        assert len(filled.similarity_search("cats", k=1_000_000)) == 4

    def test_relevance_is_between_0_and_1(self, filled: MilvusStore) -> None:
        hits = filled.similarity_search_with_relevance_scores("cats chase mice", k=4)
        assert [score for _, score in hits] == pytest.approx([1.0, 0.5 + 1.5 / 12**0.5, 5 / 6, 0.5], abs=1e-6)
        assert all(0 <= score <= 1 for _, score in hits)
        above = filled.similarity_search_with_relevance_scores("cats chase mice", k=4, score_threshold=0.9)
        assert [d.id for d, _ in above] == ["a", "b"]

    def test_by_vector(self, filled: MilvusStore) -> None:
        vector = WordEmbeddings(DIMENSION).embed_query("milvus vectors")
        assert [d.id for d in filled.similarity_search_by_vector(vector, k=1)] == ["d"]
        [(hit, score)] = filled.similarity_search_with_score_by_vector(vector, k=1)
        assert (hit.id, hit.metadata) == ("d", {"n": 3})
        assert score == pytest.approx(2 / 6**0.5)
        assert [d.id for d in filled.max_marginal_relevance_search_by_vector(vector, k=1)] == ["d"]

    def test_mmr_prefers_what_is_unlike_what_it_has(self, filled: MilvusStore) -> None:
        def chosen(lambda_mult: float) -> list[str | None]:
            found = filled.max_marginal_relevance_search("cats chase mice", k=2, fetch_k=3, lambda_mult=lambda_mult)
            assert all(document.metadata.keys() == {"n"} for document in found)
            return [document.id for document in found]

        assert chosen(1.0) == ["a", "b"]
        assert chosen(0.1) == ["a", "c"]

    def test_retrievers(self, filled: MilvusStore) -> None:
        question = "cats chase mice"
        plain = filled.as_retriever(search_kwargs={"k": 2, "filter": {"n": {"$gte": 1}}})
        mmr = filled.as_retriever(search_type="mmr", search_kwargs={"k": 2, "fetch_k": 3, "lambda_mult": 0.1})
        threshold = filled.as_retriever(
            search_type="similarity_score_threshold", search_kwargs={"k": 4, "score_threshold": 0.9}
        )
        for retriever, expected in ((plain, ["b", "c"]), (mmr, ["a", "c"]), (threshold, ["a", "b"])):
            assert [d.id for d in retriever.invoke(question)] == expected
            assert [d.id for d in asyncio.run(retriever.ainvoke(question))] == expected
        assert [d.id for d in filled.search(question, "similarity", k=1)] == ["a"]
        assert filled.embeddings is filled.embedding

    def test_every_row_is_found_by_its_own_vector(self, lite: MilvusStore) -> None:
        """Axes, all equally far from each other: a graph that is walked from one to the next does not get to some."""
        axes = [[float(i == n) for i in range(DIMENSION)] for n in range(DIMENSION)]
        lite.add_embeddings(["far"] * 32, axes[:32], ids=[str(n) for n in range(32)])
        for n in range(20):
            lite.add_embeddings(["near"] * 5, [axes[32 + n % 4]] * 5)
        assert [lite.similarity_search_by_vector(axes[n], k=1)[0].id for n in range(32)] == [str(n) for n in range(32)]

    @pytest.mark.parametrize("k", [0, -1])
    def test_no_hits_are_no_search(self, lite: MilvusStore, k: int) -> None:
        lite.add_texts(["text"])
        with pytest.raises(InputError, match="k is the number of hits"):
            lite.similarity_search("text", k=k)


class TestAsync:
    def test_every_async_method_does_what_its_sync_twin_does(self, store: MilvusStore) -> None:
        vector = WordEmbeddings(DIMENSION).embed_query("cats")

        async def use() -> None:
            assert await store.aadd_texts(["cats", "dogs"], [{"n": 1}, {"n": 2}], ids=["1", "2"]) == ["1", "2"]
            assert await store.aadd_documents([Document("mice", id="3", metadata={"n": 3})]) == ["3"]
            assert await store.aadd_embeddings(["cats too"], [vector], ids=["4"]) == ["4"]
            assert await store.aupsert(["4"], [Document("cats, too", metadata={"n": 4})]) == ["4"]
            assert [d.id for d in await store.aget_by_ids(["3", "1"])] == ["3", "1"]
            assert [d.id for d in await store.asimilarity_search("dogs", k=1)] == ["2"]
            assert [d.id for d, _ in await store.asimilarity_search_with_score("mice", k=1)] == ["3"]
            assert (await store.asimilarity_search_with_relevance_scores("mice", k=1))[0][1] == pytest.approx(1.0)
            assert [d.id for d in await store.asimilarity_search_by_vector(vector, k=1)] == ["1"]
            assert [d.id for d, _ in await store.asimilarity_search_with_score_by_vector(vector, k=1)] == ["1"]
            assert [d.id for d in await store.amax_marginal_relevance_search("dogs", k=1)] == ["2"]
            assert [d.id for d in await store.amax_marginal_relevance_search_by_vector(vector, k=1)] == ["1"]
            assert sorted(await store.aget_pks({"n": {"$gt": 2}})) == ["3", "4"]
            assert [d.id for d in await store.asearch_by_metadata({"n": 2})] == ["2"]
            assert [d.id for d in await store.asimilarity_search("cats", k=4, filter={"n": {"$gt": 3}})] == ["4"]
            assert await store.adelete(["1"]) is True
            assert await store.adelete(expr="n >= 3") is True

        asyncio.run(use())
        assert store.get_pks("") == ["2"]

    def test_any_number_of_event_loops(self, store: MilvusStore) -> None:
        for n in range(3):
            asyncio.run(store.aadd_texts([f"loop {n}"], ids=[str(n)]))
            assert len(asyncio.run(store.asimilarity_search("loop", k=9))) == n + 1

    def test_many_tasks_at_once(self, lite: MilvusStore) -> None:
        async def use() -> list[list[Document]]:
            await asyncio.gather(*(lite.aadd_texts([f"number{n}"], ids=[str(n)]) for n in range(16)))
            return await asyncio.gather(*(lite.asimilarity_search(f"number{n}", k=1) for n in range(16)))

        assert all(len(found) == 1 for found in asyncio.run(use()))
        assert lite.count() == 16


class TestConstructors:
    def test_from_texts_and_from_documents(self, lite_uri: str) -> None:
        embedding = WordEmbeddings(DIMENSION)
        with MilvusStore.from_texts(
            ["cats", "dogs"], embedding, [{"n": 1}, {"n": 2}], ids=["1", "2"], uri=lite_uri, collection_name="a"
        ) as store:
            assert [(d.id, d.metadata) for d in store.similarity_search("dogs", k=1)] == [("2", {"n": 2})]
        documents = [Document("cats", id="1"), Document("dogs", id="2")]
        with MilvusStore.from_documents(documents, embedding, uri=lite_uri, collection_name="b") as store:
            assert store.get_by_ids(["2", "1"]) == documents[::-1]

    def test_their_async_twins(self, lite_uri: str) -> None:
        async def use() -> None:
            embedding = WordEmbeddings(DIMENSION)
            with await MilvusStore.afrom_texts(["cats"], embedding, ids=["1"], uri=lite_uri) as store:
                assert [d.id for d in await store.asimilarity_search("cats")] == ["1"]
            documents = [Document("dogs", id="2")]
            with await MilvusStore.afrom_documents(documents, embedding, uri=lite_uri) as store:
                assert [d.id for d in await store.asimilarity_search("dogs", k=1)] == ["2"]

        asyncio.run(use())

    def test_one_that_fails_lets_go_of_the_database(self, lite_uri: str) -> None:
        with pytest.raises(InputError):
            MilvusStore.from_texts(["text"], WordEmbeddings(DIMENSION), [{"a": {1, 2}}], uri=lite_uri)
        with open_store(lite_uri) as store:
            assert not store.exists


def test_of_a_collection_of_its_own_no_index_is_asked_for(lite: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Milvus Lite counts all rows to describe one."""
    lite.add_texts(["the first row makes the collection"])
    for name in ("list_indexes", "describe_index"):
        monkeypatch.setattr(lite.client, name, None)
    layout = lite.collection.refresh()
    assert layout is not None
    assert layout.metric == "IP"
