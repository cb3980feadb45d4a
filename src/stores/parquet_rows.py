"""Rows of a collection of ours as a table, in the columns that Milvus reads from a Parquet file.

They are those of pymilvus' own writer, ``pymilvus.bulk_writer``, which cannot be imported without the clients of two
object stores: text and numbers as they are, JSON and sparse vectors as JSON text, dense vectors as lists of float32,
and all keys that have no field as one JSON text, ``$meta``. What Milvus makes itself is left out.
"""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pymilvus import DataType

from ..chunk_keys import DYNAMIC_KEY
from ..errors import CollectionSchemaError, InputError
from ..vectors import numbers

if TYPE_CHECKING:
    import pyarrow as pa

_AS_JSON = frozenset({DataType.JSON, DataType.SPARSE_FLOAT_VECTOR})
# Names of functions of pyarrow.
_TYPES = {
    DataType.BOOL: "bool_",
    DataType.INT8: "int8",
    DataType.INT16: "int16",
    DataType.INT32: "int32",
    DataType.INT64: "int64",
    DataType.FLOAT: "float32",
    DataType.DOUBLE: "float64",
    DataType.VARCHAR: "string",
    DataType.JSON: "string",
    DataType.SPARSE_FLOAT_VECTOR: "string",
}


class RowTable:
    """Makes tables of rows.

    Args:
        description: What `MilvusClient.describe_collection` says of a collection that was made by this package.

    Raises:
        CollectionSchemaError: It has a field of a type that is not written.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        made = {name for function in description.get("functions", []) for name in function["output_field_names"]}
        self._fields: dict[str, Mapping[str, Any]] = {
            field["name"]: field for field in description["fields"] if field["name"] not in made
        }
        self._collection = description["collection_name"]
        self.schema = self._schema()

    def of(self, rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
        """Rows, as `milvus_rag.stores.rows.to_row` makes them, as a table.

        Raises:
            InputError: A field has no value, or one of another type.
        """
        import pyarrow as pa

        columns = [self._column(name, field, rows) for name, field in self._fields.items()]
        rest = ({key: value for key, value in row.items() if key not in self._fields} for row in rows)
        columns.append(pa.array([_json(value) for value in rest], pa.string()))
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _schema(self) -> "pa.Schema":
        import pyarrow as pa

        columns = [(name, self._type(pa, field)) for name, field in self._fields.items()]
        return pa.schema([*columns, (DYNAMIC_KEY, pa.string())])

    def _type(self, pa: Any, field: Mapping[str, Any]) -> Any:
        kind = field["type"]
        if kind == DataType.FLOAT_VECTOR:
            return pa.list_(pa.float32())
        element = _TYPES.get(DataType(field["element_type"])) if kind == DataType.ARRAY else None
        if element is not None:
            return pa.list_(getattr(pa, element)())
        if kind not in _TYPES:
            raise CollectionSchemaError(
                f"The field {field['name']!r} of the collection {self._collection!r} is of the type "
                f"{DataType(kind).name}, which is not written to files. Index without --bulk."
            )
        return getattr(pa, _TYPES[kind])()

    def _column(self, name: str, field: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> "pa.Array":
        import pyarrow as pa

        values = [row.get(name) for row in rows]
        if not field.get("nullable") and None in [value if value is None else 0 for value in values]:
            raise InputError(f"The field {name!r} of the collection {self._collection!r} needs a value in every row.")
        if field["type"] == DataType.FLOAT_VECTOR:
            matrix = numbers(values, count=len(values)).astype(np.float32)
            offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
            return pa.ListArray.from_arrays(pa.array(offsets), pa.array(matrix.reshape(-1)))
        if field["type"] in _AS_JSON:
            values = [None if value is None else _json(value) for value in values]
        try:
            return pa.array(values, self.schema.field(name).type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as exc:
            raise InputError(
                f"A value of the field {name!r} is none of the type that the collection {self._collection!r} has for "
                f"it: {exc}"
            ) from exc


def _json(value: Mapping[Any, Any]) -> str:
    # A sparse vector may have numpy's numbers.
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=lambda one: one.item())
