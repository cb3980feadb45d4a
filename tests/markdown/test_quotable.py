"""The pieces that Markdown is quoted in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.markdown.quotable import quotables
from milvus_rag.markdown.sentences import sentences


def _texts(markdown: str, headings: tuple[str, ...] = ()) -> list[str]:
    return [piece.text for piece in quotables(markdown, headings) if not piece.is_heading]


@pytest.mark.parametrize(
    ("paragraph", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Use e.g. Docker. Then go on.", ["Use e.g. Docker.", "Then go on."]),
        ("Since v2.4. and later it works.", ["Since v2.4. and later it works."]),
        ("See `a. B` first. Then **b.** Go.", ["See `a. B` first.", "Then **b.**", "Go."]),
        ("Soft\nwrapped. Next", ["Soft\nwrapped.", "Next"]),
        (
            "데이터는 저장됩니다. 메타데이터는 etcd에 있습니다.",
            ["데이터는 저장됩니다.", "메타데이터는 etcd에 있습니다."],
        ),
        ("数据存储在对象存储中。元数据在etcd。", ["数据存储在对象存储中。", "元数据在etcd。"]),
        ("Wait... What?", ["Wait...", "What?"]),
        ("(Really.) Yes.", ["(Really.)", "Yes."]),
    ],
)
def test_paragraphs_are_cut_between_sentences(paragraph: str, expected: list[str]) -> None:
    assert sentences(paragraph) == expected


def test_a_code_block_is_one_piece_with_its_fences() -> None:
    code = '```json\n{\n  "a": 1.\n\n}\n```'
    assert _texts(f"Do this. Like so:\n{code}\nDone.") == ["Do this.", "Like so:", code, "Done."]


def test_a_code_block_that_is_never_closed_runs_to_the_end() -> None:
    assert _texts("~~~\n# no heading\n\n- no item") == ["~~~\n# no heading\n\n- no item"]


def test_a_list_item_is_one_piece_with_what_is_nested_in_it() -> None:
    items = ["- One. And more.\n  - nested\n\n    ```\n    code\n    ```", "- Two\nlazily continued", "- Three"]
    assert _texts("Intro:\n\n" + "\n".join(items) + "\n\nAfter.") == ["Intro:", *items, "After."]


def test_a_very_long_list_item_is_cut_into_its_own_pieces() -> None:
    code = "  ```\n" + "  x = 1\n" * 100 + "  ```"
    assert _texts(f"1. First do this:\n\n{code}\n\n2. Then that.") == ["1. First do this:", code, "2. Then that."]


def test_a_table_row_is_one_piece_and_knows_its_header() -> None:
    pieces = quotables("| a | b |\n|---|---|\n| 1. x | 2 |\n| 3 | 4 |\n\nAfter.")

    assert [(piece.text, piece.table_head) for piece in pieces] == [
        ("| 1. x | 2 |", "| a | b |\n|---|---|"),
        ("| 3 | 4 |", "| a | b |\n|---|---|"),
        ("After.", ""),
    ]


@pytest.mark.parametrize(
    "quiet",
    [
        "---\nid: a.md\ntitle: A\n---",
        "<!-- TOC\n- [x](y)\n-->",
        '<div class="alert note">',
        "![A picture](a.png)",
        "***\n---",
        "{{fragments/cpu.md}}",
    ],
)
def test_what_says_nothing_is_no_piece(quiet: str) -> None:
    assert _texts(f"{quiet}\n\nText.") == ["Text."]


@pytest.mark.parametrize(
    ("markdown", "heading"),
    [
        ("## Storage ##\nText.", "Storage"),
        ("## Storage {#anchor}\nText.", "Storage"),
        ("Storage\n-------\nText.", "Storage"),
        (" Where is it?\n\nText.\n\n###", "Where is it?"),
    ],
)
def test_pieces_know_the_heading_above_them(markdown: str, heading: str) -> None:
    (piece,) = [piece for piece in quotables(markdown) if not piece.is_heading]
    assert (piece.text, piece.headings) == ("Text.", (heading,))


def test_joined_chunks_of_the_tutorials_splitter_are_told_apart() -> None:
    """`split("# ")` leaves the marks of the next heading at a chunk's end."""
    chunks = [" Where is data?\n\nIn storage.\n\n###", " Is it safe?\n\nYes.\n\n###"]

    pieces = [(piece.text, piece.headings) for piece in quotables("\n".join(chunks)) if not piece.is_heading]

    assert pieces == [("In storage.", ("Where is data?",)), ("Yes.", ("Is it safe?",))]


