"""What a collection looks like: ours, a tutorial's, or one that somebody else's code made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from pymilvus import CollectionSchema, DataType, Function, FunctionType, MilvusClient

from ..chunk_keys import DIGEST_KEY, DYNAMIC_KEY, PART_KEY, ROOT_KEY
from ..errors import CollectionSchemaError, FilterError
from .filters import Column

# Our own collections. `pk`, not `id`: LangChain users have metadata of that name.
PRIMARY_FIELD = "pk"
TEXT_FIELD = "text"
VECTOR_FIELD = "vector"
# The analysed text, terms joined by blanks, and the sparse vector that Milvus or a sparse model makes of a chunk.
TERMS_FIELD = "terms"
SPARSE_FIELD = "sparse"

# https://milvus.io/docs/limitations.md: VARCHAR and dynamic field, in bytes.
MAX_VARCHAR = 65_535

_PROPERTY = "milvus_rag."
_ESCAPE = "metadata_"
# With a collection whose rows all have their source's part: those of version 0.1 have none.
PARTS_PROPERTY = "parts"
_HIDDEN = frozenset({ROOT_KEY, DIGEST_KEY, PART_KEY})
# Keys that Milvus Lite takes for its own and drops: milvus_lite.engine.projection.
_LITE_KEYS = frozenset({"_seq", "_partition"})
# What others call the field of the text: LangChain, LlamaIndex, Haystack and Milvus' own examples.
_TEXT_FIELDS = (TEXT_FIELD, "page_content", "content", "chunk", "document", "doc", "body")
_DENSE_TYPES = {DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR}
_VECTOR_TYPES = {*_DENSE_TYPES, DataType.SPARSE_FLOAT_VECTOR, DataType.BINARY_VECTOR, DataType.INT8_VECTOR}


@dataclass(frozen=True)
class Layout:
    """The fields of a collection, by what they are for.

    Attributes:
        name: The collection's own name, where it was asked for by an alias.
        primary_field: Name of the primary key.
        integer_ids: Whether the primary key is an int64, as the tutorials' code makes it.
        auto_id: Whether Milvus makes the ids.
        text_field: Field or dynamic key that holds the chunk.
        vector_field: Dense vectors; None where there are none.
        dimension: Their length; 0 without.
        metric: How they are compared: ``"IP"``, ``"COSINE"`` or ``"L2"``.
        exhaustive: Whether their index is known to look at all of them.
        sparse_field: Sparse vectors for full-text search; None where there are none.
        terms_field: Input of the BM25 function; None without such a function.
        static_fields: All fields of the schema.
        other_vectors: Those that hold vectors which are not searched here.
        nullable_fields: Those that may have no value.
        dynamic: Whether rows may have keys beside them.
        properties: What `milvus_rag` remembers of the collection, without its prefix.
    """

    name: str = ""
    primary_field: str = PRIMARY_FIELD
    integer_ids: bool = False
    auto_id: bool = False
    text_field: str = TEXT_FIELD
    vector_field: str | None = None
    dimension: int = 0
    metric: str = "IP"
    exhaustive: bool = False
    sparse_field: str | None = None
    terms_field: str | None = None
    static_fields: frozenset[str] = frozenset()
    other_vectors: frozenset[str] = frozenset()
    nullable_fields: frozenset[str] = frozenset()
    dynamic: bool = True
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        """Whether this package made the collection."""
        return "layout" in self.properties

    @property
    def own_keys(self) -> frozenset[str]:
        """Keys of a row that no metadata may have, in a collection that is not ours; in ours they are escaped."""
        fields = {self.primary_field, self.text_field, self.vector_field, self.sparse_field, DYNAMIC_KEY}
        return frozenset() if self.ours else frozenset(name for name in fields if name)

    @property
    def document_fields(self) -> list[str]:
        """Fields to ask Milvus for, to get a document back: all but vectors and terms."""
        hidden = {self.vector_field, self.sparse_field, self.terms_field if self.ours else None}
        fields = sorted(self.static_fields - hidden - self.other_vectors)
        return [*fields, DYNAMIC_KEY] if self.dynamic else fields

    def column_of(self, key: str) -> Column:
        """Where a metadata key is kept.

        Raises:
            FilterError: Nowhere.
        """
        if self.ours:
            return Column(escape_key(key, self.static_fields))
        if not self.dynamic and key not in self.static_fields:
            raise FilterError(
                f"The collection {self.name!r} has no field {key!r}. It has: {', '.join(sorted(self.static_fields))}."
            )
        return Column(key, static=key in self.static_fields, nullable=key in self.nullable_fields)

    def metadata_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata in a row as Milvus returns it."""
        others = self._no_metadata
        if self.ours:
            return {unescape_key(key): value for key, value in row.items() if key not in others}
        return {key: value for key, value in row.items() if key not in others}

    @cached_property
    def _no_metadata(self) -> frozenset[str | None]:
        """What is in a row beside the metadata."""
        fields = {self.primary_field, self.text_field, self.vector_field, self.sparse_field, DYNAMIC_KEY}
        return frozenset(fields | {self.terms_field, *_HIDDEN} if self.ours else fields | self.other_vectors)


