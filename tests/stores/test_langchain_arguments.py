"""The arguments of langchain_milvus.Milvus: each is taken, or refused with what does the same here."""

import inspect
import pickle
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.documents import Document
from langchain_milvus import BM25BuiltInFunction, Milvus
from langchain_milvus.utils.sparse import BaseSparseEmbedding
from pymilvus import DataType, MilvusClient

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, milvus_retriever, open_store, sync
from milvus_rag.errors import CollectionSchemaError, FilterError, InputError
from milvus_rag.stores.copying import copy_collection
from milvus_rag.stores.new_collection import NewCollection, read_new_collection
from milvus_rag.stores.opening import REFUSED, LangChainArguments
from support.word_embeddings import WordEmbeddings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compose.md"
NOTES = [
    Document("Green tea is steeped for two minutes.", id="g", metadata={"team": "tea", "year": 2021}),
    Document("Black tea takes boiling water.", id="b", metadata={"team": "tea", "year": 2022, "pages": 3}),
    Document("Filter coffee wants patience.", id="f", metadata={"team": "coffee", "year": 2023}),
]


class TermWeights(BaseSparseEmbedding):
    """A sparse model: each text is its length."""

    def embed_query(self, query: str) -> dict[int, float]:
        return {len(query): 1.0}

    def embed_documents(self, texts: list[str]) -> list[dict[int, float]]:
        return [self.embed_query(text) for text in texts]


# The core of Milvus Lite 2.5 has neither partitions by a key, nor graphs, nor fields without a value.
@pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.server)])
def opened(request: pytest.FixtureRequest, collection_name: str) -> Any:
    """Opens stores on one collection, with an embedding, and drops it in the end."""
    uri = request.getfixturevalue(f"{request.param}_uri")
    stores: list[MilvusStore] = []

    def open_one(**arguments: Any) -> MilvusStore:
        full_text = request.param != "server"
        given = {"uri": uri, "collection": collection_name, "full_text": full_text, "embedding": WordEmbeddings()}
        stores.append(open_store(**{**given, **arguments}))
        return stores[-1]

    yield open_one
    stores[-1].drop()
    for store in stores:
        store.close()


def described(store: MilvusStore) -> Any:
    return store.client.describe_collection(store.collection_name)


def dense_index(store: MilvusStore) -> Any:
    layout = store.layout
    assert layout is not None
    return store.client.describe_index(layout.name, layout.vector_field)


