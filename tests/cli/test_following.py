"""What a watch says: what is new, once."""

from milvus_rag.cli.following import Following
from milvus_rag.errors import StoreError
from milvus_rag.indexing.report import Failure, SyncReport


def test_failures_and_notes_are_said_when_they_are_new() -> None:
    said: list[str] = []
    following = Following(said.append)
    bad = Failure("a.md", "It is no text.")
    nothing_pruned = "Nothing was pruned, since not all folders could be read."

    following.on_report("docs", SyncReport(failed=[bad], notes=[nothing_pruned]))
    assert said == ["Failed: a.md: It is no text.", f"Note: {nothing_pruned}"]

    said.clear()
    following.on_report("docs", SyncReport(failed=[bad], notes=[nothing_pruned]))
    assert said == []

    following.on_report("docs", SyncReport(added=2, sources=1))
    assert len(said) == 1
    assert "2 added" in said[0]

    following.on_report("docs", SyncReport(failed=[bad], notes=[nothing_pruned]))
    assert said[1:] == ["Failed: a.md: It is no text.", f"Note: {nothing_pruned}"]


def test_what_is_in_the_way_is_said_once() -> None:
    said: list[str] = []
    following = Following(said.append)
    for _ in range(3):
        following.on_error("docs", StoreError("Milvus is away."))
    following.on_error("docs", StoreError("Milvus is full."))
    assert said == [f"Not indexed, and tried again: docs: Milvus is {what}." for what in ("away", "full")]
    warned: list[str] = []
    Following(said.append, warned.append).on_error("docs", StoreError("Milvus is away."))
    assert warned == said[:1]
    assert set(following.told) == {"on_report", "on_error"}
