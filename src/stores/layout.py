"""What a collection looks like: ours, a tutorial's, or one that somebody else's code made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from pymilvus import DataType, FunctionType

from ..chunk_keys import DIGEST_KEY, DYNAMIC_KEY, PART_KEY, RECORD_KEY, ROOT_KEY, VERSION_KEY
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

# Milvus reads the number without its sign, so the very least is none.
_LEAST_INT64 = -(2**63) + 1
_PROPERTY = "milvus_rag."
_ESCAPE = "metadata_"
# With a collection whose rows all have their source's part: those of version 0.1 have none.
PARTS_PROPERTY = "parts"
_HIDDEN = frozenset({ROOT_KEY, DIGEST_KEY, PART_KEY, VERSION_KEY, RECORD_KEY})
# Keys that Milvus Lite takes for its own and drops: milvus_lite.engine.projection.
_LITE_KEYS = frozenset({"_seq", "_partition"})
# What others call the field of the text: LangChain, LlamaIndex, Haystack and Milvus' own examples.
_TEXT_FIELDS = (TEXT_FIELD, "page_content", "content", "chunk", "document", "doc", "body")
_DENSE_TYPES = {DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR}
_VECTOR_TYPES = {*_DENSE_TYPES, DataType.SPARSE_FLOAT_VECTOR, DataType.BINARY_VECTOR, DataType.INT8_VECTOR}

# A collection remembers what its fields are called, where that is not as usual.
NAMES_PROPERTY = "fields"
_METADATA_PROPERTY = "metadata_fields"
# The indexes as they were asked for: the dense one, and the sparse one.
INDEXES_PROPERTY = "index_params"
# What a collection remembers of how it was made, and what of that another one must have too to take its rows.
SHAPE_PROPERTIES = frozenset({NAMES_PROPERTY, _METADATA_PROPERTY, "metric", "index_type", INDEXES_PROPERTY})
ROW_PROPERTIES = frozenset({NAMES_PROPERTY, _METADATA_PROPERTY})


class FieldNames(NamedTuple):
    """What the fields of a collection are called, as far as somebody has said it.

    Attributes:
        primary: The primary key.
        text: The chunk.
        vector: Its dense vector.
    """

    primary: str | None = None
    text: str | None = None
    vector: str | None = None

    @property
    def remembered(self) -> dict[str, Any]:
        """The property of a collection with such fields; nothing where they are called as usual."""
        given = {
            name: value for name, value in zip(("primary", "text", "vector"), self, strict=True) if value is not None
        }
        return {NAMES_PROPERTY: given} if given else {}


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
        metadata_fields: Of a collection of ours, those that hold a metadata key.
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
    metadata_fields: frozenset[str] = frozenset()
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

    @property
    def written_fields(self) -> list[str]:
        """What a row is written with: all but what Milvus makes itself."""
        names = [*self.document_fields, self.terms_field, self.vector_field, *sorted(self.other_vectors)]
        if self.terms_field is None:
            names.append(self.sparse_field)
        return list(dict.fromkeys(name for name in names if name))

    @property
    def matches_all(self) -> str:
        """An expression for all rows. An empty one is refused where there is no limit."""
        return f"{self.primary_field} >= {_LEAST_INT64}" if self.integer_ids else f'{self.primary_field} != ""'

    def key_of(self, key: str) -> str:
        """The name of a metadata key in a row of a collection of ours: its own, or another where a field has that."""
        return key if key in self.metadata_fields else escape_key(key, self.static_fields)

    def column_of(self, key: str) -> Column:
        """Where a metadata key is kept.

        Raises:
            FilterError: Nowhere.
        """
        if self.ours and key not in self.metadata_fields:
            return Column(self.key_of(key))
        if not self.dynamic and key not in self.static_fields:
            raise FilterError(
                f"The collection {self.name!r} has no field {key!r}. It has: {', '.join(sorted(self.static_fields))}."
            )
        return Column(key, static=key in self.static_fields, nullable=key in self.nullable_fields)

    def metadata_of(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The metadata in a row as Milvus returns it."""
        others = self._no_metadata
        if self.ours:
            # A field of the schema has a value in each row, also where the metadata has none.
            empty = {key for key in self.metadata_fields if row.get(key) is None}
            return {unescape_key(key): value for key, value in row.items() if key not in others and key not in empty}
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


def read_layout(description: Mapping[str, Any], asked: FieldNames | None = None) -> Layout:
    """Read a collection's layout, all but what its index says.

    Args:
        description: What `MilvusClient.describe_collection` says.
        asked: What the caller says that its fields are called.

    Raises:
        CollectionSchemaError: It has a primary key that is neither text nor an integer, or no such fields.
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
    properties = _read_properties(description.get("properties") or {})
    own = FieldNames(**properties.get(NAMES_PROPERTY, {}))
    named = own if "layout" in properties else asked or own
    text_field, vector_field = named.text or text_field, named.vector or vector_field
    found = FieldNames(primary["name"], text_field, vector_field)
    for wanted, is_called in zip(asked or (), found, strict=False):
        is_there = wanted == is_called and (wanted in fields or (dynamic and wanted == text_field))
        if wanted is not None and is_called is not None and not is_there:
            raise CollectionSchemaError(
                f"The collection {description['collection_name']!r} does not keep ids, texts or vectors in {wanted!r}: "
                f"its fields are {', '.join(sorted(fields))}."
            )
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
        metric=str(properties.get("metric", "IP")),
        metadata_fields=frozenset(properties.get(_METADATA_PROPERTY, ())),
        dynamic=dynamic,
        properties=properties,
    )


def is_plain_key(key: str) -> bool:
    """Whether a metadata key is kept under its own name, which is one of Milvus' names too."""
    return key.isidentifier() and key.isascii() and escape_key(key, frozenset()) == key


def write_properties(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties as Milvus keeps them: text, under names of our own."""
    return {_PROPERTY + name: json.dumps(value, sort_keys=True) for name, value in properties.items()}


def _read_properties(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(_PROPERTY): json.loads(value)
        for name, value in properties.items()
        if name.startswith(_PROPERTY)
    }
