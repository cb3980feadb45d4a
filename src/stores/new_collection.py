"""What a collection is to be when a store creates it, in the words of langchain_milvus' arguments."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pymilvus import CollectionSchema, DataType, Function, FunctionType, MilvusClient

from ..errors import InputError
from .connection import Server
from .layout import (
    INDEXES_PROPERTY,
    MAX_VARCHAR,
    PRIMARY_FIELD,
    SPARSE_FIELD,
    TERMS_FIELD,
    TEXT_FIELD,
    VECTOR_FIELD,
    FieldNames,
    Layout,
    is_plain_key,
)
from .plain_metadata import missing_field

METRICS = ("IP", "COSINE", "L2")
_OWN_PROPERTY = "milvus_rag."
# Those that milvus_lite.index.factory builds; of others it says nothing, and searches without.
_LITE_INDEXES = frozenset({"AUTOINDEX", "FLAT", "HNSW", "HNSW_SQ", "IVF_FLAT", "IVF_SQ8"})


@dataclass(frozen=True, slots=True)
class NewCollection:
    """What is asked for beside the embedding; each as `open_store` describes it.

    Attributes:
        description: For people.
        properties: Milvus' own, such as ``collection.ttl.seconds``.
        index: Of the dense vectors: ``index_type``, ``metric_type``, ``params``.
        sparse_index: Of the sparse ones: ``index_type``, ``params``.
        names: Of the fields that every collection has.
        metadata_schema: Metadata keys that are fields of their own.
        partition_key: The one of them by which rows are put into partitions.
        num_partitions: How many there are.
        num_shards: See Milvus.
        replica_number: In how many copies it is loaded.
        consistency_level: See `open_store`; None where nobody said it.
    """

    description: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    index: Mapping[str, Any] = field(default_factory=dict)
    sparse_index: Mapping[str, Any] = field(default_factory=dict)
    names: FieldNames = field(default_factory=FieldNames)
    metadata_schema: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    partition_key: str | None = None
    num_partitions: int | None = None
    num_shards: int | None = None
    replica_number: int = 1
    consistency_level: str | None = None

    def over(self, old: "NewCollection") -> "NewCollection":
        """This, and in what nobody asked for, as an old one was made."""
        unasked = NewCollection()
        given = {
            one.name: asked for one in fields(self) if (asked := getattr(self, one.name)) != getattr(unasked, one.name)
        }
        if "partition_key" in given:
            given.setdefault("num_partitions", None)
        if self.index and "metric_type" not in self.index and "metric_type" in old.index:
            given["index"] = {"metric_type": old.index["metric_type"], **self.index}
        names = zip(self.names, old.names, strict=True)
        given["names"] = FieldNames(*(mine or theirs for mine, theirs in names))
        given["properties"] = {**old.properties, **self.properties}
        return replace(old, **given)

    @property
    def metric(self) -> str:
        """How dense vectors are compared."""
        return str(self.index.get("metric_type", "IP"))

    @property
    def remembered(self) -> dict[str, Any]:
        """What the collection has to remember, since Milvus does not say it, or says it late; nothing by default."""
        index: dict[str, Any] = {}
        if self.index:
            index = {"metric": self.metric, "index_type": self.index.get("index_type")}
        if self.index or self.sparse_index:
            # Milvus Lite keeps no parameters of an index, and no server says what was left to it.
            index[INDEXES_PROPERTY] = [dict(self.index), dict(self.sparse_index)]
        keys = {"metadata_fields": sorted(self.metadata_schema)} if self.metadata_schema else {}
        return {**index, **keys, **self.names.remembered}

    def check_rows(self, metadatas: Iterable[Mapping[str, Any]], *, nullable: bool) -> None:
        """Find out whether first rows could be stored, before the collection is made for them.

        Args:
            metadatas: Of the rows.
            nullable: See `metadata_fields`.

        Raises:
            InputError: One of them lacks a field that each row must have.
        """
        needed = [key for key in self.metadata_schema if key == self.partition_key or not nullable]
        for metadata in metadatas if needed else ():
            for key in needed:
                if metadata.get(key) is None:
                    raise InputError(missing_field(metadata, key))

    def creation_options(self) -> dict[str, Any]:
        """Arguments of ``MilvusClient.create_collection``."""
        options = {"num_partitions": self.num_partitions, "num_shards": self.num_shards}
        return {name: value for name, value in options.items() if value is not None}

    def check_possible(self, server: Server) -> None:
        """Raise an `InputError` for what a server has not, and does not refuse itself."""
        kind = self.index.get("index_type")
        if server.lite and kind is not None and kind not in _LITE_INDEXES:
            raise InputError(f"Milvus Lite has no index {kind!r}: it has {', '.join(sorted(_LITE_INDEXES))}.")
        if self.partition_key and not server.partition_keys:
            raise InputError(
                f"Milvus {server.version} at {server.uri} does not find rows by a partition key that were replaced. "
                f"Leave partition_key_field out, and filter by {self.partition_key!r} all the same, or use a newer "
                f"server."
            )

    def missing_indexes(self, layout: Layout, there: Collection[str], *, lite: bool) -> Any:
        """The indexes that a collection of ours lacks, for ``MilvusClient.create_index``.

        Args:
            layout: The collection's.
            there: Names of the fields that have one.
            lite: Whether it is in Milvus Lite.
        """
        missing = MilvusClient.prepare_index_params()
        if layout.vector_field and layout.vector_field not in there:
            # On Lite, AUTOINDEX is a graph that misses rows, takes longer to build, and is slower up to 50,000 rows.
            index = {"index_type": "FLAT" if lite else "AUTOINDEX", **self.index}
            missing.add_index(layout.vector_field, **{**index, "metric_type": layout.metric})
        if layout.sparse_field and layout.sparse_field not in there:
            metric = "BM25" if layout.terms_field else "IP"
            index = {"index_type": "SPARSE_INVERTED_INDEX", **self.sparse_index}
            if lite and index["index_type"] == "AUTOINDEX":
                # It has the one kind only, and does not choose.
                index["index_type"] = "SPARSE_INVERTED_INDEX"
            missing.add_index(layout.sparse_field, **{**index, "metric_type": metric})
        return missing

    def metadata_fields(self, *, nullable: bool) -> list[tuple[str, DataType, dict[str, Any]]]:
        """Name, type and arguments of each field for metadata.

        Args:
            nullable: Whether the server has fields without a value: what is no partition key may then be missing.
        """
        fields = []
        for name, given in self.metadata_schema.items():
            arguments = _field_arguments(given)
            if given["dtype"] == DataType.VARCHAR:
                arguments.setdefault("max_length", MAX_VARCHAR)
            if not nullable or name == self.partition_key:
                arguments.pop("nullable", None)
            else:
                arguments.setdefault("nullable", True)
            if name == self.partition_key:
                arguments["is_partition_key"] = True
            fields.append((name, given["dtype"], arguments))
        return fields


def new_schema(
    new: NewCollection, *, dimension: int | None, bm25: bool, sparse: bool, nullable: bool
) -> CollectionSchema:
    """The schema of our own collections.

    Args:
        new: What is asked for.
        dimension: Length of the dense vectors; None for a collection without.
        bm25: With the analysed text and a BM25 function over it.
        sparse: With sparse vectors that a model on our side makes.
        nullable: Whether the server has fields without a value.
    """
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True, description=new.description)
    schema.add_field(new.names.primary or PRIMARY_FIELD, DataType.VARCHAR, is_primary=True, max_length=MAX_VARCHAR)
    schema.add_field(new.names.text or TEXT_FIELD, DataType.VARCHAR, max_length=MAX_VARCHAR)
    if dimension:
        schema.add_field(new.names.vector or VECTOR_FIELD, DataType.FLOAT_VECTOR, dim=dimension)
    for name, kind, arguments in new.metadata_fields(nullable=nullable):
        schema.add_field(name, kind, **arguments)
    if bm25:
        # The terms are made by us, and joined by blanks: all that Milvus has to do is to split them there.
        schema.add_field(
            TERMS_FIELD,
            DataType.VARCHAR,
            max_length=MAX_VARCHAR,
            enable_analyzer=True,
            analyzer_params={"tokenizer": "standard"},
        )
        schema.add_function(
            Function(
                name="bm25",
                function_type=FunctionType.BM25,
                input_field_names=[TERMS_FIELD],
                output_field_names=[SPARSE_FIELD],
            )
        )
    if bm25 or sparse:
        schema.add_field(SPARSE_FIELD, DataType.SPARSE_FLOAT_VECTOR)
    return schema


def read_new_collection(
    *,
    collection_description: str = "",
    collection_properties: Mapping[str, Any] | None = None,
    index_params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    primary_field: str | None = None,
    text_field: str | None = None,
    vector_field: str | None = None,
    metadata_schema: Mapping[str, Any] | None = None,
    partition_key_field: str | None = None,
    num_partitions: int | None = None,
    num_shards: int | None = None,
    replica_number: int = 1,
) -> NewCollection:
    """Read the arguments of `open_store` that say what a new collection is to be.

    Raises:
        InputError: One of them cannot be used.
    """
    for name, value in (
        ("num_partitions", num_partitions), ("num_shards", num_shards), ("replica_number", replica_number),
    ):  # fmt: skip
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise InputError(f"{name} is a whole number of at least 1, not {value!r}.")
    if num_partitions is not None and partition_key_field is None:
        raise InputError("num_partitions is the number of partitions by a key: give partition_key_field too.")
    names = FieldNames(primary=primary_field, text=text_field, vector=vector_field)
    index, sparse_index = _indexes(index_params)
    return NewCollection(
        description=collection_description,
        properties=_properties(collection_properties or {}),
        index=index,
        sparse_index=sparse_index,
        names=_checked_names(names),
        metadata_schema=_schema(metadata_schema or {}, partition_key_field, names),
        partition_key=partition_key_field,
        num_partitions=num_partitions,
        num_shards=num_shards,
        replica_number=replica_number,
    )


def _properties(given: Mapping[str, Any]) -> dict[str, str]:
    if taken := sorted(name for name in given if name.startswith(_OWN_PROPERTY)):
        raise InputError(f"The property {taken[0]} is the store's own. Give others.")
    # As Milvus keeps them.
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}


def _indexes(given: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    listed = [] if given is None else [given] if isinstance(given, Mapping) else list(given)
    if len(listed) > 2 or not all(isinstance(one, Mapping) for one in listed):
        raise InputError(
            "index_params is a dict with index_type, metric_type and params for the dense vectors, or a list of two, "
            "the second for full-text search."
        )
    dense, sparse = ([dict(one) for one in listed] + [{}, {}])[:2]
    if (metric := dense.get("metric_type", "IP")) not in METRICS:
        raise InputError(f"The metric of dense vectors is one of {', '.join(METRICS)}, not {metric!r}.")
    if sparse.pop("metric_type", "BM25") not in ("BM25", "IP"):
        raise InputError("The metric of full-text search is BM25, and IP where a sparse model makes the vectors.")
    for one in (dense, sparse):
        if unknown := sorted(one.keys() - {"index_type", "metric_type", "params"}):
            raise InputError(f"index_params has index_type, metric_type and params, not {', '.join(unknown)}.")
    return dense, sparse


def _field_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of a field beside its type: under ``kwargs``, or as the type is."""
    beside = {name: value for name, value in given.items() if name not in ("dtype", "kwargs")}
    return {**(given.get("kwargs") or {}), **beside}


