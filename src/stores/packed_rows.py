"""Rows written and read in Milvus' wire format, by column.

`MilvusClient` packs each value of each row by itself and looks again at what is checked already, which took a third of
all CPU time of a sync. Only collections of our own are written this way, whose fields are known. It takes rows apart
one value at a time too, which took as much of a sync that finds nothing new.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import ParamError

from ..chunk_keys import DYNAMIC_KEY
from ..vectors import numbers
from .layout import Layout

try:
    from pymilvus.grpc_gen import milvus_pb2, schema_pb2
except ImportError:
    # A later client keeps them elsewhere: then it writes by itself.
    milvus_pb2 = schema_pb2 = None

# One for all rows: `json.dumps` makes another for each.
_as_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

# The client would ask the server for it, to pack rows that it is not given.
_NO_SCHEMA: dict[str, list[Any]] = {"fields": []}


def write_packed(
    client: MilvusClient, layout: Layout, rows: Sequence[Mapping[str, Any]], *, insert: bool, timeout: float
) -> list[str] | None:
    """Write rows in one request.

    Args:
        client: The connection.
        layout: The collection's.
        rows: As `milvus_rag.stores.rows.to_row` makes them.
        insert: Whether to insert them, not to upsert.
        timeout: Seconds for the call.

    Returns:
        Their ids; None where the client has to write them, since the collection or a row is not like ours.
    """
    fields = pack(layout, rows)
    if fields is None:
        return None
    request = {"collection_name": layout.name, "fields_data": fields, "num_rows": len(rows)}
    try:
        connection = client._get_connection()
        options = {"context": client._generate_call_context(), "timeout": timeout, "schema": _NO_SCHEMA}
        if insert:
            packed = milvus_pb2.InsertRequest(**request)
            answer = connection.batch_insert(layout.name, [], insert_param=packed, **options)
        else:
            packed = milvus_pb2.UpsertRequest(**request)
            answer = connection.upsert(layout.name, [], upsert_param=packed, **options)
    except (ParamError, AttributeError, TypeError):
        # A later client has other methods, or misses the rows: nothing was sent.
        return None
    return [str(row_id) for row_id in answer.primary_keys]


def read_packed(answer: Any) -> list[dict[str, Any]]:
    """All rows of an answer, as they would be if one asked it for them.

    Args:
        answer: What `MilvusClient.query` returned: rows that have their fields, and beside them JSON that it would read
            when a row is asked for.
    """
    unread: Any = getattr(answer, "_lazy_field_data", ())
    # Vectors are among them too, and of the JSON there may be chosen keys only.
    if len(unread) != 1 or not unread[0].is_dynamic or unread[0].valid_data or getattr(answer, "_dynamic_fields", True):
        return list(answer)
    values = unread[0].scalars.json_data.data
    if len(values) != len(answer):
        return list(answer)
    return [{**orjson.loads(value), **row} for value, row in zip(values, list.__iter__(answer), strict=True)]


def pack(layout: Layout, rows: Sequence[Mapping[str, Any]]) -> list[Any] | None:
    """The fields of some rows, each with its values; None where the collection or a row is not like ours."""
    texts = [name for name in (layout.primary_field, layout.text_field, layout.terms_field) if name]
    names = {*texts, *([layout.vector_field] if layout.vector_field else [])}
    made_by_milvus = {layout.sparse_field} if layout.terms_field else set()
    if not layout.ours or not layout.dynamic or layout.static_fields - names - made_by_milvus:
        return None
    try:
        fields = [_texts(name, [row[name] for row in rows]) for name in texts]
        if layout.vector_field:
            fields.append(_vectors(layout.vector_field, [row[layout.vector_field] for row in rows]))
        fields.append(_metadata([{key: row[key] for key in row if key not in names} for row in rows]))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        # The client says what is wrong; or it has no such messages any more.
        return None
    return fields


def _texts(name: str, values: Sequence[str]) -> Any:
    scalars = schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=values))
    return schema_pb2.FieldData(type=DataType.VARCHAR, field_name=name, scalars=scalars)


def _vectors(name: str, vectors: Sequence[Any]) -> Any:
    matrix = numbers(vectors, count=len(vectors))
    # A list of floats and a field of bytes are the same on the wire; only the bytes are copied as a whole.
    wire = schema_pb2.BytesArray(data=[matrix.astype("<f4").tobytes()]).SerializeToString()
    field = schema_pb2.VectorField(dim=matrix.shape[1], float_vector=schema_pb2.FloatArray.FromString(wire))
    return schema_pb2.FieldData(type=DataType.FLOAT_VECTOR, field_name=name, vectors=field)


def _metadata(values: Sequence[Mapping[str, Any]]) -> Any:
    if any(DYNAMIC_KEY in value for value in values):
        raise ValueError("this key is not in a row, but of all that has no field")
    data = [_as_json(value).encode() for value in values]
    scalars = schema_pb2.ScalarField(json_data=schema_pb2.JSONArray(data=data))
    return schema_pb2.FieldData(type=DataType.JSON, field_name=DYNAMIC_KEY, is_dynamic=True, scalars=scalars)