class TestTheTable:
    """docs/compose.md has a row for each argument, and says of each what is so."""

    ROWS: ClassVar = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    TAKEN_BY_OTHER_NAMES = frozenset({"embedding_function", "collection_name", "consistency_level", "timeout"})

    def test_has_a_row_for_each(self) -> None:
        theirs = inspect.signature(Milvus.__init__).parameters.keys() - {"self"}
        assert theirs <= self.ROWS.keys()
        assert theirs == self.TAKEN_BY_OTHER_NAMES | REFUSED.keys() | LangChainArguments.__annotations__.keys()

    @pytest.mark.parametrize("name", REFUSED)
    def test_what_is_refused_is_said_to_be(self, name: str) -> None:
        assert self.ROWS[name].startswith("refused: ")
        assert REFUSED[name][1].partition(",")[0] in self.ROWS[name].replace("`", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"auto_id": True}, "ids are texts here"),
        ({"enable_dynamic_field": False}, "metadata may have any keys"),
        ({"metadata_field": "meta"}, "dynamic field"),
        ({"partition_names": ["a"]}, "partition_key_field"),
        ({"vector_schema": {"dtype": DataType.FLOAT16_VECTOR}}, "FLOAT_VECTOR"),
        ({"builtin_function": BM25BuiltInFunction()}, "full_text=True"),
        ({"nothing": 1}, "no argument 'nothing'"),
        ({"num_partitions": 4}, "partition_key_field"),
        ({"num_shards": 0}, "num_shards"),
        ({"replica_number": True}, "replica_number"),
        ({"index_params": {"metric_type": "HAMMING"}}, "'HAMMING'"),
        ({"index_params": {"kind": "HNSW"}}, "not kind"),
        ({"index_params": "HNSW"}, "index_params is a dict"),
        ({"search_params": {"ef": 3}}, "not ef"),
        ({"metadata_schema": {"year": "int"}}, "DataType.INT64"),
        ({"metadata_schema": {"text": {"dtype": DataType.INT64}}}, "'text'"),
        ({"metadata_schema": {"$root": {"dtype": DataType.INT64}}}, "root"),
        (
            {"partition_key_field": "a", "metadata_schema": {"a": {"dtype": DataType.FLOAT}}},
            "VARCHAR or DataType.INT64",
        ),
        ({"metadata_schema": {"tags": {"dtype": DataType.ARRAY, "max_capacity": 3}}}, "element_type"),
        ({"text_field": "a", "vector_field": "a"}, "three names"),
        ({"vector_field": ["a", "b"]}, "vector_field is one name"),
        ({"embedding": [WordEmbeddings(), WordEmbeddings()]}, "one dense embedding, not a list of 2"),
        ({"embedding": [WordEmbeddings()], "index_params": [{}, {"metric_type": "L2"}]}, "one dense embedding"),
        ({"embedding": TermWeights()}, "TermWeights makes sparse vectors"),
        ({"vector_field": "a b"}, "'a b'"),
        ({"collection_properties": {"milvus_rag.layout": 1}}, "milvus_rag.layout"),
        ({"connection_args": {"uri": "http://127.0.0.1:1"}, "uri": "x.db"}, "given twice"),
        ({"connection_args": {"host": "localhost"}}, "uri"),
        ({"connection_args": {"user": "me", "password": "p"}, "token": "t"}, "one of them"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_anything_is_opened(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        open_store(**arguments)
    assert not list(Path.cwd().glob("*.db"))


def test_what_asks_for_what_is_so_anyhow_is_taken(lite_uri: str) -> None:
    with MilvusStore(
        WordEmbeddings(),
        auto_id=False,
        enable_dynamic_field=True,
        metadata_field=None,
        connection_args={"uri": lite_uri},
    ) as store:  # type: ignore[call-arg]  # what is refused is in no signature
        store.add_documents(NOTES)
        assert store.count() == 3
    assert Path(lite_uri).exists()


class TestFields:
    SCHEMA = {"year": {"dtype": DataType.INT64}, "pages": {"dtype": DataType.INT32}}  # noqa: RUF012 - only read

    def test_a_partition_key(self, opened: Any) -> None:
        store = opened(partition_key_field="team", num_partitions=3)
        if not store.server.partition_keys:
            with pytest.raises(InputError, match="does not find rows by a partition key"):
                store.add_documents(NOTES)
            return
        store.add_documents(NOTES)
        fields = {field["name"]: field for field in described(store)["fields"]}

        assert fields["team"].get("is_partition_key")
        # Milvus Lite has a number of its own.
        assert store.server.lite or described(store)["num_partitions"] == 3
        assert {found.id for found in store.similarity_search("tea", k=5, filter={"team": "tea"})} == {"g", "b"}
        assert sorted(found.metadata["team"] for found in store.similarity_search("tea", k=5)) == [
            "coffee",
            "tea",
            "tea",
        ]
        with pytest.raises(InputError, match="no metadata 'team'"):
            store.add_documents([Document("Water.")])
        assert store.count() == 3

    def test_a_row_that_changes_its_partition_is_there_once(self, opened: Any) -> None:
        store = opened(partition_key_field="team", num_partitions=16)
        if not store.server.partition_keys:
            return
        store.add_documents(NOTES)
        for team in ("coffee", "water", "milk"):
            store.add_documents([Document("Green tea is steeped.", id="g", metadata={"team": team})])

            assert store.count() == 3
            assert store.get_by_ids(["g"])[0].metadata["team"] == team
            assert [found.id for found in store.similarity_search("green", k=9, filter={"team": team})][:1] == ["g"]
            assert [found.id for found in store.similarity_search("green tea", k=9)].count("g") == 1
        store.delete(["g"])
        assert store.count() == 2

    def test_metadata_in_fields_means_in_filters_what_it_means_elsewhere(self, lite_uri: str) -> None:
        with (
            open_store(lite_uri, collection="fields", metadata_schema=self.SCHEMA) as typed,
            open_store(lite_uri, collection="plain") as plain,
        ):
            for store in (typed, plain):
                store.add_documents(NOTES)
            for wanted in (
                {"year": 2021}, {"year": {"$gt": 2021}}, {"pages": 3}, {"pages": {"$ne": 3}}, {"pages": None},
                {"pages": {"$exists": True}}, {"$not": {"pages": {"$gte": 3}}},
                {"team": "tea", "year": {"$in": [2022]}},
            ):  # fmt: skip
                ids = [{found.id for found in store.search_by_metadata(wanted)} for store in (typed, plain)]
                assert ids[0] == ids[1], wanted
            assert [found.metadata for found in typed.get_by_ids(["g", "b"])] == [
                found.metadata for found in plain.get_by_ids(["g", "b"])
            ]
            with pytest.raises((InputError, FilterError, CollectionSchemaError)):
                typed.similarity_search("tea", filter={"year": "new"})

    def test_a_field_is_as_long_as_is_said(self, opened: Any) -> None:
        said = {"team": {"max_length": 40}, "of": {"kwargs": {"max_length": 9}}}
        store = opened(metadata_schema={key: {"dtype": DataType.VARCHAR, **length} for key, length in said.items()})
        store.add_documents([Document("Milk.", metadata={"team": "dairy", "of": "cows"})])

        lengths = {field["name"]: field["params"].get("max_length") for field in described(store)["fields"]}
        assert (lengths["team"], lengths["of"]) == (40, 9)

    def test_lists_in_fields(self, lite_uri: str) -> None:
        notes = [
            Document("Green tea.", id="g", metadata={"tags": ["hot", "leaf"], "minutes": [2, 3]}),
            Document("Black tea.", id="b", metadata={"tags": ["hot"], "minutes": [4]}),
            Document("Iced tea.", id="i", metadata={"tags": []}),
        ]
        texts = {"element_type": DataType.VARCHAR, "max_length": 20, "max_capacity": 4}
        numbers = {"element_type": DataType.INT64, "max_capacity": 4}
        schema = {
            "tags": {"dtype": DataType.ARRAY, **texts},
            "minutes": {"dtype": DataType.ARRAY, "kwargs": numbers},
        }
        with (
            open_store(lite_uri, collection="fields", metadata_schema=schema) as typed,
            open_store(lite_uri, collection="plain") as plain,
        ):
            for store in (typed, plain):
                store.add_documents(notes)
                assert [found.metadata for found in store.get_by_ids(["g", "b", "i"])] == [n.metadata for n in notes]
            for wanted, ids in (
                ({"tags": {"$contains": "hot"}}, {"g", "b"}), ({"minutes": {"$contains": 3}}, {"g"}),
                ({"$not": {"minutes": {"$contains": 3}}}, {"b", "i"}), ({"minutes": None}, {"i"}),
                ("array_contains(minutes, 4)", {"b"}), ("minutes[0] < 4", {"g"}),
            ):  # fmt: skip
                for store in (typed, plain):
                    assert {found.id for found in store.search_by_metadata(wanted)} == ids, wanted

    def test_the_store_says_its_fields(self, opened: Any) -> None:
        schema = {"year": {"dtype": DataType.INT64}}
        store = opened(text_field="body", vector_field="embedding", metadata_schema=schema, full_text=False)
        assert store.fields == []
        store.add_documents(NOTES)

        assert store.fields == opened().fields == ["body", "embedding", "pk", "year"]
        assert store.vector_fields == ["embedding"]

    def test_names(self, opened: Any) -> None:
        names = {"primary_field": "id", "text_field": "body", "vector_field": "embedding"}
        store = opened(**names)
        store.add_documents([*NOTES, Document("Milk.", id="m", metadata={"body": "kept", "id": 7, "text": "also"})])
        again = opened()

        assert {"id", "body", "embedding"} <= {field["name"] for field in described(store)["fields"]}
        assert again.similarity_search("green tea", k=1)[0].page_content == NOTES[0].page_content
        assert again.get_by_ids(["m"])[0].metadata == {"body": "kept", "id": 7, "text": "also"}
        assert opened(**names).count() == 4
        with pytest.raises(CollectionSchemaError, match="'content'"):
            opened(text_field="content")

    def test_names_of_a_collection_that_another_program_made(self, lite_uri: str) -> None:
        client = MilvusClient(lite_uri)
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=100)
        schema.add_field("summary", DataType.VARCHAR, max_length=100)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=WordEmbeddings().dimension)
        index = MilvusClient.prepare_index_params()
        index.add_index("vector", index_type="FLAT", metric_type="IP")
        client.create_collection("theirs", schema=schema, index_params=index)
        vector = WordEmbeddings().embed_query("tea")
        client.insert("theirs", [{"id": 1, "text": "long", "summary": "short", "vector": vector}])
        client.close()

        with open_store(lite_uri, collection="theirs", embedding=WordEmbeddings(), text_field="summary") as store:
            (found,) = store.similarity_search("tea")
        assert (found.page_content, found.metadata["text"]) == ("short", "long")
        with pytest.raises(CollectionSchemaError, match="'abstract'"):
            open_store(lite_uri, collection="theirs", embedding=WordEmbeddings(), vector_field="abstract")