def _checked_names(names: FieldNames) -> FieldNames:
    for argument, name in zip(("primary_field", "text_field", "vector_field"), names, strict=True):
        if name is None:
            continue
        if not isinstance(name, str):
            raise InputError(f"{argument} is one name, not {name!r:.80}: a collection has one field of that kind here.")
        if not is_plain_key(name) or name in (TERMS_FIELD, SPARSE_FIELD):
            raise InputError(f"{name!r} cannot be the name of a field: use letters, digits and underscores.")
    own = (names.primary or PRIMARY_FIELD, names.text or TEXT_FIELD, names.vector or VECTOR_FIELD)
    if len(set(own)) < len(own):
        raise InputError(f"primary_field, text_field and vector_field are three names, not {', '.join(own)}.")
    return names


def _schema(given: Mapping[str, Any], partition_key: str | None, names: FieldNames) -> dict[str, Mapping[str, Any]]:
    schema: dict[str, Mapping[str, Any]] = {
        key: dict(value) if isinstance(value, Mapping) else {} for key, value in given.items()
    }
    if partition_key is not None:
        schema.setdefault(partition_key, {"dtype": DataType.VARCHAR})
        if schema[partition_key].get("dtype") not in (DataType.VARCHAR, DataType.INT64):
            raise InputError("A partition key is text or a whole number: DataType.VARCHAR or DataType.INT64.")
    own = {names.primary or PRIMARY_FIELD, names.text or TEXT_FIELD, names.vector or VECTOR_FIELD}
    taken = own | {TERMS_FIELD, SPARSE_FIELD}
    for key, one in schema.items():
        if key in taken or not is_plain_key(key):
            raise InputError(
                f"The metadata key {key!r} cannot have a field of its own: it is a name of the collection's."
            )
        if not isinstance(one.get("dtype"), DataType):
            raise InputError(f"metadata_schema says of each key what it is: {{{key!r}: {{'dtype': DataType.INT64}}}}.")
        if one["dtype"] == DataType.ARRAY and not isinstance(_field_arguments(one).get("element_type"), DataType):
            raise InputError(
                f"A list needs to say what is in it: {{{key!r}: {{'dtype': DataType.ARRAY, 'element_type': "
                f"DataType.INT64, 'max_capacity': 50}}}}; texts in it need a max_length too."
            )
    return schema
