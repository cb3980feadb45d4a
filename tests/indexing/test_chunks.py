"""What makes a chunk the same chunk: its source, its text, and which occurrence of it this is."""

import json
from pathlib import PurePosixPath

import pytest
from langchain_core.documents import Document

from milvus_rag.errors import InputError
from milvus_rag.indexing.chunks import StoredRow, by_source, read_chunks, row_of
from milvus_rag.stores.layout import Layout
from milvus_rag.stores.rows import to_row


def documents(*texts: str, **metadata: object) -> list[Document]:
    return [Document(text, metadata={"source": "a.md", **metadata}) for text in texts]


def ids(source: str, *texts: str) -> list[str]:
    return [chunk.row_id for chunk in read_chunks(source, documents(*texts))]


class TestIds:
    def test_are_the_same_on_every_machine(self) -> None:
        """An index that others made is understood, so these never change."""
        (chunk,) = read_chunks("faq/a.md", documents("How is data stored?"))
        assert (chunk.row_id, chunk.digest) == (
            "32916802ea0518ac5ec05ee991642a89",
            "8da84e99473f201f4cfad4137f87c2be",
        )

    def test_follow_the_text_wherever_it_stands(self) -> None:
        assert ids("a.md", "one", "two") == ids("a.md", "two", "one")[::-1]

    def test_differ_between_sources(self) -> None:
        assert ids("a.md", "one") != ids("b.md", "one")

    def test_tell_repeated_texts_apart(self) -> None:
        first, second, third = ids("a.md", "one", "one", "one")
        assert len({first, second, third}) == 3
        assert ids("a.md", "one", "two", "one") == [first, *ids("a.md", "two"), second]

    def test_do_not_run_together(self) -> None:
        assert ids("ab", "c") != ids("a", "bc")

    def test_exist_for_half_a_surrogate_pair(self) -> None:
        assert len(ids("a.md", "\ud800")) == 1


class TestDigests:
    def test_are_of_what_is_embedded(self) -> None:
        """A chunk that says where its body begins is embedded without markup."""
        (plain,) = read_chunks("a.md", documents("**one**"))
        (elsewhere,) = read_chunks("b.md", documents("**one**", title="x"))
        (markdown,) = read_chunks("a.md", documents("**one**", body_start=0))
        assert plain.digest == elsewhere.digest != markdown.digest
        assert plain.row_id == markdown.row_id


def test_a_chunk_knows_its_position() -> None:
    chunks = read_chunks("a.md", documents("one", "two", title="T"))
    assert [chunk.metadata for chunk in chunks] == [
        {"source": "a.md", "title": "T", "chunk": 0},
        {"source": "a.md", "title": "T", "chunk": 1},
    ]


@pytest.mark.parametrize("own", [7, "chapter 7", None, [1]])
def test_a_chunk_keeps_what_a_document_calls_a_chunk(own: object) -> None:
    (chunk,) = read_chunks("a.md", documents("one", chunk=own))
    assert chunk.metadata == {"source": "a.md", "chunk": 0, "original_chunk": own}


# With keys that have other names in a row.
LAYOUT = Layout(static_fields=frozenset({"pk", "text", "vector"}), properties={"layout": 1})
TRICKY = {"tags": ("x", "y"), "size": 1.5, "nested": {"a": None}, "text": "t", "sync_root": "s", "metadata_text": 1}


class TestStoredRow:
    def row(self, **changes: object) -> StoredRow:
        (chunk,) = read_chunks("a.md", documents("one", tags=("x", "y"), size=1.5, nested={"a": None}))
        return StoredRow({**json.loads(json.dumps(row_of(chunk, "r", LAYOUT))), **changes}, LAYOUT)

    def test_is_what_was_written(self) -> None:
        (chunk,) = read_chunks("a.md", documents("one", **TRICKY))
        written = to_row(
            LAYOUT, chunk.row_id, chunk.text, chunk.metadata, extra={"sync_root": ["r"], "sync_digest": chunk.digest}
        )
        assert {**row_of(chunk, "r", LAYOUT), "tags": ["x", "y"], "text": "one"} == written
        row = StoredRow(written, LAYOUT)
        assert (row.roots, row.digest) == (("r",), chunk.digest)
        assert row.holds(chunk)

    def test_holds_what_it_was_made_of(self) -> None:
        (chunk,) = read_chunks("a.md", documents("one", tags=("x", "y"), size=1.5, nested={"a": None}))
        assert self.row().holds(chunk)

    def test_holds_it_whoever_has_it(self) -> None:
        (chunk,) = read_chunks("a.md", documents("one", tags=("x", "y"), size=1.5, nested={"a": None}))
        assert self.row(sync_root=["another"]).holds(chunk)
        assert self.row(sync_root=None).holds(chunk)

    @pytest.mark.parametrize("changes", [{"size": 2}, {"chunk": 1}, {"more": 1}, {"sync_digest": "d"}])
    def test_does_not_hold_what_changed(self, changes: dict[str, object]) -> None:
        (chunk,) = read_chunks("a.md", documents("one", tags=("x", "y"), size=1.5, nested={"a": None}))
        assert not self.row(**changes).holds(chunk)

    def test_does_not_hold_metadata_that_is_no_json(self) -> None:
        (chunk,) = read_chunks("a.md", documents("one", when=object()))
        assert not self.row().holds(chunk)


class TestBySource:
    def test_keeps_documents_of_a_source_together(self) -> None:
        given = [Document(text, metadata={"source": source}) for source, text in ("a1", "a2", "b1", "a3")]
        found = [(source, [document.page_content for document in group]) for source, group in by_source(given)]
        assert found == [("a", ["1", "2"]), ("b", ["1"]), ("a", ["3"])]

    def test_leaves_out_what_the_loader_did_not_finish(self) -> None:
        def loading() -> object:
            yield Document("1", metadata={"source": "a"})
            yield Document("2", metadata={"source": "b"})
            raise OSError("the disk is gone")

        found: list[str] = []
        with pytest.raises(OSError, match="the disk"):
            found.extend(source for source, _ in by_source(loading()))  # type: ignore[arg-type]  # a generator
        assert found == ["a"]

    @pytest.mark.parametrize("source", [7, 0, 2.5, PurePosixPath("7/a.md")])
    def test_a_source_may_be_a_number_or_a_path(self, source: object) -> None:
        ((name, _),) = by_source([Document("1", metadata={"source": source})])
        assert name == str(source)

    @pytest.mark.parametrize("source", [None, "", False, b"a.md", ["a.md"]])
    def test_refuses_a_document_without_a_source(self, source: object) -> None:
        with pytest.raises(InputError, match=r"metadata\['source'\].*add_documents"):
            list(by_source([Document("1", metadata={"source": source})]))
