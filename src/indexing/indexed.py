"""What is in the index when a run begins."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..errors import CollectionSchemaError
from ..stores.milvus import MilvusStore
from .lookahead import Lookahead

if TYPE_CHECKING:
    from concurrent.futures import Future

    from ..stores.collection_rows import CollectionRows
    from ..stores.layout import Layout


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index as it was found.

    Attributes:
        rows: Its rows; None where there is no collection.
        language: Of its full-text search, where that is analysed by us.
    """

    rows: "CollectionRows | None"
    language: str | None
    counting: "Future[int] | None"

    counting_own: "Future[int] | None" = None

    @property
    def layout(self) -> "Layout | None":
        """What the collection looks like; None where there is none."""
        return self.rows.layout if self.rows is not None else None

    @property
    def own_count(self) -> int:
        """How many rows of the run's own there were. Waits for the answer at its first use."""
        return self.counting_own.result() if self.counting_own is not None else 0

    @property
    def count(self) -> int:
        """How many rows there were. Waits for the answer at its first use."""
        return self.counting.result() if self.counting is not None else 0


def look_at(
    store: MilvusStore, lookahead: Lookahead, own: Callable[["Layout | None"], str] | None, *, dry_run: bool
) -> Indexed:
    """Look at what is there. The rows are counted while the run goes on: all that is asked later sees what that saw.

    Args:
        store: The index.
        lookahead: Asks.
        own: Says by which expression the rows of the run's own are known; empty for all rows. None where it need not be
            known how many there are.
        dry_run: Whether nothing may be written, not even a name set right.

    Raises:
        CollectionSchemaError: Another program made the collection.
    """
    layout = store.layout
    if layout is not None and layout.name == store.collection.parked_name and not dry_run:
        store.collection.recover_name()
    language = store.language if store.has_full_text and store.sparse_embedding is None else None
    if layout is None:
        return Indexed(None, language, None)
    if not layout.ours:
        raise CollectionSchemaError(
            f"The collection {store.collection_name!r} was made by another program, and has no place for "
            f"what sync must know of a row. Choose another collection name, or use store.add_documents."
        )
    rows = store.collection.rows(layout)
    counting = lookahead.ask(rows.count)
    expression = own(layout) if own is not None else ""
    return Indexed(rows, language, counting, lookahead.ask(partial(rows.count, expression)) if expression else counting)
