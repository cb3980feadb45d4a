"""A source is put together from whatever chunks it has, and says where in the original its lines are."""

from langchain_core.documents import Document

from milvus_rag.server.mcp.results import ReadLines
from milvus_rag.server.mcp.source_text import cut_to, source_text


def page(number: int, text: str, **metadata: int) -> Document:
    return Document(text, metadata={"source": "report.pdf", "page": number, **metadata})


PDF = source_text(
    [page(1, "one\ntwo"), page(2, "three", end_page=3), page(2, "three again", end_page=3), page(4, "four")]
)


def test_a_converted_file_says_its_pages() -> None:
    text, _ = cut_to(PDF, start_line=1, end_line=None, max_chars=1000)
    assert "\n".join(text.lines) == "one\ntwo\n\nthree\n\nthree again\n\nfour"
    assert [place for _, place in text.places] == ["page 1", "pages 2-3", "page 4"]


def test_lines_of_it_say_just_theirs() -> None:
    for start, end, places in (
        (2, 2, ["page 1"]),
        (2, 4, ["page 1", "pages 2-3"]),
        (5, 6, ["pages 2-3"]),
        (8, 9, ["page 4"]),
    ):
        text, _ = cut_to(PDF, start_line=start, end_line=end, max_chars=1000)
        assert [place for _, place in text.places] == places, (start, end)


def test_a_model_reads_pages_and_the_numbers_to_go_on_by() -> None:
    told = ReadLines(
        source="report.pdf", start_line=2, end_line=4, has_line_numbers=False, original_places=["page 1"], content="x"
    )
    assert told.text == "report.pdf, page 1, lines 2-4 of the text as it is indexed\n\nx"
    assert ReadLines(source="a.md", start_line=2, end_line=4, content="x").text == "a.md, lines 2-4\n\nx"


def test_several_documents_of_one_name_are_all_there() -> None:
    """A loader may list a source twice: lines of the one must not take the place of the other's."""
    chunks = [
        Document("first", metadata={"start_line": 1, "end_line": 1, "chunk": 0}),
        Document("more of it", metadata={"start_line": 3, "end_line": 3, "chunk": 1}),
        Document("second", metadata={"start_line": 1, "end_line": 1, "chunk": 2}),
    ]
    text = source_text(chunks)
    assert text.lines == ["first", "", "more of it", "", "second"]
    assert not text.is_numbered
    numbered = source_text(chunks[:2])
    assert (numbered.lines, numbered.is_numbered) == (["first", "", "more of it"], True)
