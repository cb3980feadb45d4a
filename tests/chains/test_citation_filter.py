"""What a model cites, checked as it streams."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.chains.citation_filter import CitationFilter

PASSAGES = 3
PIECES = st.sampled_from([
    "[", "]", "[[", "]]", "0", "1", "2", "7", "9", ", ", "-", " ", "a", "word.", "`", "``", "```", "\n", "\n\n", "(",
    ")", ":", "https://x.org", "~~~", "\u3010", "\u3011", "\\", "[1]", "[7]", "[1](", "  ", "\t",
])  # fmt: skip
ANSWERS = st.lists(PIECES, max_size=16).map("".join)


def passed(answer: str, count: int = PASSAGES) -> str:
    through = CitationFilter(count)
    return through.feed(answer) + through.finish()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("It is so [7].", "It is so."),
        ("It is so[7], and so [8][9].", "It is so, and so."),
        ("a [1][2], b [1, 2], c [ 1 ], d[3]", "a [1][2], b [1, 2], c [1], d[3]"),
        ("a [1, 7], b [7;2], c [2-9], d [8-9]", "a [1], b [2], c [2, 3], d"),
        ("a [[2]] b [[7]]", "a [2] b"),
        ("a \u30101\u2020source\u3011 b \u30109\u2020source\u3011", "a [1] b"),
        ("a [0] b [2024]", "a b"),
        ("a [1\u20133]", "a [1, 2, 3]"),
    ],
)
def test_a_number_that_no_passage_has_is_left_out(said: str, shown: str) -> None:
    assert passed(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "`a[7]` and ``b`[8]``",
        "```python\na[7] = 1\n```\n",
        "~~~\n[7]\n```\n[8]\n~~~~\n",
        "   ```\n[7]",
        "[7](https://x.org) and [see](https://x.org/[7]) and ![8](a.png)",
        "[7]: https://x.org/a\n",
        "\\[7\\]",
        "an array [a, 7], a range [7, b]",
    ],
)
def test_code_and_links_are_no_citations(said: str) -> None:
    assert passed(said) == said


def test_a_tick_that_nothing_closes_is_no_code() -> None:
    assert passed("one ` tick [7]\n\n[8] and `x[9]`") == "one ` tick\n\n and `x[9]`"


def test_what_is_after_a_code_block_is_checked_again() -> None:
    assert passed("```\n[7]\n```\nSo it is [7].\n") == "```\n[7]\n```\nSo it is.\n"


def test_it_knows_what_was_cited_in_its_order() -> None:
    through = CitationFilter(PASSAGES)
    for token in ("a [", "2", "]. b [", "1, 2] c [", "9", "] `[", "3]`"):
        through.feed(token)
    through.finish()

    assert through.cited == [2, 1]


def test_words_are_not_held_back() -> None:
    through = CitationFilter(PASSAGES)

    assert [through.feed(token) for token in ("It", " is", " so", " [1", "]", ".")] == [
        "It",
        " is",
        " so",
        "",
        "",
        " [1].",
    ]


@given(ANSWERS, st.lists(st.integers(1, 4), min_size=1))
def test_however_it_is_cut_into_tokens_the_text_is_the_same(answer: str, lengths: list[int]) -> None:
    through = CitationFilter(PASSAGES)
    shown, begin, turn = "", 0, 0
    while begin < len(answer):
        length = lengths[turn % len(lengths)]
        shown += through.feed(answer[begin : begin + length])
        begin, turn = begin + length, turn + 1

    assert shown + through.finish() == passed(answer)


@given(ANSWERS)
def test_what_was_let_through_cites_nothing_that_is_not_there(answer: str) -> None:
    """Also when what is left out joins its neighbours."""
    refused: list[str] = []

    class Noting(CitationFilter):
        def _numbers(self, given: str) -> list[int]:
            numbers = super()._numbers(given)
            refused.extend([] if numbers else [given])
            return numbers

    again = Noting(PASSAGES)
    again.feed(passed(answer))
    again.finish()

    assert refused == []


@given(st.text(alphabet="ab \n`~[]()1", max_size=40))
def test_without_numbers_too_high_nothing_is_lost(answer: str) -> None:
    """But for the brackets of citations, which are doubled or not, and blanks in them."""
    kept = str.maketrans("", "", "[] \n")

    assert passed(answer, count=10**6).translate(kept) == answer.translate(kept)
