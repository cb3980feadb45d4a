"""Which lines are headings, fences and tables."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from milvus_rag.markdown.blocks import MAX_HEADING, Kind, scan_blocks
from milvus_rag.markdown.heading_text import heading_text
from milvus_rag.markdown.lines import indent_of, is_raw_html
from support.markdown_texts import MARKDOWN, PLAIN_MARKDOWN


def headings(text: str) -> list[tuple[int, str]]:
    return [(block.level, block.heading) for block in scan_blocks(text.split("\n")) if block.kind is Kind.HEADING]


def places(text: str, kind: Kind) -> list[tuple[int, int]]:
    return [(block.start, block.end) for block in scan_blocks(text.split("\n")) if block.kind is kind]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# One", [(1, "One")]),
        ("###### Six", [(6, "Six")]),
        ("####### Seven", []),
        ("#hashtag", []),
        ("#\tTab", [(1, "Tab")]),
        ("   ## Indented", [(2, "Indented")]),
        ("    # code", []),
        ("## Closed ##", [(2, "Closed")]),
        ("## Closed ###   ", [(2, "Closed")]),
        ("# C#", [(1, "C#")]),
        ("# C# #", [(1, "C#")]),
        ("## Anchor {#here}", [(2, "Anchor")]),
        ("## Anchor {: #here .note }", [(2, "Anchor")]),
        ("## Both {#here} ##", [(2, "Both")]),
        ("## A set {1, 2}", [(2, "A set {1, 2}")]),
        (r"# 1\. One \# two", [(1, "1. One # two")]),
        ("## [`load()`](load.md) of ![](x.png)C", [(2, "load() of C")]),
        ('## <a name="x"></a>List<String>', [(2, "List<String>")]),
        ("#", [(1, "")]),
        ("Title\n===", [(1, "Title")]),
        ("Title\n-", [(2, "Title")]),
        ("Two\nlines\n---", [(2, "Two lines")]),
        ("Title\n---\ntext\n---", [(2, "Title"), (2, "text")]),
        ("\n---\n", []),
        ("text\n\n---", []),
        ("- item\n---", []),
        ("- item\nlazy\n---", []),
        ("> quote\n---", []),
        ("<div>\ntext\n---", []),
        ("    code\n---", []),
        ("# One\r\ntext\r\n## Two\r", [(1, "One"), (2, "Two")]),
        ("| a |\n|---|\n| 1 |\n# b | c", [(1, "b | c")]),
        # a page of the Milvus FAQ indents its headings below a list
        ("- [One](#one)\n  - [Two](#two)\n\n  ## Boot issues\n\ntext", [(2, "Boot issues")]),
    ],
)
def test_headings_are_found_and_freed_of_their_marks(text: str, expected: list[tuple[int, str]]) -> None:
    assert headings(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```",
        "~~~ python\n# no\n~~~",
        "````md\n```\n# no\n```\n# no\n````",
        "```\n~~~\n# no\n```",
        "```\n# no\n``` not closed by this\n# no",
        "   ```\n# no\n   ```",
        "- item\n\n    ```\n# no\n    ```",
        "1. item\n\t```sh\n\t# no\n\t```",
        "- ```sh\n  # no\n  ```",
        "1. - ~~~\n     # no\n     ~~~",
        "```\n    ```\n# no\n```",
        "```\n\n# no\n\n## no",
        "<!-- # no -->",
        "<!--\n# no\n\n# no\n-->",
        "text <!-- begins here\n\n# no\n\nends --> here",
        "<!-- a --> <!--\n# no\n-->",
        "<!--\n# no",
        "<pre>\n# no\n\n# no\n</pre>",
        "<!--\n```\n-->\n\n<!--\n# no\n```\n-->",
        "| a |\n|---|\n| # no |",
    ],
)
def test_what_looks_like_a_heading_inside_of_code_and_comments_is_none(text: str) -> None:
    assert headings(text) == []
    assert headings(f"# before\n\n{text}") == [(1, "before")]


@pytest.mark.parametrize(
    "text",
    [
        "```\ncode\n```",
        "   ~~~\n   code\n~~~~~",
        "- item\n\n    ```\ncode forgotten at the margin\n    ```",
        "- ```\n  code\n```",
        # never closed: the item ends and the fence with it
        "- item\n\n  ```\n  code\n\ntext\n",
        "- item\n\n  ```\n  code\n\ntext\n\n```\ncode\n```",
        "``` a`b",
        "use `<!--` for a comment",
        "a comment <!-- that nothing closes",
        "<!-- a -->",
        "<!-->",
        "<!--\n-->",
        "<pre>code</pre>",
    ],
)
def test_a_heading_after_code_or_a_comment_is_found(text: str) -> None:
    assert headings(f"{text}\n# after") == [(1, "after")]


def test_a_fence_and_a_table_are_one_block_each() -> None:
    text = "a\n```\n\nx\n```\nb\n\n| h |\n|---|\n| 1 |\n| 2 |\nc"
    assert places(text, Kind.FENCE) == [(1, 5)]
    assert places(text, Kind.TABLE) == [(7, 11)]
    assert places(text, Kind.TEXT) == [(0, 1), (5, 6), (11, 12)]


def test_a_heading_of_any_length_is_cut_to_what_a_path_can_carry() -> None:
    for length in (MAX_HEADING, MAX_HEADING + 1, 100_000):
        (block,) = scan_blocks(["# " + "x" * length])
        assert block.heading == "x" * MAX_HEADING
        assert block.is_cut == (length > MAX_HEADING)


def test_a_long_paragraph_above_a_rule_is_no_heading() -> None:
    assert headings("word " * 60 + "\n---") == []


def test_heading_text_of_markup_alone_is_kept() -> None:
    assert heading_text(" ![](logo.png) ##") == "![](logo.png)"


@settings(deadline=None)
@given(MARKDOWN)
def test_blocks_cover_every_line_once_but_blank_ones(text: str) -> None:
    lines = text.split("\n")
    last = 0
    for block in scan_blocks(lines):
        assert block.start >= last
        assert block.end > block.start
        assert not "".join(lines[last : block.start]).strip()
        assert lines[block.start].strip()
        last = block.end
    assert not "".join(lines[last:]).strip()


@pytest.mark.parametrize("blank", ["\x0b", "\x0c", "\x1f", "\x85", "\xa0", "\u2003", "\u3000"])
@pytest.mark.parametrize("around", ["{}> a", "- {}> a", "> {}> a", "> a\n{}> a", "text\n {}>"])
def test_a_quote_behind_a_rare_blank_is_read_to_its_end(around: str, blank: str) -> None:
    text = around.format(blank)
    blocks = list(scan_blocks(text.split("\n")))
    assert blocks[-1].quotes == text.split("\n")[-1].count(">")
    assert blocks[-1].end == text.count("\n") + 1


@settings(deadline=None, max_examples=300)
@given(PLAIN_MARKDOWN)
def test_outside_of_lists_headings_and_fences_are_those_of_a_commonmark_parser(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    blocks = list(scan_blocks(text.split("\n")))
    assert [(block.level, block.start) for block in blocks if block.kind is Kind.HEADING] == [
        (int(token.tag[1]), token.map[0])
        for token in tokens
        if token.type == "heading_open" and token.level == 0 and token.map
    ]
    assert [block.start for block in blocks if block.kind is Kind.FENCE] == [
        token.map[0] for token in tokens if token.type == "fence" and token.level == 0 and token.map
    ]


@pytest.mark.parametrize(
    "unit", ["# ", "#", "<!--", "<!-- -->", "<!-->", "{#a}", "{: ", "[a](", "[", "<a ", "\\", "--> <!--"]
)
@pytest.mark.huge
def test_hostile_headings_take_linear_time(unit: str) -> None:
    """200,000 characters each: were anything quadratic, this would take many minutes."""
    text = "a " + unit * (200_000 // len(unit))
    assert heading_text(text).startswith("a")


@given(st.text(" \t", max_size=9))
def test_an_indent_is_counted_in_columns(blanks: str) -> None:
    assert indent_of(f"{blanks}x\t ") == len(blanks.expandtabs(4))


@pytest.mark.parametrize("name", ["pre", "SCRIPT", "Style", "textarea", "\u017fcript", "tExtarea"])
@pytest.mark.parametrize("rest", ["", ">", " class='a'>"])
def test_html_whose_text_is_no_markdown_is_known_in_upper_and_lower_case(name: str, rest: str) -> None:
    assert is_raw_html(f"<{name}{rest}")
    assert not is_raw_html(f"<{name}x{rest}")


@pytest.mark.parametrize("line", ["code", "a ` b ~ c", "# heading", "```x", "", "\t", "- ~~~"])
@pytest.mark.parametrize("margin", ["", "    "])
def test_a_fence_goes_on_behind_every_line_that_closes_none(line: str, margin: str) -> None:
    lines = [*(["1.  a", ""] if margin else []), *(f"{margin}{part}" for part in ("```", line, "more", "```")), "after"]
    (fence,) = (block for block in scan_blocks(lines) if block.kind is Kind.FENCE)
    assert (fence.end - fence.start, fence.is_closed) == (4, True)