@pytest.mark.parametrize("given", [True, False])
def test_a_copy_is_made_as_the_source(tmp_path: Path, given: bool) -> None:
    made: Any = {"text_field": "body", "metadata_schema": TestFields.SCHEMA}
    index = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 32}}
    properties = {"collection.ttl.seconds": 86_400}
    own: Any = {"embedding": WordEmbeddings(), "index_params": index, "collection_properties": properties}
    with (
        open_store(str(tmp_path / "one.db"), **made, **own) as source,
        open_store(str(tmp_path / "two.db"), embedding=WordEmbeddings(), **(made if given else {})) as target,
    ):
        source.add_documents(NOTES)
        assert copy_collection(source, target).rows == 3

        assert target.get_by_ids(["g"]) == source.get_by_ids(["g"])
        assert target.similarity_search("green tea", k=1, filter={"year": 2021})[0].id == "g"
        assert dense_index(target)["index_type"] == "HNSW"
        assert described(target)["properties"]["collection.ttl.seconds"] == "86400"
        ours, theirs = described(target)["fields"], described(source)["fields"]
        assert ours == theirs


def test_a_copy_into_other_fields_is_refused(tmp_path: Path) -> None:
    with (
        open_store(str(tmp_path / "one.db"), text_field="body") as source,
        open_store(str(tmp_path / "two.db"), text_field="content") as target,
    ):
        source.add_documents(NOTES)
        with pytest.raises(InputError, match="metadata_schema that the source was made with"):
            copy_collection(source, target)


