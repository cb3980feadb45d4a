"""Markup goes, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.markdown.plain_text import plain_text, reading_version


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        ("See [the limits](limits.md).", "See the limits."),
        ('See [the limits](../limits.md#top "a title").', "See the limits."),
        ("[![CI](ci.svg)](https://ci.example/run)", "CI"),
        ("![A drawing of layers](../assets/layers.png)", "A drawing of layers"),
        ("[docs](https://en.wikipedia.org/wiki/Milvus_(bird))", "docs"),
        ("Set **etcd.rootPath** to `by-dev`.", "Set etcd.rootPath to by-dev."),
        ("a &lt; b &amp; c", "a < b & c"),
        ("before<!-- hidden\nlines -->after", "beforeafter"),
        ("an <!-- that never ends", "an <!-- that never ends"),
    ],
)
def test_inline_markup_goes(markdown: str, plain: str) -> None:
    assert plain_text(markdown) == plain


def test_html_tags_go_and_what_they_hold_stays() -> None:
    row = '<tr><td width="80%">\nThe <code>port</code> of it.<br/>\n</td><td>19530</td></tr>'
    table = f'<table id="a.b">\n{row}\n</table>'

    assert plain_text(table).split() == ["The", "port", "of", "it.", "19530"]


@pytest.mark.parametrize("text", ["helm install <your_release_name>", "List<String> names", "a < b and c > d", "<>"])
def test_what_only_looks_like_a_tag_stays(text: str) -> None:
    assert plain_text(text) == text


def test_a_table_keeps_its_cells() -> None:
    table = "| Limit | Value |\n|:------|------:|\n| Shard | 16 |"

    assert plain_text(table).split() == ["Limit", "Value", "Shard", "16"]


def test_bars_outside_of_tables_stay() -> None:
    assert plain_text("a || b") == "a || b"


@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
def test_code_blocks_stay_as_they_are_without_their_fences(fence: str) -> None:
    code = "  x = a[0](b) # `no` **markup** <b>\n| --- |\n<!-- no comment"

    assert plain_text(f"Run\n\n{fence}python\n{code.replace('<!-- no comment', '')}\n{fence}\n\n**end**") == (
        f"Run\n\n{code.replace('<!-- no comment', '')}\n\nend"
    )


def test_a_fence_inside_a_list_item_is_one() -> None:
    assert plain_text("- ```shell\n  a **b**\n  ```\n- c") == "  a **b**\n- c"


def test_the_rest_of_an_open_code_block_is_code() -> None:
    assert plain_text("```\na **b**") == "a **b**"


def test_link_names_keeps_the_last_part_of_a_target() -> None:
    links = "[a](x/values.yaml) [b](https://example.com/docs/limits.md#top) [c](#only) [d](https://example.com/)"

    assert plain_text(links, link_names=True) == "a values.yaml b limits.md c d example.com"


@given(st.text(st.characters(exclude_characters="<>[]()`~*&|-!", exclude_categories=["Cs"])))
def test_text_without_markup_stays_to_the_character(text: str) -> None:
    assert plain_text(text) == text


@given(st.text(st.sampled_from("ab <>[]()`~*&|-!\n"), max_size=80))
def test_no_word_is_lost_or_made(text: str) -> None:
    kept = [c for c in plain_text(text, link_names=True) if c in "ab"]
    there = [c for c in text if c in "ab"]

    assert len(kept) <= len(there)
    if not any(mark in text for mark in ("<", "(", "```", "~~~")):
        assert kept == there


@pytest.mark.parametrize("piece", ["[", "[a](", "![a](", "<a ", "<!--", "**", "|-", "`", "```\n", "&amp", "[a](b("])
@pytest.mark.huge
def test_hostile_text_takes_linear_time(piece: str) -> None:
    """What Milvus keeps of a chunk is 64 KiB; were any pattern quadratic in it, this would take minutes."""
    assert plain_text(piece * (65_536 // len(piece)) + "\nend").endswith("end")


@pytest.mark.parametrize(
    ("piece", "anew"),
    [
        # The first reading took the end of the code for a beginning, and the next beginning for its end.
        ("pwd\n```\n\n```python\nprint(1)\n", False),
        ("pwd\n```\n\n```python\nprint('<b>**bold**</b>')\n", True),
        ("pwd\n```\nand prose\n", False),
        ("pwd\n```\nand [a link](there.md)\n", True),
        ("grep -v '**' notes | sort\n", True),
        ("pwd\n", False),
    ],
)
def test_a_piece_of_code_is_embedded_anew_only_if_it_reads_otherwise(piece: str, anew: bool) -> None:
    """By what version 0.1 made of it."""
    assert (reading_version(piece, within="```shell\n") > 1) is anew
