"""Hits with what stands before and after them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_text_splitters import RecursiveCharacterTextSplitter

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, milvus_retriever, open_store, sync
from milvus_rag.chains.neighbours import with_neighbours
from milvus_rag.stores.collection_rows import CollectionRows


class Shelf:
    """Sources of numbered chunks, found by the filter that the retriever sends."""

    def __init__(self, *documents: Document) -> None:
        self.documents = list(documents)
        self.reads = 0

    def search_by_metadata(
        self, expr: Any, fields: list[str] | None = None, limit: int = 10, *, roots: bool = False
    ) -> list[Document]:
        self.reads += 1
        assert not isinstance(expr, str)
        low, high = expr["chunk"]["$gte"], expr["chunk"]["$lte"]
        found = [
            document
            for document in self.documents
            if document.metadata["source"] == expr["source"] and low <= document.metadata["chunk"] <= high
        ]
        # In no order, as a store gives them.
        return found[::-1][:limit]

    def to_expression(self, filter: Any, expr: str | None = None) -> str:
        raise NotImplementedError


def chunk(source: str, at: int, text: str | None = None, **metadata: Any) -> Document:
    return Document(
        text or f"{source}{at}",
        id=f"{source}{at}",
        metadata={"source": source, "chunk": at, "start_line": 10 * at + 1, "end_line": 10 * at + 9, **metadata},
    )


def pages(**sources: int) -> Shelf:
    return Shelf(*(chunk(source, at) for source, count in sources.items() for at in range(count)))


def hit(source: str, at: int, **metadata: Any) -> Document:
    return chunk(source, at, score=1.0 - at / 100, **metadata)


def test_none_are_added_unless_asked_for() -> None:
    shelf = pages(a=5)

    assert with_neighbours(shelf, [hit("a", 2)], 0) == [hit("a", 2)]
    assert shelf.reads == 0


def test_chunks_before_and_after_are_added_in_reading_order() -> None:
    (wide,) = with_neighbours(pages(a=9), [hit("a", 4)], 2)

    assert wide.page_content == "a2\na3\na4\na5\na6"
    assert wide.metadata["chunks"] == [2, 3, 4, 5, 6]
    assert (wide.metadata["start_line"], wide.metadata["end_line"]) == (21, 69)
    assert (wide.id, wide.metadata["score"], wide.metadata["chunk"]) == ("a4", 0.96, 4)


def test_a_page_has_a_first_and_a_last_chunk() -> None:
    first, last = with_neighbours(pages(a=9), [hit("a", 0), hit("a", 8)], 1)

    assert (first.page_content, last.page_content) == ("a0\na1", "a7\na8")


def test_neighbourhoods_that_touch_become_one_at_the_place_of_the_best_hit() -> None:
    found = with_neighbours(pages(a=9, b=3), [hit("a", 5), hit("b", 1), hit("a", 3), hit("a", 8)], 1)

    assert [document.page_content for document in found] == ["a2\na3\na4\na5\na6\na7\na8", "b0\nb1\nb2"]
    assert found[0].id == "a5"


def test_neighbours_are_of_the_same_source() -> None:
    (wide,) = with_neighbours(pages(a=2, b=2), [hit("b", 0)], 3)

    assert wide.page_content == "b0\nb1"


def test_hits_without_a_position_stay_as_they_are() -> None:
    loose = Document("loose", metadata={"source": "a", "score": 0.5})
    lost = Document("lost", metadata={"chunk": 3})

    assert with_neighbours(pages(a=3), [loose, lost], 2) == [loose, lost]


def test_titles_are_said_once() -> None:
    titles = "Guide > Ports\n\n"
    shelf = Shelf(
        chunk("a", 0, "Guide\n\nWelcome.", headings=["Guide"], body_start=7, start_index=0),
        chunk("a", 1, f"{titles}One.", headings=["Guide", "Ports"], body_start=len(titles), start_index=30),
        chunk("a", 2, f"{titles}Two.", headings=["Guide", "Ports"], body_start=len(titles), start_index=36),
    )

    (wide,) = with_neighbours(shelf, [shelf.documents[2]], 2)

    assert wide.page_content == "Guide\n\nWelcome.\nGuide > Ports\n\nOne.\n\nTwo."
    assert (wide.metadata["start_index"], wide.metadata["body_start"]) == (0, 7)


def test_titles_are_said_again_after_a_chunk_that_is_missing() -> None:
    titles = "Guide\n\n"
    shelf = Shelf(
        *(chunk("a", at, f"{titles}{at}", headings=["Guide"], body_start=7, start_index=9 * at) for at in (0, 2))
    )

    (wide,) = with_neighbours(shelf, [shelf.documents[0]], 2)

    assert wide.page_content == "Guide\n\n0\nGuide\n\n2"


def test_what_the_best_hit_says_of_its_own_place_is_not_said_of_another() -> None:
    shelf = Shelf(chunk("a", 0), chunk("a", 1, "Guide\n\nOne.", headings=["Guide"], body_start=7, start_index=30))

    (wide,) = with_neighbours(shelf, [shelf.documents[1]], 1)

    assert wide.page_content == "a0\nGuide\n\nOne."
    assert not {"body_start", "start_index"} & wide.metadata.keys()


SECTION = """First paragraph.