@pytest.mark.server
def test_a_copy_from_milvus_lite_is_made_on_a_server_as_it_was_asked_for(
    tmp_path: Path, server_uri: str, collection_name: str, caplog: pytest.LogCaptureFixture
) -> None:
    index = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 32}}
    own: Any = {"embedding": WordEmbeddings(), "full_text": False}
    made: Any = {"index_params": index, "partition_key_field": "team", "num_partitions": 4}
    with (
        open_store(str(tmp_path / "one.db"), **own, **made) as source,
        open_store(server_uri, collection=collection_name, **own) as target,
    ):
        source.add_documents(NOTES)
        assert copy_collection(source, target).rows == 3
        assert {**dense_index(target), "M": "8"} == dense_index(target)
        if not target.server.partition_keys:
            assert "'team' is a field like others" in caplog.text
        assert target.similarity_search("green tea", k=1, filter={"team": "tea"})[0].id == "g"
        target.drop()


class TestIndexAndSearch:
    @pytest.mark.parametrize("metric", ["COSINE", "L2", "IP"])
    def test_an_index_of_ones_own(self, opened: Any, metric: str) -> None:
        index = {"index_type": "HNSW", "metric_type": metric, "params": {"M": 8, "efConstruction": 32}}
        store = opened(index_params=index, search_params={"params": {"ef": 40}})
        store.add_documents(NOTES)
        again = opened()

        assert (dense_index(store)["index_type"], dense_index(store)["metric_type"]) == ("HNSW", metric)
        for one in (store, again):
            (best, score), *others = one.similarity_search_with_score("green tea", k=3)
            assert best.id == "g"
            assert all(score >= other for _, other in others)
            relevance = [each for _, each in one.similarity_search_with_relevance_scores("green tea", k=3)]
            assert relevance == sorted(relevance, reverse=True)
            assert 0 <= relevance[-1] <= relevance[0] <= 1

    def test_full_text_takes_the_index_that_milvus_chooses(self, lite_uri: str) -> None:
        indexes = [{"index_type": "AUTOINDEX", "metric_type": metric} for metric in ("COSINE", "BM25")]
        with open_store(lite_uri, embedding=WordEmbeddings(), index_params=indexes) as store:
            store.add_documents(NOTES)
            assert [found.id for found, _ in store.search_full_text("boiling", 3)] == ["b"]

    def test_properties(self, opened: Any) -> None:
        given = {"mmap.enabled": True, "collection.ttl.seconds": 86_400}
        store = opened(collection_properties=given, num_shards=1, replica_number=1, collection_description="Notes.")
        store.add_documents(NOTES)

        properties = described(store)["properties"]
        assert (properties["mmap.enabled"], properties["collection.ttl.seconds"]) == ("true", "86400")
        assert opened().count() == 3

    def test_drop_old_forgets_the_other_embedding_too(self, opened: Any) -> None:
        opened(embedding=WordEmbeddings(dimension=8)).add_documents(NOTES)
        store = opened(embedding=WordEmbeddings(dimension=16), drop_old=True)

        assert store.count() == 0
        store.add_documents(NOTES[:1])
        assert opened(embedding=WordEmbeddings(dimension=16)).count() == 1


