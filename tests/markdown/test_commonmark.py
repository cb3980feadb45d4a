"""The block reader against a CommonMark parser, line by line."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from milvus_rag.markdown.block import Kind
from milvus_rag.markdown.blocks import scan_blocks
from milvus_rag.markdown.plain_text import plain_text
from milvus_rag.markdown.quotable import quotables

_NAMES = {
    "fence": "code", "code_block": "code", "html_block": "html", "table_open": "table", "hr": "rule",
    "heading_open": "heading",
}  # fmt: skip
_KINDS = {
    Kind.FENCE: "code", Kind.CODE: "code", Kind.COMMENT: "html", Kind.PREFORMATTED: "html", Kind.TABLE: "table",
    Kind.RULE: "rule", Kind.HEADING: "heading", Kind.TEXT: "text",
}  # fmt: skip


def _by_line(text: str, spans: list[tuple[int, int, str]]) -> list[str]:
    lines = text.split("\n")
    names = ["text"] * len(lines)
    for start, end, name in spans:
        names[start:end] = [name] * len(names[start:end])
    return [name if line.strip("> ") else "" for name, line in zip(names, lines, strict=True)]


def oracle(text: str) -> list[str]:
    """What each line is to markdown-it. A heading inside of a list or a quote is text to the project."""
    spans = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        name = _NAMES.get(token.type)
        if name and token.map:
            spans.append((token.map[0], token.map[1], "text" if name == "heading" and token.level else name))
    return _by_line(text, spans)


def ours(text: str) -> list[str]:
    """What each line is to the project."""
    return _by_line(text, [(block.start, block.end, _KINDS[block.kind]) for block in scan_blocks(text.split("\n"))])


_PARAGRAPHS = [
    "text",
    "more **bold** text",
    "",
    "",
    "",
    "    four",
    "     five",
    "      six",
    "  two",
    "\tby a tab",
    "\\# e",
]
_HEADINGS = ["# H", "## H ##", "#no", "####### seven", "===", "---", "* * *", "***"]
# No item without text: what may follow one is read by markdown-it in ways of its own.
_ITEMS = ["- item", "* star", "1. one", "2. two", "10) ten", "  - nested", "   - three", "    - four", "-   wide",
          "- - two", "1. - x", "-     code", "- ---", "-\ttab", "\t- x"]  # fmt: skip
_FENCES = ["```", "```py", "~~~", "````", "  ```", "   ~~~", "``` a`b", "```x``` y", "`````"]
_QUOTES = ["> quote", "> # q", "> ```", "> - item", ">     code", ">"]
_TABLES = ["\n| a | b |\n|---|:-:|\n| 1 | 2 |\n", "\na | b\n--- | ---\n1 | 2\n", "|---|", "a | b"]
_HTML = ["\n<!-- c -->", "\n<!--\n# hidden\n\n```\n-->\n", "\n<pre>\n# x\n\n    y\n</pre>\n"]


def _texts(*pools: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([line for pool in pools for line in pool]), max_size=12).map("\n".join)


@settings(deadline=None, max_examples=400)
@given(_texts(_PARAGRAPHS, _HEADINGS, _ITEMS))
def test_lists_are_those_of_commonmark(text: str) -> None:
    assert ours(text) == oracle(text)


@settings(deadline=None, max_examples=400)
@given(_texts(_PARAGRAPHS, _HEADINGS, _FENCES, ["> quote", "> ```", ">     code", ">"]))
def test_fences_and_quotes_are_those_of_commonmark(text: str) -> None:
    assert ours(text) == oracle(text)


@settings(deadline=None, max_examples=400)
@given(_texts(_PARAGRAPHS, _HEADINGS, _FENCES, _TABLES[:2], _HTML))
def test_tables_and_comments_are_those_of_commonmark(text: str) -> None:
    assert ours(text) == oracle(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Each is a deviation that the reader's docstring names, with what CommonMark has instead.
        ("- item\n\n      ```\n\n      # x\n      ```", ["text", "", "code", "", "code", "code"]),
        ("text\n        ```\n# code\n```", ["text", "code", "code", "code"]),
        ("- item\n\n  ```\nforgotten\n  ```", ["text", "", "code", "code", "code"]),
        ("<div>\n# heading\n</div>", ["text", "heading", "text"]),
        ("text <!-- begins\n\n# hidden\n-->", ["text", "", "text", "text"]),
        ("| a |\n|---|\nno row", ["table", "table", "text"]),
        ("| a | b |\n|---|\n| c | d |", ["table", "table", "table"]),
        ("- item\nlazy\n===", ["text", "text", "text"]),
        ("- item\n  ===", ["text", "text"]),
        ("> # q", ["text"]),
        ("- # h", ["text"]),
        ("\n    <td>", ["", "text"]),
    ],
)
def test_what_deviates_is_this(text: str, expected: list[str]) -> None:
    assert ours(text) == expected


@pytest.mark.parametrize(
    "hidden",
    [
        "```\n{}\n```", "~~~ x\n{}\n~~~~", "- item\n\n  ```\n  {}\n  ```", "text\n\n    {}", "> ```\n> {}\n> ```",
        "1. one\n\n       {}", "- - ```\n    {}\n    ```", "-     {}", "\t{}",
    ],
)  # fmt: skip
def test_a_line_of_code_is_code_to_all_three(hidden: str) -> None:
    line = "# **not** [a](b.md) | heading. Not. Two"
    text = hidden.format(line)
    at = next(n for n, found in enumerate(text.split("\n")) if line in found)

    assert ours(text)[at] == oracle(text)[at] == "code"
    assert line in plain_text(text)
    assert any(line in piece.text and not piece.is_heading for piece in quotables(text))


@pytest.mark.parametrize(
    "shown",
    [
        "{}",
        "- {}",
        "```x``` is\n{}",
        "``` a`b\n{}",
        "- item\n\n  {}",
        "1. one\n\n   {}",
        "> {}",
        "- a\n\n      x\n\n  {}",
    ],
)
def test_a_line_of_prose_is_prose_to_all_three(shown: str) -> None:
    text = shown.format("The **port** is [19530](ports.md). See")

    assert ours(text)[-1] == oracle(text)[-1] == "text"
    assert plain_text(text).endswith("The port is 19530. See")
    if not shown.startswith(("-", "1.")):
        assert quotables(text)[-1].text == "See"


@pytest.mark.parametrize("line", ["#define PORT", "####### seven", "    # code", "#hashtag"])
def test_what_is_no_heading_is_none_to_quoting_either(line: str) -> None:
    assert not any(piece.is_heading for piece in quotables(f"{line}\n\nText."))


@pytest.mark.parametrize(
    "unit", ["> ", "- ", "> - ", "- > ", "1. ", "- x\n  ", "> a\n", "> ```\n", "-\n", "- - -\tx", "\u2022 "]
)
@pytest.mark.huge
def test_hostile_nesting_takes_linear_time(unit: str) -> None:
    """200,000 characters each: were anything quadratic, this would take many minutes."""
    text = unit * (200_000 // len(unit)) + "x"
    assert list(scan_blocks(text.split("\n")))[-1].end == text.count("\n") + 1
