"""What of an index a rebuild would not make again: nothing of it is to be lost without a word."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

from ..errors import InputError
from ..stores.collection import Collection
from ..stores.layout import Layout
from .chunks import by_source, read_chunks
from .identity import identify
from .known_roots import known_roots, remembered_place
from .ledger import Ledger, OwnedRow
from .notes import examples
from .pruning import RowIds
from .reading import quiet
from .scope import resolve
from .splitting import split

_NO_NAME = "documents without a source"


def check_nothing_is_lost(
    index: Collection, loaders: Sequence[BaseLoader], splitter: BaseDocumentTransformer, *, scope: str | None = None
) -> None:
    """Look for rows that are not the loaders' to make again, or to leave out.

    Rows of a folder that was moved are the loaders': as in `sync`, it is known by half of its chunks, and by not being
    where it was.

    Args:
        index: What the rebuild is to take the place of.
        loaders: All that the new index is to hold.
        splitter: Cuts their documents.
        scope: See `sync`.

    Raises:
        InputError: There are such rows; the message says of which files.
        LoaderError: A loader raised.
    """
    layout = index.layout
    if layout is None:
        return
    if not layout.ours:
        raise InputError(
            f"The collection {index.name!r} was made by another program, and a rebuild would drop it. Choose another "
            f"collection name, or say that it may go (--drop-others)."
        )
    # Milvus Lite opens all collections released, and only the new one was loaded.
    index.load(layout)
    elsewhere = _Elsewhere(index, layout, loaders, scope)
    if not any(elsewhere.rows()):
        return
    lost = elsewhere.lost(_row_ids(loaders, splitter))
    if lost:
        why = "they are not below its paths"
        give = "Give all paths that the index is to hold (milvus-rag index A B --rebuild)"
        if all(map(elsewhere.leaves_out, lost)):
            why, give = "its glob and exclude leave them out", "Choose them too"
        raise InputError(
            f"The index {index.name!r} also holds {len(lost)} files that this rebuild would drop, since {why}: "
            f"{examples(lost)}{elsewhere.named(lost)}. {give}, or say that the others may go (--drop-others)."
        )


class _Elsewhere:
    """Rows that none of some loaders answers for."""

    def __init__(self, index: Collection, layout: Layout, loaders: Sequence[BaseLoader], scope: str | None) -> None:
        self._layout = layout
        self._ledger = Ledger(index.rows(layout))
        known = known_roots(layout)
        self._scopes = [resolve(identify(loader), known, scope) for loader in loaders]

    def rows(self) -> Iterator[OwnedRow]:
        for row in self._ledger.owned_rows():
            if not row.roots or self._strangers(row):
                yield row

    def lost(self, live: RowIds) -> dict[str, tuple[str, ...]]:
        """Sources, with their roots, of rows that are not among the new ones, and in no folder that was only moved."""
        same: Counter[str] = Counter()
        relocated: dict[str, list[str]] = defaultdict(list)
        lost: dict[str, tuple[str, ...]] = {}
        for row in self.rows():
            strangers = self._strangers(row)
            if row.row_id in live:
                same.update(strangers)
            elif strangers and any(scope.covers(row.source) for scope in self._scopes):
                for root in strangers:
                    relocated[root].append(row.source or _NO_NAME)
            else:
                lost[row.source or _NO_NAME] = strangers
        for root, sources in relocated.items():
            if same[root] < len(sources) or not self._may_be_relocated(root):
                lost.update(dict.fromkeys(sources, (root,)))
        return lost

    def _strangers(self, row: OwnedRow) -> tuple[str, ...]:
        """Roots of a row for which no loader answers."""
        ours = {scope.root for scope in self._scopes if scope.covers(row.source)}
        for scope in self._scopes:
            inside = (name for name, prefix in scope.inside.items() if scope.covers(prefix + (row.source or "")))
            ours |= {*inside, *scope.former}
        return tuple(root for root in row.roots if root not in ours)

    def leaves_out(self, source: str) -> bool:
        """Whether a loader would give a source, were it chosen."""
        return any(scope.leaves_out(source) for scope in self._scopes)

    def named(self, lost: Mapping[str, tuple[str, ...]]) -> str:
        """The folders of some sources, as far as they are remembered."""
        places = {remembered_place(self._layout, root) for roots in lost.values() for root in roots}
        # Of a URL only that it is one.
        shown = sorted(place for place in places if place and "://" not in place)
        return f" (of {', '.join(shown)})" if shown else ""

    def _may_be_relocated(self, root: str) -> bool:
        return any(scope.may_be_relocated(root) for scope in self._scopes)


def _row_ids(loaders: Sequence[BaseLoader], splitter: BaseDocumentTransformer) -> RowIds:
    """Ids of all rows that the new index will have. What cannot be read is said by the rebuild itself."""
    ids = RowIds()
    for loader in loaders:
        for source, documents in by_source(quiet(loader).lazy_load()):
            for chunk in read_chunks(source, split(splitter, documents)):
                ids.add(chunk.row_id)
    return ids