COUNTS = ("total_rows", "indexed_rows", "pending_index_rows", "state")
MADE_WITH: dict[str, Any] = {
    "index_params": {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 32}},
    "collection_properties": {"mmap.enabled": True},
    "metadata_schema": {"year": {"dtype": DataType.INT64}},
    "num_shards": 2,
}


class TestOfACollectionThatIsThere:
    """What was asked of a new one is not dropped in silence."""

    @pytest.fixture
    def made(self, opened: Any) -> Any:
        opened(**MADE_WITH).add_documents(NOTES)
        return opened

    @pytest.mark.parametrize(
        ("asked", "said"),
        [
            ({"index_params": {"index_type": "IVF_FLAT"}}, "its dense index has index_type HNSW, not IVF_FLAT"),
            (
                {"index_params": {"index_type": "HNSW", "metric_type": "L2"}},
                "its dense index has metric_type COSINE, not L2",
            ),
            ({"collection_properties": {"mmap.enabled": False}}, "its property mmap.enabled is true, not false"),
            (
                {"collection_properties": {"collection.ttl.seconds": 60}},
                "its property collection.ttl.seconds is not set, not 60",
            ),
            ({"metadata_schema": {"size": {"dtype": DataType.INT64}}}, "it has no field 'size' (metadata_schema)"),
            ({"metadata_schema": {"year": {"dtype": DataType.VARCHAR}}}, "its field 'year' is INT64, not VARCHAR"),
            ({"partition_key_field": "year"}, "its partition_key_field is none, not year"),
        ],
    )
    def test_it_is_told_and_stays_as_it_is(
        self, made: Any, caplog: pytest.LogCaptureFixture, asked: dict[str, Any], said: str
    ) -> None:
        store = made(**asked)

        (warning,) = [record.getMessage() for record in caplog.records if "there already" in record.getMessage()]
        assert said in warning
        assert "--rebuild" in warning
        assert dense_index(store)["index_type"] == "HNSW"
        assert store.similarity_search("green tea", k=1)[0].id == "g"

    @pytest.mark.parametrize(
        "asked", [{}, MADE_WITH, {"index_params": {"index_type": "AUTOINDEX", "metric_type": "COSINE"}}]
    )
    def test_the_same_and_less_is_no_difference(
        self, made: Any, caplog: pytest.LogCaptureFixture, asked: dict[str, Any]
    ) -> None:
        made(**asked)
        made(search_params={"params": {"ef": 40}}, replica_number=1)
        assert "there already" not in caplog.text

    @pytest.mark.server
    def test_what_a_server_says_besides(
        self, server_uri: str, collection_name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        named: Any = {"collection": collection_name, "full_text": False, "embedding": WordEmbeddings()}
        with open_store(server_uri, **named, **MADE_WITH) as store:
            store.add_documents(NOTES)
            index = {"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 16}}
            open_store(server_uri, **named, index_params=index, num_shards=1, collection_description="Notes.").close()
            for said in (
                "its dense index has M 8, not 16",
                "its num_shards is 2, not 1",
                "its collection_description is none, not Notes.",
            ):
                assert said in caplog.text
            store.drop()

    def test_what_replaces_it_is_made_as_it_was_in_what_nobody_asked_for(
        self, made: Any, collection_name: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        old = made()
        new = open_store(
            old.server.uri,
            embedding=WordEmbeddings(),
            collection=f"{collection_name}_2",
            full_text=old.server.lite,
            collection_properties={"collection.ttl.seconds": 86_400},
        )
        try:
            new.collection.be_made_like(old.collection)
            # As it travels to other processes.
            with pickle.loads(pickle.dumps(new)) as there:  # noqa: S301 - our own
                there.add_documents(NOTES)
            assert dense_index(new) == {**dense_index(old), **{key: dense_index(new)[key] for key in COUNTS}}
            ours, theirs = described(new), described(old)
            for name in ("fields", "num_shards", "num_partitions", "consistency_level"):
                assert ours[name] == theirs[name]
            assert ours["properties"]["mmap.enabled"] == "true"
            assert ours["properties"]["collection.ttl.seconds"] == "86400"
            assert "there already" not in caplog.text
        finally:
            new.drop()
            new.close()

    def test_a_metric_that_nobody_names_stays(self) -> None:
        old = read_new_collection(index_params={"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8}})
        new = read_new_collection(index_params={"index_type": "FLAT"})
        assert new.over(old).index == {"index_type": "FLAT", "metric_type": "COSINE"}
        assert new.over(NewCollection()).metric == "IP"
        assert NewCollection().over(old) == old

    def test_it_is_told_once_also_where_it_is_opened_again(self, made: Any, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(3):
            made(index_params={"index_type": "IVF_FLAT", "metric_type": "COSINE"})
        assert caplog.text.count("there already") == 1


class TestThatCannotBeHad:
    """What a server refuses is named, and leaves no collection behind."""

    def test_an_index(self, opened: Any) -> None:
        store = opened(index_params={"index_type": "NOPE"})
        with pytest.raises(
            InputError, match=r"index_params=.*NOPE.* cannot be had here|Milvus Lite has no index 'NOPE'"
        ):
            store.add_documents(NOTES)
        assert not store.exists
        assert opened(index_params={"index_type": "FLAT", "metric_type": "COSINE"}).add_documents(NOTES)

    @pytest.mark.server
    def test_a_parameter_of_an_index(self, server_uri: str, collection_name: str) -> None:
        named: Any = {"collection": collection_name, "full_text": False, "embedding": WordEmbeddings()}
        with open_store(server_uri, **named, index_params={"index_type": "HNSW", "params": {"M": 100_000}}) as store:
            with pytest.raises(InputError, match=r"index_params=.*100000.* cannot be had here"):
                store.add_documents(NOTES)
            assert not store.exists

    @pytest.mark.server
    def test_more_copies_than_nodes(self, server_uri: str, collection_name: str) -> None:
        named: Any = {"collection": collection_name, "full_text": False, "embedding": WordEmbeddings()}
        with open_store(server_uri, **named, replica_number=5) as store:
            with pytest.raises(InputError, match="replica_number=5 cannot be had here"):
                store.add_documents(NOTES)
            assert not store.exists
        with open_store(server_uri, **named) as store:
            store.add_documents(NOTES)
            with pytest.raises(InputError, match="replica_number=5"):
                open_store(server_uri, **named, replica_number=5)
            # Nothing is dropped that was there.
            assert store.count() == 3
            store.drop()

    def test_a_partition_key_that_not_every_row_has(self, lite_uri: str) -> None:
        with open_store(lite_uri, partition_key_field="tenant") as store:
            with pytest.raises(InputError, match=r"no metadata 'tenant'.*partition_key_field"):
                store.add_documents(NOTES)
            assert not store.exists
        with open_store(lite_uri) as store:
            store.add_documents(NOTES)


def test_sync_keeps_its_promise_on_such_a_collection(opened: Any, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name in ("a", "b", "c"):
        (pages / f"{name}.md").write_text(f"# Page {name}\n\nThe kettle of {name} is descaled.\n")
    keys = {"partition_key_field": "source", "num_partitions": 4}
    store = opened(
        **(keys if opened().server.partition_keys else {}),
        metadata_schema={"start_line": {"dtype": DataType.INT64}},
        index_params={"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 32}},
        text_field="body",
    )

    first, second = (sync(MarkdownLoader(pages), MarkdownSplitter(), store) for _ in range(2))
    (pages / "a.md").write_text("\n\n# Page a\n\nThe kettle of a is descaled.\n")
    (pages / "b.md").rename(pages / "d.md")
    (pages / "c.md").unlink()
    third = sync(MarkdownLoader(pages), MarkdownSplitter(), store)

    assert (first.added, second.added, second.unchanged) == (3, 0, 3)
    assert (third.added, third.removed) == (1, 2)
    assert sorted(found.metadata["source"] for found in store.search_by_metadata({}, limit=9)) == ["a.md", "d.md"]
    (found,) = milvus_retriever(store, k=1).invoke("kettle of a", filter={"source": "a.md"})
    assert found.metadata["start_line"] >= 3
