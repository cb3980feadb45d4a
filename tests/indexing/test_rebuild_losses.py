"""A rebuild drops nothing of the index without a word."""

from pathlib import Path
from typing import Any

import pytest

from milvus_rag import MarkdownLoader, sync
from milvus_rag.errors import InputError
from milvus_rag.indexing.rebuild import rebuild
from support.pages import Lines, Pages, chunks_of, written
from support.rebuilding import Index

OLD = {"a.md": "one\ntwo", "b.md": "three"}
NEW = {"a.md": "one\nchanged", "c.md": "four"}
OTHER = {"x.md": "six", "y.md": "seven"}


@pytest.fixture
def lite(lite_uri: str) -> Index:
    return Index(lite_uri, "pages")


def index(lite: Index, pages: dict[str, str], root: str, **options: Any) -> None:
    with lite.open() as store:
        sync(Pages(pages, root, **options), Lines(), store)


def check_refused(lite: Index, pages: dict[str, str], message: str, **options: Any) -> None:
    before, lite.embedding.texts = lite.places, []
    with pytest.raises(InputError, match=message):
        rebuild([Pages(pages, **options)], Lines(), lite.open, collection=lite.name)
    with pytest.raises(InputError, match=message):
        rebuild([Pages(pages, **options)], Lines(), lite.open, collection=lite.name, dry_run=True)
    assert lite.places == before
    assert lite.embedding.texts == []
    assert lite.collections == [""]
    assert lite.rebuild(pages, drop_others=True).failed == []
    assert lite.places == chunks_of(pages)


def test_of_another_folder_is_named_and_kept(lite: Index) -> None:
    lite.sync(OLD)
    index(lite, OTHER, "other")
    check_refused(lite, NEW, r"also holds 2 files .*: x\.md, y\.md\. Give all paths .*--drop-others")


def test_of_another_folder_is_kept_when_it_is_given_too(lite: Index) -> None:
    lite.sync(OLD)
    index(lite, OTHER, "other")
    rebuild([Pages(NEW), Pages(OTHER, "other")], Lines(), lite.open, collection=lite.name)
    assert lite.places == chunks_of({**NEW, **OTHER})


def test_of_another_glob_is_named_and_kept(lite: Index) -> None:
    index(lite, OLD, "pages", covers=OLD.__contains__)
    index(lite, OTHER, "pages", covers=OTHER.__contains__)
    check_refused(lite, OLD, r"2 files .*: x\.md, y\.md", covers=OLD.__contains__)


def test_of_a_file_of_the_same_name_is_kept(lite: Index) -> None:
    lite.sync(OLD)
    index(lite, {"a.md": "another page of that name"}, "other")
    check_refused(lite, NEW, r"1 files .*: a\.md")


def test_is_gone_from_a_folder_that_moved(lite: Index) -> None:
    index(lite, OLD, "where it was")
    assert lite.rebuild({"a.md": "one\ntwo"}).failed == []
    assert lite.places == chunks_of({"a.md": "one\ntwo"})


def test_was_added_by_hand(lite: Index) -> None:
    lite.sync(OLD)
    with lite.open() as store:
        store.add_texts(["by hand"])
    check_others_only(lite, "documents without a source")


def test_of_two_folders_that_were_the_same_is_kept_for_the_other(lite: Index) -> None:
    lite.sync(OLD)
    index(lite, OLD, "other")
    assert lite.rebuild(OLD, dry_run=True).added == 3
    check_others_only(lite, r"2 files .*: a\.md, b\.md")


def check_others_only(lite: Index, message: str) -> None:
    with pytest.raises(InputError, match=message):
        lite.rebuild(NEW, dry_run=True)


def test_is_all_of_a_collection_that_another_program_made(lite: Index) -> None:
    with lite.open("other") as store:
        store.client.create_collection(lite.name, dimension=8)
        store.client.insert(lite.name, [{"id": 1, "vector": [0.5] * 8, "text": "theirs"}])
    with pytest.raises(InputError, match="another program, and a rebuild would drop it"):
        lite.rebuild(NEW)
    with lite.open("other") as store:
        store.client.load_collection(lite.name)
        assert store.client.query(lite.name, ids=[1], output_fields=["text"])[0]["text"] == "theirs"


def test_of_a_file_that_is_not_chosen_is_said_so(lite: Index, tmp_path: Path) -> None:
    folder = written(tmp_path / "docs", {"a.md": "one", "drafts/d.md": "two"})
    with lite.open() as store:
        sync(MarkdownLoader(folder), Lines(), store)
    chosen = [MarkdownLoader(folder, exclude=("drafts",))]
    with pytest.raises(InputError, match=r"its glob and exclude leave them out: drafts/d\.md .*Choose them too"):
        rebuild(chosen, Lines(), lite.open, collection=lite.name)
    rebuild(chosen, Lines(), lite.open, collection=lite.name, drop_others=True)
    assert lite.places == chunks_of({"a.md": "one"})
