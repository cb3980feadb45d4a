"""Which rows go at the end of a sync, and which never do."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest

from milvus_rag.indexing.identity import LoaderIdentity
from milvus_rag.indexing.ledger import OwnedRow
from milvus_rag.indexing.notes import examples, of_leftovers
from milvus_rag.indexing.pruning import Given, Leftovers, RowIds, find_leftovers
from milvus_rag.indexing.scope import Scope

# Ids as `read_chunks` makes them: digits of a digest.
A, B, C, D = (f"{number:x}" * 32 for number in (10, 11, 12, 13))


def leftovers(
    *rows: tuple[str, str | None, tuple[str, ...]],
    live: Collection[str] = (),
    read: Collection[str] = ("a.md",),
    failed: Collection[str] = (),
    covers: Callable[[str], bool] = lambda _: True,
    prune: bool = True,
    stands: Collection[str] = (),
) -> Leftovers:
    ids = RowIds()
    for row_id in live:
        ids.add(row_id)
    identity = LoaderIdentity(name="here", is_named=True, own_coverage=covers)
    return find_leftovers(
        [OwnedRow(*row) for row in rows],
        Given(live=ids, read=read, failed=failed, prune=prune),
        Scope(root="here", identity=identity),
        may_be_relocated=lambda root: root not in stands,
    )


class TestRowIds:
    def test_hold_what_was_added(self) -> None:
        ids = RowIds()
        assert A not in ids
        ids.add(A)
        ids.add(C)
        assert A in ids
        assert B not in ids
        ids.add(B)
        assert B in ids
        assert D not in ids

    def test_do_not_hold_ids_of_others(self) -> None:
        ids = RowIds()
        ids.add(A)
        assert "6b0c2f7e-3f2f-4f57-9a2b-0b8c0a4f3b55" not in ids
        assert "한국어" not in ids
        assert "" not in ids

    def test_hold_many(self) -> None:
        ids = RowIds()
        numbers = np.random.default_rng(0).integers(0, 2**63, 5000)
        for number in numbers:
            ids.add(f"{number:016x}{'0' * 16}")
        assert all(f"{number:016x}" in ids for number in numbers)
        assert sum(f"{number + 1:016x}" in ids for number in numbers) == 0


class TestRowsOfSourcesThatWereRead:
    def test_go_when_they_are_no_chunks_any_more(self) -> None:
        left = leftovers((A, "a.md", ("here",)), (B, "a.md", ("here",)), live=[A])
        assert left.replaced == [B]
        assert not left.gone
        assert not left.gone_sources

    def test_stay_when_something_of_the_source_failed(self) -> None:
        assert leftovers((B, "a.md", ("here",)), live=[A], failed=["a.md"]) == Leftovers()

    def test_go_even_where_nothing_is_pruned(self) -> None:
        assert leftovers((B, "a.md", ("here",)), prune=False).replaced == [B]


class TestRowsOfSourcesThatAreGone:
    def test_go(self) -> None:
        left = leftovers((A, "a.md", ("here",)), (B, "b.md", ("here",)), (C, "b.md", ("here",)), live=[A])
        assert left.gone == [B, C]
        assert left.gone_sources == {"b.md"}
        assert not left.replaced

    def test_stay_where_nothing_is_pruned(self) -> None:
        assert leftovers((B, "b.md", ("here",)), prune=False) == Leftovers()

    def test_stay_when_the_loader_does_not_cover_them(self) -> None:
        assert leftovers((B, "b.md", ("here",)), (C, "c.md", ("here",)), covers="b.md".__eq__).gone == [B]

    def test_stay_when_they_could_not_be_read(self) -> None:
        assert leftovers((B, "b.md", ("here",)), failed=["b.md"]) == Leftovers()


class TestRowsFromElsewhere:
    def test_stay(self) -> None:
        assert leftovers((B, "b.md", ("there",)), (C, "c.md", ())) == Leftovers()

    def test_stay_and_are_named_when_a_source_has_the_same_name(self) -> None:
        left = leftovers((A, "a.md", ("here",)), (B, "a.md", ("there",)), (C, "a.md", ()), live=[A])
        assert left == Leftovers(namesakes={"a.md"})

    def test_without_a_source_stay(self) -> None:
        assert leftovers((B, None, ()), (C, None, ("here",))) == Leftovers()


class TestRowsThatOthersHaveToo:
    """Of a folder that is still where it was."""

    def leftovers(self, *rows: tuple[str, str, tuple[str, ...]], **options: Any) -> Leftovers:
        return leftovers(*rows, stands=["there"], **options)

    def test_are_claimed(self) -> None:
        left = self.leftovers((A, "a.md", ("there",)), (B, "a.md", ("there", "here")), (C, "a.md", ()), live=[A, B, C])
        assert left == Leftovers(kept={A: ("there", "here"), C: ("here",)}, claimed=2)

    def test_are_given_up_and_stay(self) -> None:
        rows = ((A, "a.md", ("there", "here")), (B, "gone.md", ("here", "there")))
        assert self.leftovers(*rows) == Leftovers(kept={A: ("there",), B: ("there",)}, namesakes={"a.md"})

    def test_are_not_given_up_while_it_is_not_known(self) -> None:
        assert self.leftovers((A, "a.md", ("there", "here")), failed=["a.md"]) == Leftovers()
        assert self.leftovers((B, "gone.md", ("there", "here")), prune=False) == Leftovers()
        assert self.leftovers((B, "gone.md", ("there", "here")), covers=lambda _: False) == Leftovers()


class TestAFolderThatWasMovedHere:
    """Known by at least half of its chunks being the same."""

    @pytest.mark.parametrize(("same", "moved_here"), [(0, False), (1, False), (2, True), (3, True)])
    def test_leaves_what_is_not_the_same(self, same: int, moved_here: bool) -> None:
        alike = [f"{number:x}" * 32 for number in range(same)]
        left = leftovers(
            *((row_id, "same.md", ("there",)) for row_id in alike),
            (B, "a.md", ("there",)),
            (C, "gone.md", ("there",)),
            live=alike,
            read=["a.md", "same.md"],
        )
        assert left.kept == dict.fromkeys(alike, ("here",) if moved_here else ("there", "here"))
        assert left.claimed == same
        assert left.replaced == ([B] if moved_here else [])
        assert left.gone == ([C] if moved_here else [])
        assert left.gone_sources == ({"gone.md"} if moved_here else set())
        assert left.relocated == ({"there": {"gone.md"}} if moved_here else {})
        assert left.namesakes == (set() if moved_here else {"a.md"})

    def test_is_not_one_that_is_still_where_it_was(self) -> None:
        """However much of it is the same: it is another version, or a copy."""
        left = leftovers((A, "a.md", ("there",)), (C, "gone.md", ("there",)), live=[A], stands=["there"])
        assert left == Leftovers(kept={A: ("there", "here")}, claimed=1)

    def test_gives_its_name_up_for_the_new_one(self) -> None:
        """Names do not grow in number with each move; what may not be pruned yet goes with a later sync."""
        left = leftovers(
            (A, "a.md", ("there", "here", "third")),
            (D, "a.md", ("there",)),
            (B, "a.md", ("there", "third")),
            (C, "gone.md", ("there",)),
            live=[A, D],
            prune=False,
            stands=["third"],
        )
        assert left.kept == {A: ("third", "here"), D: ("here",), B: ("third",), C: ("here",)}
        assert left.relocated == {"there": set()}
        assert not left.gone

    def test_is_not_known_by_what_nobody_synced(self) -> None:
        left = leftovers((A, "a.md", ()), (B, "a.md", ()), live=[A])
        assert left == Leftovers(kept={A: ("here",)}, claimed=1, namesakes={"a.md"})


def test_examples_are_few() -> None:
    assert examples({"b", "a"}) == "a, b"
    assert examples({"d", "c", "b", "a"}) == "a, b, c, …"


def test_a_user_is_told_what_a_folder_is_taken_for() -> None:
    left = Leftovers(relocated={"old": {"a.md", "b.md"}, "older": set()})
    first, second = of_leftovers(left, {"old": "/srv/old"}.get)
    assert first.startswith("Taken for the folder /srv/old at another place")
    assert first.endswith("2 files that are gone from it were removed: a.md, b.md.")
    assert second.startswith("Taken for the folder older at another place")
    assert "No file was removed" in second
