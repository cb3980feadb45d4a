"""The rows of one collection: what Milvus Lite and servers do differently with them ends here."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

from pymilvus import MilvusClient

from .connection import (
    CollectionNotLoadedError,
    FlushedMeanwhileError,
    Server,
    TooMuchAtOnceError,
    again_after,
    translated_errors,
)
from .consistency import ReadConsistency
from .filters import quote
from .layout import Layout
from .packed_rows import read_packed, write_packed
from .read_write_lock import ReadWriteLock, alone
from .request_sizes import ROWS_PER_REQUEST, id_batches, row_batches
from .rows import to_primary_key
from .search_hits import flat, score
from .thorough_search import thorough

logger = logging.getLogger(__name__)

Row = dict[str, Any]
T = TypeVar("T")

# Milvus refuses more: https://milvus.io/docs/limitations.md
MAX_HITS = 16_384
# Enough that the words of a Milvus Lite segment are as frequent in it as in all of the collection.
TYPICAL_ROWS = 2000
# A compromise for rows that are added a few at a time: a word only they have weighs 5.8, and 7.2 among 2000 (BM25).
FEW_ROWS = 500


class CollectionRows:
    """Reads and writes the rows of a collection as it was described.

    It stands for the collection that had the name, or the alias, at that time: what an alias is switched to later is
    another one, perhaps with vectors of another embedding. Thread-safe as far as `MilvusClient` is.

    Attributes:
        layout: The collection's, with its own name.
        timeout: Seconds that a call may take.
    """

    def __init__(
        self,
        client: MilvusClient,
        server: Server,
        layout: Layout,
        *,
        load: Callable[[], None],
        write_name: Callable[[], str],
        read_name: Callable[[], str],
        reads: ReadConsistency,
        lock: ReadWriteLock | None,
        timeout: float,
        search_params: Mapping[str, Any] | None = None,
    ) -> None:
        self._client = client
        self._server = server
        self.layout = layout
        self._load = load
        self._write_name = write_name
        self._read_name = read_name
        self._reads = reads
        self._lock = lock
        self.timeout = timeout
        self._search_params = search_params or {}

    @property
    def on_lite(self) -> bool:
        """Whether they are in Milvus Lite, where to count rows takes as long as to read them."""
        return self._server.lite

    # --- writing

    def upsert(self, rows: Sequence[Row]) -> list[str]:
        """Write rows; one whose id is there already is replaced. Returns the ids."""
        ids: list[str] = []
        for batch in row_batches(rows, lite=self._server.lite):
            doing = f"store {len(batch)} rows"
            ids += self._write_once(partial(self._write, list(batch)), doing)
        return ids

    def alone(self) -> AbstractContextManager[None]:
        """While this is held, nobody else writes to a Milvus Lite database, nor switches a name in it."""
        self._server.check_process()
        return alone(self._lock)

    def _write(self, rows: list[Row]) -> list[str]:
        # Milvus has no upsert for keys that it makes itself. Milvus Lite's keeps the metadata keys that the new row
        # has not; there, an insert replaces the row with the same key.
        insert = self.layout.auto_id or self._server.lite
        written = self._written
        packed = write_packed(self._client, written, rows, insert=insert, timeout=self.timeout)
        if packed is not None:
            return packed
        write = self._client.insert if insert else self._client.upsert
        return [str(row_id) for row_id in write(written.name, data=rows, timeout=self.timeout)["ids"]]

    def add(self, rows: Sequence[Row]) -> list[str]:
        """`upsert`, and on Milvus Lite what makes the rows found as fast and as fairly as the others."""
        with self.alone():
            ids = self.upsert(rows)
            if self._server.lite:
                # Rows are written anew only where nobody else can write them at the same time.
                if self._lock and self.layout.ours and len(rows) < FEW_ROWS:
                    self.level_statistics(FEW_ROWS)
                self.flush()
        return ids

    def delete(self, ids: Sequence[str]) -> None:
        """Delete rows by id; unknown ids are no error."""
        for batch in id_batches(ids):
            self._delete(self._one_of(batch), None)

    def delete_where(self, expression: str) -> None:
        """Delete the rows that an expression matches."""
        self._delete(expression, expression)

    def _delete(self, chosen: str, expression: str | None) -> None:
        def delete() -> None:
            self._client.delete(self._written.name, filter=chosen, timeout=self.timeout)

        self._write_once(delete, "delete rows", expression, is_timed=False)

    # --- reading

    def get(
        self,
        ids: Sequence[str],
        fields: Sequence[str] | None = None,
        consistency_level: str | None = None,
        batch_size: int = ROWS_PER_REQUEST,
    ) -> list[Row]:
        """Rows by id, in no order; unknown ids are left out.

        Args:
            ids: Any number of them.
            fields: All but vectors by default.
            consistency_level: The store's by default, see `milvus_rag.stores.consistency`.
            batch_size: Rows a request.
        """
        wanted = list(fields or self.layout.document_fields)
        rows: list[Row] = []
        for batch in id_batches(ids, batch_size):
            rows += self._get(batch, wanted, consistency_level)
        return rows

    def _get(self, ids: Sequence[str], fields: list[str], consistency_level: str | None) -> list[Row]:
        query, wanted = self._client.query, self._one_of(ids)
        try:
            return read_packed(self._read(query, None, consistency_level, filter=wanted, output_fields=fields))
        except TooMuchAtOnceError:
            # How large rows are is known only now.
            if len(ids) == 1:
                raise
            middle = len(ids) // 2
            halves = (ids[:middle], ids[middle:])
            return [row for half in halves for row in self._get(half, fields, consistency_level)]

    def find(
        self,
        expression: str,
        limit: int | None = None,
        fields: Sequence[str] | None = None,
        consistency_level: str | None = None,
    ) -> list[Row]:
        """Rows that an expression matches, in no order: all, or `limit` of them (16,384 at most)."""
        options: dict[str, Any] = {"limit": min(limit, MAX_HITS)} if limit else {}
        wanted, key = list(fields or self.layout.document_fields), self.layout.primary_field
        try:
            options |= {"filter": expression, "output_fields": wanted}
            answer = self._read(self._client.query, expression, consistency_level, **options)
        except TooMuchAtOnceError:
            if wanted == [key]:
                raise
            # All at once are too large; which they are is not.
            found = self.find(expression, limit, [key], consistency_level)
            return self.get([str(row[key]) for row in found], wanted, consistency_level)
        return read_packed(answer)

    def iterate(
        self,
        expression: str = "",
        fields: Sequence[str] | None = None,
        batch_size: int = MAX_HITS,
        consistency_level: str = "Strong",
    ) -> Iterator[list[Row]]:
        """All rows that an expression matches, some at a time; an empty expression matches all."""
        key = self.layout.primary_field
        wanted = list(dict.fromkeys([key, *(fields or self.layout.document_fields)]))
        last: str | int | None = None
        try:
            for batch in self._pages(expression, wanted, batch_size, consistency_level):
                yield batch
                last = batch[-1][key]
        except TooMuchAtOnceError:
            if wanted == [key]:
                raise
            # A page is too large; an iterator goes through the rows by their keys.
            left = "" if last is None else f"{key} > {quote(last)}"
            rest = f"({expression}) and ({left})" if expression and left else expression or left
            for batch in self._pages(rest, [key], batch_size, consistency_level):
                for ids in id_batches([str(row[key]) for row in batch]):
                    yield self._get(ids, wanted, consistency_level)

    def _pages(self, expression: str, fields: list[str], batch_size: int, level: str) -> Iterator[list[Row]]:
        # An iterator looks through all rows for each page on Milvus Lite, and waits a second or two on old servers.
        if self._server.lite or self.count(expression, level) <= batch_size:
            limit = None if self._server.lite else batch_size
            answer = self._read(
                self._client.query,
                expression,
                filter=expression or self.layout.matches_all,
                output_fields=fields,
                consistency_level=level,
                **({"limit": limit} if limit else {}),
            )
            yield from filter(None, [read_packed(answer)])
            return
        iterator = self._read(
            self._client.query_iterator,
            expression,
            filter=expression,
            batch_size=batch_size,
            output_fields=fields,
            consistency_level=level,
        )
        try:
            while True:
                with self._errors(expression):
                    if not (batch := list(iterator.next())):
                        return
                yield batch
        finally:
            iterator.close()

    def count(self, expression: str = "", consistency_level: str = "Strong") -> int:
        """Number of rows that an expression matches; by default, all writes before are counted."""
        answer = self._read(
            self._client.query,
            expression,
            filter=expression,
            output_fields=["count(*)"],
            consistency_level=consistency_level,
        )
        return int(answer[0]["count(*)"])

    def search(self, field: str, query: Any, k: int, expression: str, fields: Sequence[str]) -> list[tuple[Row, float]]:
        """The best `k` rows for one vector or, on a BM25 field, one text, with scores that are better when higher."""
        try:
            return self._search(field, query, k, expression, fields)
        except TooMuchAtOnceError:
            key = self.layout.primary_field
            found = self._search(field, query, k, expression, [key])
            rows = {row[key]: row for row in self.get([str(row[key]) for row, _ in found], [key, *fields])}
            return [(rows[row[key]], score) for row, score in found if row[key] in rows]

    def _search(
        self, field: str, query: Any, k: int, expression: str, fields: Sequence[str]
    ) -> list[tuple[Row, float]]:
        layout = self.layout
        bm25 = field == layout.sparse_field and layout.terms_field is not None
        metric = "BM25" if bm25 else "IP" if field == layout.sparse_field else layout.metric
        limit = min(k, MAX_HITS)
        own = self._search_params if field == layout.vector_field else {}

        def ask(params: Mapping[str, Any]) -> list[tuple[Row, float]]:
            answer = self._read(
                self._client.search,
                expression,
                data=[query],
                anns_field=field,
                limit=limit,
                filter=expression,
                output_fields=list(fields),
                search_params={"metric_type": metric, "params": {**own, **params}},
            )
            return [(flat(hit, layout.primary_field), score(hit["distance"], metric)) for hit in answer[0]]

        if field == layout.sparse_field or layout.exhaustive:
            # These look at all rows.
            found = ask({})
        else:
            # The search has waited for what was written before it, so the count need not.
            found = thorough(ask, limit, partial(self.count, expression, "Bounded"))
        if k > MAX_HITS and len(found) == MAX_HITS:
            logger.warning("Milvus gives %d hits of a search at most, and %d are asked for.", MAX_HITS, k)
        return found

    # --- upkeep

    def flush(self) -> None:
        """Write what is in memory to disk. On Milvus Lite this also builds the indexes that make a search fast."""

        def flush() -> None:
            self._client.flush(self._written.name, timeout=self.timeout)

        again_after(FlushedMeanwhileError, partial(self._write_once, flush, "flush what it has"))

    def level_statistics(self, at_most: int = TYPICAL_ROWS) -> None:
        """Keep full-text search on Milvus Lite fair to rows that were just written; then `flush`.

        Lite scores BM25 by the word frequencies of each segment alone, and each flush makes a segment: in one of a few
        rows every word is common, so a page that was just changed would be found last. Written anew with some thousand
        others, its rows are in a segment that is like the rest. Servers weigh words over all segments by themselves.
        """
        if self._server.lite and self.layout.terms_field:
            self.rewrite(lambda row: row, at_most=at_most)

    def rewrite_by_id(self, ids: Sequence[str], change: Callable[[Row], Row]) -> None:
        """Write some rows anew; those that are gone are left out."""
        for batch in id_batches(ids):
            with self.alone():
                self.upsert([change(row) for row in self.get(batch, self.all_fields, "Strong")])

    def rewrite(self, change: Callable[[Row], Row], at_most: int | None = None) -> None:
        """Write rows anew, some at a time: all of them, or on Milvus Lite so many of the oldest."""
        fields = self.all_fields
        if not self._server.lite:
            for rows in self.iterate("", fields, ROWS_PER_REQUEST):
                self.upsert([change(row) for row in rows])
            return
        count = self.count()
        for _ in range(0, min(count, at_most or count), ROWS_PER_REQUEST):
            # What is written anew goes to the end, so these are other rows each time.
            with self.alone():
                self.upsert([change(row) for row in self.find(self.layout.matches_all, ROWS_PER_REQUEST, fields)])

    @cached_property
    def _written(self) -> Layout:
        """The layout, with the name that writes go to."""
        return replace(self.layout, name=self._write_name())

    @property
    def all_fields(self) -> list[str]:
        """What a row is written with: all but what Milvus makes itself."""
        return self.layout.written_fields

    def _one_of(self, ids: Sequence[str]) -> str:
        # pymilvus would quote no quotes in them.
        return f"{self.layout.primary_field} in {quote([to_primary_key(self.layout, row_id) for row_id in ids])}"

    def _read(
        self,
        call: Callable[..., Any],
        expression: str | None,
        consistency_level: str | None = None,
        **arguments: Any,
    ) -> Any:
        def read() -> Any:
            with (
                self._errors(expression, doing=f"answer a {call.__name__.partition('_')[0]}"),
                self._lock.reading() if self._lock else nullcontext(),
            ):
                if self._server.lite:
                    # It has one process, and no levels.
                    return call(self.layout.name, timeout=self.timeout, **arguments)
                level = consistency_level or self._reads.level(self.layout.name, ours=self.layout.ours)
                if level:
                    arguments["consistency_level"] = level
                return call(self._read_name(), timeout=self.timeout, **arguments)

        return self._loaded(read)

    def _write_once(
        self, call: Callable[[], T], doing: str, expression: str | None = None, *, is_timed: bool = True
    ) -> T:
        def write() -> T:
            with self._errors(expression, doing=doing), self.alone():
                return call()

        try:
            return self._loaded(write)
        finally:
            # Also a write without an answer may have arrived.
            self._reads.wrote(self.layout.name, is_timed=is_timed)

    def _loaded(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except CollectionNotLoadedError:
            # It was just created, maybe by another process that is not through, or somebody released it, or a Milvus
            # Lite server was started anew.
            self._load()
            return call()

    def _errors(self, expression: str | None = None, doing: str = "answer") -> AbstractContextManager[None]:
        self._server.check_process()
        return translated_errors(self._server.uri, self.layout.name, expression, doing=doing, timeout=self.timeout)
