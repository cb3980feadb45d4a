"""What a page is called, where its front matter ends, and where a fence that nobody closed does."""

import pytest

from milvus_rag import MarkdownSplitter
from milvus_rag.markdown.block import Kind
from milvus_rag.markdown.blocks import scan_blocks
from milvus_rag.markdown.front_matter import described_by, front_matter_fields, front_matter_length
from milvus_rag.markdown.heading_text import heading_text
from milvus_rag.markdown.page import page_title, read_page


@pytest.mark.parametrize(
    ("text", "name", "title"),
    [
        ("---\ntitle: Of YAML\n---\n# Heading", "a.md", "Of YAML"),
        ('+++\ntitle = "Of TOML"\n[params]\nx = 1\n+++\n# Heading', "a.md", "Of TOML"),
        ('{\n  "title": "Of JSON"\n}\n\n# Heading', "a.md", "Of JSON"),
        ("Before.\n\n# One\n\n## Two\n", "a.md", "One"),
        ("Title\n=====\n\n## Two\n", "a.md", "Title"),
        ("```sh\n# no heading\n```\n\n# One\n", "a.md", "One"),
        ("# Monday\n\n# Tuesday\n", "diary/week 3.md", "week 3"),
        ("## Two\n\n# One\n", "notes.md", "notes"),
        ("Text alone.", "guides/index.md", "guides"),
        ("Text alone.", "guides/README.md", "guides"),
        ("Text alone.", "content/posts/_index.md", "posts"),
        ("Text alone.", "README.md", "README"),
        ("> # Quoted\n", "a.b.md", "a.b"),
        ("", "empty.md", "empty"),
    ],
)
def test_a_page_is_called_as_it_says_or_as_its_file(text: str, name: str, title: str) -> None:
    assert page_title(read_page(text), name) == title


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("+++\nweight = 3\n+++\ntext", 3),
        ("+++\n# comment\n[menu]\nx = 1\n+++", 5),
        ("+++\nSome text.\n+++", 0),
        ("+++\nweight = 3", 0),
        ('{\n"a": 1\n}\ntext', 3),
        ('{\n"a": 1,\n}\ntext', 0),
        ("{\ncode\n}", 0),
        ('{ "a": 1 }\ntext', 0),
    ],
)
def test_front_matter_of_other_syntaxes_ends_at_its_mark(text: str, length: int) -> None:
    assert front_matter_length(text.split("\n")) == length


def test_fields_of_toml_and_json_are_those_of_yaml() -> None:
    toml = '+++\ntitle = "T"\ndate = 2026-01-02\ntags = ["a", "b"]\nn = 3\n[params]\nx = 1\n+++'
    json = '{\n"title": "T", "date": "2026-01-02", "tags": ["a", "b"], "n": 3, "params": {"x": 1}\n}'
    yaml = "---\ntitle: T\ndate: 2026-01-02\ntags: [a, b]\nn: 3\nparams: {x: 1}\n---"
    expected = {"title": "T", "date": "2026-01-02", "tags": ["a", "b"], "n": 3}
    for text in (toml, json, yaml):
        assert front_matter_fields(text.split("\n")) == expected


def test_what_front_matter_says_of_a_page_is_told_line_by_line() -> None:
    fields = {"summary": "How  much.", "tags": ["a", 2, ""], "aliases": "old name", "weight": 3, "description": ["x"]}
    assert described_by(fields) == ["description: x", "How much.", "tags: a, 2", "aliases: old name"]


def test_a_page_of_front_matter_only_is_a_chunk() -> None:
    (chunk,) = MarkdownSplitter().create_documents(["---\ntitle: Bells\ndescription: Who rings.\nid: 3\n---\n"])
    assert chunk.page_content == "Bells\n\nWho rings."
    assert (chunk.metadata["start_line"], chunk.metadata["end_line"]) == (1, 5)
    assert MarkdownSplitter().create_documents(["---\nid: 3\n---\n"]) == []


def test_what_front_matter_says_stands_before_the_first_chunk_alone_unless_that_says_it() -> None:
    text = "---\ntitle: Bells\ndescription: Who rings.\ntags: [tower]\n---\n\nBy rope. {}\n\n## Times\n\nAt noon.\n"
    first, second = MarkdownSplitter().create_documents([text.format("")])
    assert first.page_content == "Bells\n\nWho rings.\n\ntags: tower\n\nBy rope. "
    assert first.page_content[first.metadata["body_start"] :] == "By rope. "
    assert second.page_content == "Bells > Times\n\nAt noon."
    first, _ = MarkdownSplitter().create_documents([text.format("Who rings.")])
    assert first.page_content == "Bells\n\ntags: tower\n\nBy rope. Who rings."


@pytest.mark.parametrize(
    ("marked", "text"),
    [
        ("Rope { hidden }", "Rope"),
        ('Rope { data-toc-label="x" #id }', "Rope"),
        ("Rope {#id .cls}", "Rope"),
        ("Rope {: #id }", "Rope"),
        ("GET /bells/{id}", "GET /bells/{id}"),
        ("A set { 1, 2 }", "A set { 1, 2 }"),
        ("Rope ^block-1", "Rope"),
        ("2^10 bells", "2^10 bells"),
        ("`ring()` **now** and _then_", "ring() now and then"),
        ("`__init__` and snake_case_name", "__init__ and snake_case_name"),
        (r"\*not\* *this*", "*not* this"),
        ("[[Daily notes|Today]] and [[Bells]]", "Today and Bells"),
        ("{{< new-in 0.2 >}} Rope", "Rope"),
        (":material-bell: Rope", "Rope"),
        ("==Rope== ~~bell~~", "Rope bell"),
        ("a * b * c", "a * b * c"),
    ],
)
def test_a_heading_is_free_of_markup(marked: str, text: str) -> None:
    assert heading_text(marked) == text


@pytest.mark.parametrize(
    ("page", "headings"),
    [
        ("# A\n\n```\ncode\n\n## B\n\ntext\n\n## C\n", ["A", "B", "C"]),
        ("# A\n\n```sh\ncode\n\n## B\n\n```sh\nmore\n```\n\n## C\n", ["A", "B", "C"]),
        ("```py\nx\n\n# comment\ny = 1\n", []),
        ("```py\nx\n\n# Heading\n\nText.\n", ["Heading"]),
        ("```\n## in code\n```\n\n## B\n", ["B"]),
        ("```\n\n## in code\n\n```\n\n## B\n", ["B"]),
        ("````\n\n## in code\n\n```sh\n````\n", []),
        ("```markdown\n\n## in an example\n\n```sh\n", []),
    ],
)
def test_a_fence_that_nobody_closed_hides_no_heading(page: str, headings: list[str]) -> None:
    assert [block.heading for block in read_page(page).blocks if block.kind is Kind.HEADING] == headings


def test_a_piece_of_a_page_may_end_in_the_middle_of_a_fence() -> None:
    piece = ["```", "code", "", "## comment", "", "more"]
    assert [block.kind for block in scan_blocks(piece)] == [Kind.FENCE]


def test_a_page_with_a_title_of_its_own_is_not_scanned_to_be_loaded() -> None:
    page = read_page("---\ntitle: One\n---\n# Two\n")
    assert page_title(page, "a.md") == "One"
    assert "blocks" not in vars(page)
    assert page.leading_heading == "Two"
