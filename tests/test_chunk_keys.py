"""Every key that two parts of the package share is written down once."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.documents import Document

import milvus_rag
from milvus_rag import chunk_keys
from milvus_rag.cli.output import citation
from milvus_rag.server.passages import Passage

SRC = Path(milvus_rag.__file__).parent
KEYS = {value for name, value in vars(chunk_keys).items() if name.endswith("_KEY")}
# The same words where they are no keys of a chunk.
OTHER_MEANINGS = {
    ("chains/citations.py", "source"): "a member of Citation",
    ("chains/citations.py", "headings"): "a member of Citation",
    ("chains/citations.py", "start_line"): "a member of Citation",
    ("chains/citations.py", "end_line"): "a member of Citation",
    ("cli/asking.py", "score"): "a table's column",
    ("cli/asking.py", "source"): "a table's column",
    ("indexing/reading.py", "source"): "an attribute of LoaderError",
    ("client_errors.py", "title"): "an attribute of pydantic's ValidationError",
    ("error_bodies.py", "title"): "a member of RFC 9457",
    ("models/providers/jina.py", "relevance_score"): "a member of Jina's answer",
    ("loaders/conversions.py", "places"): "a member of a converter's answer",
    ("loaders/conversions.py", "title"): "a member of a converter's answer",
    ("loaders/converters/epub.py", "title"): "an element of a book's package",
    ("loaders/converters/pages.py", "source"): "a class of code that is in no language",
    ("loaders/converters/process.py", "places"): "a member of a converter's answer",
    ("loaders/converters/process.py", "title"): "a member of a converter's answer",
    ("loaders/converters/slides.py", "title"): "a kind of placeholder",
    ("loaders/notebooks.py", "source"): "the text of a notebook's cell",
    ("pipeline.py", "chunks"): "a fact of `list`",
    ("server/mcp/arguments.py", "title"): "a member of a JSON schema",
    ("stores/layout.py", "chunk"): "a field of other programs' collections",
}


def typed_again(text: str) -> Iterator[str]:
    """String literals that are a key, and the endings that a search's score and rank have, f-strings included."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        if node.value in KEYS or node.value in {"_score", "_rank"}:
            yield node.value


def test_no_key_is_typed_again() -> None:
    found = {
        (path.relative_to(SRC).as_posix(), literal)
        for path in SRC.rglob("*.py")
        if path.name != "chunk_keys.py"
        for literal in typed_again(path.read_text("utf-8"))
    }
    assert found == OTHER_MEANINGS.keys()


def test_a_key_that_is_typed_again_is_found() -> None:
    """In an index, a call, a comparison, and the end of an f-string; not in a sentence."""
    text = 'a["source"]; b.get("sync_root"); "$roots" == c; d[f"{leg}_score"]; "the source of it"'
    assert set(typed_again(text)) == {"source", "sync_root", "$roots", "_score"}


def test_no_two_keys_are_one() -> None:
    names = [name for name in vars(chunk_keys) if name.endswith("_KEY")]
    assert len(KEYS) == len(names)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({}, []),
        ({"title": "Quota"}, ["Quota"]),
        ({"headings": ["Seats"]}, ["Seats"]),
        ({"title": "Quota", "headings": ["Seats", "Team"]}, ["Quota", "Seats", "Team"]),
        ({"title": "Seats", "headings": ["Seats", "Team"]}, ["Seats", "Team"]),
        ({"title": 5, "headings": "Seats"}, ["5", "Seats"]),
        ({"title": None, "headings": ["", "Seats"]}, ["Seats"]),
        ({"title": "", "headings": {"a": 1}}, []),
    ],
)
def test_a_path_begins_with_the_title_where_no_heading_says_it(metadata: dict[str, object], path: list[str]) -> None:
    assert chunk_keys.path_of(metadata) == path
    assert citation({"source": "a.md", **metadata}) == f"a.md  {' > '.join(path)}".rstrip()
    document = Document("text", metadata={"source": "a.md", **metadata})
    assert Passage.of(1, document).citation == ": ".join(filter(None, ("a.md", " > ".join(path))))