Second paragraph, which is so long that it has to be cut inside its only line, wherever that may be.

- one
  - nested
- two

| name | size |
|------|------|
| a    | 1    |
| b    | 2    |
| c    | 3    |
| d    | 4    |

```python
def call(
    it,
):

    return it
```

Last."""


@pytest.mark.parametrize("chunk_size", [12, 30, 45, 70, 200])
@pytest.mark.parametrize("heading_path", [True, False])
def test_a_section_that_was_cut_is_whole_again(chunk_size: int, heading_path: bool) -> None:
    """Its paragraphs, its long line, its table and its code, to the character."""
    page = Document(f"# Guide\n\n{SECTION}\n", metadata={"source": "a"})
    cut = MarkdownSplitter(chunk_size=chunk_size, heading_path=heading_path).split_documents([page])
    for at, document in enumerate(cut):
        document.metadata["chunk"] = at

    (wide,) = with_neighbours(Shelf(*cut), [cut[len(cut) // 2]], len(cut))

    assert len(cut) > 1
    assert wide.page_content == f"Guide\n\n{SECTION}" if heading_path else f"# Guide\n\n{SECTION}"
    body = wide.page_content[wide.metadata["body_start"] :]
    assert page.page_content[wide.metadata["start_index"] :].startswith(body)
    assert page.page_content.split("\n")[wide.metadata["end_line"] - 1] == "Last."


def test_while_a_page_is_replaced_each_place_is_read_once_and_the_hit_is_kept() -> None:
    """Old rows leave after the new ones came."""
    new = [chunk("a", at, f"new{at}") for at in range(3)]
    shelf = Shelf(*(chunk("a", at, f"old{at}").model_copy(update={"id": f"z{at}"}) for at in range(3)), *new)

    (wide,) = with_neighbours(shelf, [new[1]], 1)

    assert wide.page_content.split("\n")[1] == "new1"
    assert wide.metadata["chunks"] == [0, 1, 2]


def test_of_two_hits_at_one_place_the_best_is_kept() -> None:
    best, other = hit("a", 1), chunk("a", 1, "other", score=0.1).model_copy(update={"id": "z"})

    (wide,) = with_neighbours(pages(a=3), [best, other], 1)

    assert wide.page_content == "a0\na1\na2"
    assert wide.id == "a1"


def test_a_hit_that_left_the_store_meanwhile_is_still_given() -> None:
    assert [d.page_content for d in with_neighbours(Shelf(), [hit("a", 4)], 1)] == ["a4"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20)), unique=True, max_size=8), st.integers(1, 4))
def test_every_chunk_near_a_hit_is_given_once(places: list[tuple[str, int]], n: int) -> None:
    shelf = pages(a=21, b=21)

    found = with_neighbours(shelf, [hit(*place) for place in places], n)

    given_: list[str] = [line for document in found for line in document.page_content.split("\n")]
    near = {f"{source}{at}" for source, hit_at in places for at in range(max(0, hit_at - n), min(20, hit_at + n) + 1)}
    assert sorted(given_) == sorted(near)
    for document in found:
        assert document.metadata["chunks"] == sorted(document.metadata["chunks"])


def test_the_filter_is_one_that_stores_understand() -> None:
    sent: list[dict[str, Any]] = []

    class Remembering(Shelf):
        def search_by_metadata(
            self, expr: Any, fields: list[str] | None = None, limit: int = 10, *, roots: bool = False
        ) -> list[Document]:
            sent.append(expr)
            return super().search_by_metadata(expr, fields, limit, roots=roots)

    with_neighbours(Remembering(*pages(a=5).documents), [hit("a", 2)], 1)

    assert sent == [{"source": "a", "chunk": {"$gte": 1, "$lte": 3}}]


class TestFilesOfOneName:
    """In two folders, as README.md; each goes on in its own."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[MilvusStore]:
        topics = {"cats": ("purr", "sleep", "eat"), "rockets": ("launch", "burn fuel", "land", "fly")}
        with open_store(tmp_path / "namesakes.db") as store:
            for topic, verbs in topics.items():
                (tmp_path / topic).mkdir()
                sections = ["# Both\n\nshared by all\n", *(f"# {verb}\n\n{topic} {verb}\n" for verb in verbs)]
                (tmp_path / topic / "README.md").write_text("\n".join(sections))
                sync(MarkdownLoader(tmp_path / topic), MarkdownSplitter(title=False), store)
            yield store

    @pytest.mark.parametrize(
        ("question", "lines"),
        [
            ("cats purr", ["shared by all", "cats purr", "cats sleep"]),
            ("rockets burn fuel", ["rockets launch", "rockets burn fuel", "rockets land"]),
            ("cats sleep", ["cats purr", "cats sleep", "cats eat"]),
            ("cats eat", ["cats sleep", "cats eat"]),
            ("rockets fly", ["rockets land", "rockets fly"]),
        ],
    )
    def test_have_neighbours_of_their_own(self, store: MilvusStore, question: str, lines: list[str]) -> None:
        (wide,) = milvus_retriever(store, k=1, expand=1).invoke(question)

        assert wide.page_content.split("\n")[2::3] == lines
        assert len(wide.metadata["chunks"]) == len(lines)
        assert not any(key.startswith("$") for key in wide.metadata)

    def test_are_two_passages(self, store: MilvusStore) -> None:
        found = milvus_retriever(store, k=2, expand=1).invoke("sleep launch")

        assert sorted(document.page_content.split("\n")[2] for document in found) == ["cats purr", "shared by all"]

    def test_share_a_passage_which_is_put_with_that_of_another_hit(self, store: MilvusStore) -> None:
        for question, topic in (("shared launch", "rockets"), ("shared purr", "cats")):
            (wide,) = milvus_retriever(store, k=2, expand=1).invoke(question)

            assert wide.page_content.split("\n")[2] == "shared by all"
            assert all(line.startswith(topic) for line in wide.page_content.split("\n")[5::3])

    def test_are_read_by_one_query(self, store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        find = CollectionRows.find

        def counted(rows: CollectionRows, expression: str, *rest: Any) -> Any:
            asked.append(expression)
            return find(rows, expression, *rest)

        monkeypatch.setattr(CollectionRows, "find", counted)
        milvus_retriever(store, k=1, expand=0).invoke("cats sleep")
        assert asked == []
        milvus_retriever(store, k=1, expand=1).invoke("cats sleep")
        assert len(asked) == 1


class TestFilters:
    """Who may see a part of a page does not get the rest of it with a neighbour."""

    @pytest.mark.parametrize(
        "filter",
        [
            {"headings": {"$exists": True}, "start_line": {"$lt": 10}},
            "start_line < 10",
            {"$or": [{"start_line": 5}, {"start_line": 9}]},
            'start_line == 5 or start_line == 9 or source == "none"',
        ],
    )
    def test_neighbours_are_those_that_the_filter_matches(self, handbook: MilvusStore, filter: Any) -> None:
        retriever = milvus_retriever(handbook, k=1, expand=2)
        question = "run restore_collection with the name of the copy"

        (free,) = retriever.invoke(question)
        (bound,) = retriever.invoke(question, filter=filter)

        assert free.metadata["chunks"] == [0, 1, 2]
        assert "E1042" in free.page_content
        assert bound.metadata["chunks"] == [0, 1]
        assert "E1042" not in bound.page_content

    async def test_async_too(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, k=1, expand=2, filter={"start_line": {"$lt": 10}})

        (bound,) = await retriever.ainvoke("run restore_collection with the name of the copy")

        assert bound.metadata["chunks"] == [0, 1]

    def test_an_empty_filter_is_none(self, handbook: MilvusStore) -> None:
        (free,) = milvus_retriever(handbook, k=1, expand=2).invoke("restore_collection", filter={})

        assert free.metadata["chunks"] == [0, 1, 2]


def test_data_that_was_left_out_between_two_chunks_is_so_in_what_they_make() -> None:
    data = "iVBORw0KGgoAAAANSUhEUg" * 100
    cut = MarkdownSplitter().create_documents(
        [f"# Tower\n\nIt is tall.\n\n![View](data:image/png;base64,{data})\n\nBells ring."], [{"source": "a"}]
    )
    for at, document in enumerate(cut):
        document.id, document.metadata["chunk"] = str(at), at
    (merged,) = with_neighbours(Shelf(*cut), cut[:1], 1)
    assert merged.page_content == "Tower\n\nIt is tall.\n\n![View](data:image/png;base64,…)\n\nBells ring."


@pytest.mark.parametrize("size", [60, 100, 300])
def test_what_chunks_of_another_splitter_share_is_said_once(size: int) -> None:
    """Of whichever size: the neighbourhood is the source's own text again."""
    text = " ".join(f"word{n} follows word{n - 1}, number {n * n}." for n in range(40))
    cut = RecursiveCharacterTextSplitter(chunk_size=size, chunk_overlap=40).split_text(text)
    assert sum(map(len, cut)) > len(text) + 40
    shelf = Shelf(*(chunk("a", at, piece) for at, piece in enumerate(cut)))
    (passage,) = with_neighbours(shelf, [shelf.documents[0]], len(cut))
    assert " ".join(passage.page_content.split()) == text


def test_what_only_seems_to_be_shared_stays() -> None:
    shelf = Shelf(chunk("a", 0, "One and two"), chunk("a", 1, "two and three"), chunk("a", 2, "four"))
    (passage,) = with_neighbours(shelf, [shelf.documents[0]], 2)
    assert passage.page_content == "One and two\ntwo and three\nfour"
