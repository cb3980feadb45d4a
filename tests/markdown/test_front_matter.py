"""Front matter: where it ends and what of it is read."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter
from milvus_rag.markdown import front_matter
from milvus_rag.markdown.front_matter import MAX_CHARACTERS, front_matter_fields, front_matter_length


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("---\ntitle: x\n---\ntext", 3),
        ("---\ntitle: x\n...\ntext", 3),
        ("---  \r\ntitle: x\r\n---\r\ntext", 3),
        ("\ufeff---\ntitle: x\n---", 3),
        ('---\n# a comment\n\n"quoted key": x\nlist:\n  - a\n---\n', 7),
        ("---\n---\ntext", 2),
        ("---\nbroken: [\n---", 3),
        ("---\n{title: x}\n---", 3),
        ("", 0),
        ("text\n---\ntitle: x\n---", 0),
        ("----\ntitle: x\n----", 0),
        ("---\ntitle: x", 0),
        # thematic breaks around text
        ("---\nSome text.\n\n---\nmore", 0),
        ("---\n# A heading\n---", 0),
        ("---\n- item\n---", 0),
        ("---\n" + "a: b\n" * (MAX_CHARACTERS // 4 + 1) + "---", 0),
    ],
)
def test_front_matter_ends_at_its_second_marker(text: str, length: int) -> None:
    assert front_matter_length(text.split("\n")) == length


def fields(yaml: str) -> dict[str, object]:
    return dict(front_matter_fields(f"---\n{yaml}\n---\ntext".split("\n")))


def test_simple_fields_are_read_and_others_left_out() -> None:
    yaml = """
title: Operational FAQ
order: 3
ratio: 0.5
draft: false
date: 2024-07-08
at: 2024-07-08 10:20:30
tags: [a, 1, {b: c}, null, 2024-01-02]
nothing:
nested: {a: b}
endless: .inf
huge: 123456789012345678901234567890
half: "\\ud800"
7: number
"""
    assert fields(yaml) == {
        "title": "Operational FAQ",
        "order": 3,
        "ratio": 0.5,
        "draft": False,
        "date": "2024-07-08",
        "at": "2024-07-08T10:20:30",
        "tags": ["a", 1, "2024-01-02"],
        "huge": "123456789012345678901234567890",
        "half": "?",
    }


@pytest.mark.parametrize(
    "yaml",
    [
        '"only: a string"',
        "a: [",
        "a: !!python/object/apply:os.system ['true']",
        "a: 0x" + "f" * 10_000,
        "a: " + "9" * 10_000,
        "a: " + "[" * 6_000,
        "a: " + "- " * 6_000,
        "a: \x00",
    ],
)
def test_what_is_not_valid_or_not_harmless_has_no_fields(yaml: str) -> None:
    assert fields(yaml) == {}


@pytest.mark.parametrize(
    ("yaml", "read"),
    [
        ("title: Fix: the pump\ntags: [a, b]", {"title": "Fix: the pump", "tags": ["a", "b"]}),
        (
            "title: Fix: the pump\ndescription: |\n  Two\n  lines.\n",
            {"title": "Fix: the pump", "description": "Two\nlines.\n"},
        ),
        ("title: @home\nbroken: [\ntags:\n  - a\n  - b", {"title": "@home", "tags": ["a", "b"]}),
        (
            "title: 100% sure: yes\ndraft: false\nold: &x [1]\nnew: *x",
            {"title": "100% sure: yes", "draft": False, "old": [1]},
        ),
        ("title: a: b\n  c: d\nsummary: Fine.", {"summary": "Fine."}),
        ("date: 2024-99-99\ntitle: T", {"date": "2024-99-99", "title": "T"}),
        ("broken: [a,\n  b\ntitle: T", {"title": "T"}),
        ("title: Q: why?  \r\ntags: a\r", {"title": "Q: why?", "tags": "a"}),
    ],
)
def test_one_broken_field_spoils_no_other(yaml: str, read: dict[str, object]) -> None:
    assert fields(yaml) == read


@settings(deadline=None)
@given(st.text("abc:-[]{}&*!|>'\"%@`#?, \n\t0123456789.eE_+~<=", max_size=80))
def test_no_front_matter_fails(yaml: str) -> None:
    for value in front_matter_fields(f"---\na: b\n{yaml}\n---".split("\n")).values():
        assert isinstance(value, str | int | float | bool | list)


_PIECES = st.sampled_from(
    ["a: b", "k:", "  - 1", "- 2", "[a, b]", "{c: d}", '"q: r"', "'s'", "# c", "|", "  text", ">", "? x", ": y", "\t",
     "é", "\u2028", "\x85", "\x7f", "\x00", "...", "%YAML 1.1", "!!str 3", "&a b", "*a", "\\", "2024-01-02", "1:20",
     "0x1F", "null", "~", "yes", "@x", "`y`", "\ufeff", "\U0001f600", "<<: {a: 1}", "=", "012", "1_000", ".5",
     "- - - a"]
)  # fmt: skip


@given(lines=st.lists(st.lists(_PIECES, min_size=1, max_size=3).map(" ".join), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_both_loaders_read_the_same(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """The one in C is not in every build of PyYAML, and what is read of a file must be the same everywhere."""
    yaml = "k0: v\n" + "\n".join(lines)
    quickly = fields(yaml)
    with monkeypatch.context() as patch:
        patch.setattr(front_matter, "_SHALLOW", 0)
        assert fields(yaml) == quickly


@pytest.mark.parametrize("opener", ["[", "{a: ", "- ", "? ", "a:\n "])
@pytest.mark.huge
def test_deep_nesting_is_no_harm(opener: str) -> None:
    assert fields("a: " + opener * (MAX_CHARACTERS // len(opener) - 100) + "b") == {}


@pytest.mark.parametrize(
    ("field", "title"),
    [("Tea", "Tea"), ("2024", "2024"), ("1.5", "1.5"), ("[a, b]", "Heading"), ("{a: b}", "Heading"), ("''", "Heading")],
)
def test_a_title_is_one_word_or_number(tmp_path: Path, field: str, title: str) -> None:
    """Anything else is none, and the first heading is the page's title."""
    (tmp_path / "a.md").write_text(f"---\ntitle: {field}\n---\n# Heading\n\ntext\n")
    (page,) = MarkdownLoader(tmp_path).load()
    assert page.metadata["title"] == title
    headings = "Heading" if title == "Heading" else f"{title} > Heading"
    for document in (page, Document(page.page_content), Document(page.page_content, metadata={"title": ["a", "b"]})):
        assert MarkdownSplitter().split_documents([document])[0].page_content == f"{headings}\n\ntext"