def roots_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the loaders that have a row; none for a row that `sync` did not store."""
    found = row.get(ROOT_KEY)
    if isinstance(found, str):
        # Of a row that was stored when there was one name only.
        return (found,)
    return tuple(map(str, found)) if isinstance(found, Sequence) else ()


@lru_cache(1024)
def escape_key(key: str, static_fields: frozenset[str]) -> str:
    """The dynamic key for a metadata key: another name where a field, a key of ours, or an escaped key has it."""
    taken = key in static_fields or key in _HIDDEN or key in _LITE_KEYS
    return f"{_ESCAPE}{key}" if taken or key.startswith((_ESCAPE, "$")) else key


def unescape_key(key: str) -> str:
    """The metadata key that `escape_key` was given."""
    return key.removeprefix(_ESCAPE)


def read_layout(description: Mapping[str, Any]) -> Layout:
    """Read a collection's layout, all but what its index says.

    Args:
        description: What `MilvusClient.describe_collection` says.

    Raises:
        CollectionSchemaError: It has a primary key that is neither text nor an integer.
    """
    fields = {f["name"]: f for f in description["fields"]}
    primary = next(f for f in fields.values() if f.get("is_primary"))
    functions = [f for f in description.get("functions", []) if f["type"] == FunctionType.BM25]
    dense = [name for name, f in fields.items() if f["type"] in _DENSE_TYPES]
    sparse = [name for name, f in fields.items() if f["type"] == DataType.SPARSE_FLOAT_VECTOR]
    texts = [name for name, f in fields.items() if f["type"] == DataType.VARCHAR and not f.get("is_primary")]
    if primary["type"] not in {DataType.VARCHAR, DataType.INT64}:
        raise CollectionSchemaError(f"The collection's primary key {primary['name']!r} has an unknown type.")
    dynamic = bool(description.get("enable_dynamic_field"))
    by_default = TEXT_FIELD if dynamic or not texts else texts[0]
    text_field = next((name for name in _TEXT_FIELDS if name in texts), by_default)
    vector_field = VECTOR_FIELD if VECTOR_FIELD in dense else next(iter(dense), None)
    sparse_field = functions[0]["output_field_names"][0] if functions else next(iter(sparse), None)
    vectors = {name for name, f in fields.items() if f["type"] in _VECTOR_TYPES}
    return Layout(
        name=description["collection_name"],
        primary_field=primary["name"],
        integer_ids=primary["type"] == DataType.INT64,
        auto_id=bool(description.get("auto_id") or primary.get("auto_id")),
        text_field=text_field,
        vector_field=vector_field,
        dimension=int(fields[vector_field]["params"]["dim"]) if vector_field else 0,
        sparse_field=sparse_field,
        terms_field=functions[0]["input_field_names"][0] if functions else None,
        static_fields=frozenset(fields),
        other_vectors=frozenset(vectors - {vector_field, sparse_field}),
        nullable_fields=frozenset(name for name, f in fields.items() if f.get("nullable")),
        dynamic=dynamic,
        properties=_read_properties(description.get("properties") or {}),
    )


def new_schema(*, dimension: int | None, bm25: bool, sparse: bool) -> CollectionSchema:
    """The schema of our own collections.

    Args:
        dimension: Length of the dense vectors; None for a collection without.
        bm25: With the analysed text and a BM25 function over it.
        sparse: With sparse vectors that a model on our side makes.
    """
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field(PRIMARY_FIELD, DataType.VARCHAR, is_primary=True, max_length=MAX_VARCHAR)
    schema.add_field(TEXT_FIELD, DataType.VARCHAR, max_length=MAX_VARCHAR)
    if dimension:
        schema.add_field(VECTOR_FIELD, DataType.FLOAT_VECTOR, dim=dimension)
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


def write_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as Milvus keeps them: text, under names of our own."""
    return {_PROPERTY + name: json.dumps(value, sort_keys=True) for name, value in properties.items()}


def _read_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(_PROPERTY): json.loads(value)
        for name, value in properties.items()
        if name.startswith(_PROPERTY)
    }