@pytest.mark.parametrize("line", ["Milvus FAQ > Storage.", "Title > Milvus FAQ > Storage.", "Storage.", "# Storage."])
def test_headings_that_are_known_and_repeated_in_the_text_are_not_quoted(line: str) -> None:
    pieces = quotables(f"{line}\n\nText.", ("Milvus FAQ", "Storage."))
    assert [(piece.text, piece.headings) for piece in pieces if not piece.is_heading] == [
        ("Text.", ("Milvus FAQ", "Storage."))
    ]


def test_a_single_line_is_text_and_not_a_heading() -> None:
    assert _texts("Milvus stores data in object storage") == ["Milvus stores data in object storage"]


_LINES = st.lists(
    st.sampled_from(
        ["# H", "###", "text. More", "- item", "  nested", "", "```", "~~~~", "| a | b |", "|---|---|", "---", "<b>",
         "<!-- c", "-->", "1. one", "    deep", "title: x", "。终。了", "==="]
    ),
    max_size=30,
)  # fmt: skip


@given(_LINES)
def test_every_piece_stands_in_the_text_to_the_character_and_in_order(lines: list[str]) -> None:
    text, at = "\n".join(lines), 0
    for piece in quotables(text):
        at = text.index(piece.text, at) + len(piece.text)
        assert piece.table_head in text


@pytest.mark.parametrize(
    "unit",
    [
        " ", "\t", "#", "# a ", "# a\n", "# a {#", "a|b\n|-", "|-", "|-\n", "a\n|-|\n", "- a\n", "- ", "1. ", "* ",
        "<a ", "<a>", "<!-- a\n", "![", "{{", "`", "`a. B` ", "a. B ", "。", ".' ", "```\n", "- a\n  ```\n", "a\n\n",
        "a\n===\n", "---\na: b\n", "- " + "word " * 200 + "\n  - a\n", "\n", "|\n", "e.g. ", "### \nx\n\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "# a", "a | b\n", "- a\n\n  "])
@pytest.mark.huge
def test_hostile_text_takes_linear_time(before: str, unit: str) -> None:
    """100,000 characters each: were anything quadratic, this would take many minutes, and with three, days."""
    text = before + unit * (100_000 // len(unit)) + "b\n\nText |"
    assert sum(len(piece.text) for piece in quotables(text)) <= len(text)


def test_only_the_closing_marks_of_a_heading_and_its_anchor_are_left_out() -> None:
    lines = ["# a  b", "## Storage ##", "### Keys {#keys}  ", "# Sets {1} {#sets}", "# {x} is {y}"]
    assert [piece.text for piece in quotables("\n".join(lines)) if piece.is_heading] == [
        "a  b",
        "Storage",
        "Keys",
        "Sets {1}",
        "{x} is {y}",
    ]


@pytest.mark.parametrize("ruler", ["|---|---|", "--|:-:", " | :--- | ---: | ", "|-|"])
def test_a_table_is_known_by_its_ruler(ruler: str) -> None:
    assert [piece.table_head for piece in quotables(f"| a | b |\n{ruler}\n| c | d |")] == [f"| a | b |\n{ruler}"]


@pytest.mark.parametrize("line", ["| --- | - - |", "| | |", "|---|a|", "||"])
def test_other_lines_with_bars_are_no_ruler(line: str) -> None:
    assert not any(piece.table_head for piece in quotables(f"| a | b |\n{line}\n| c | d |"))
