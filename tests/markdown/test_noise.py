"""What is meant for the program that renders a page is neither searched nor quoted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_rag import MarkdownSplitter
from milvus_rag.markdown.encoded import LONGEST_WORD, encoded_runs
from milvus_rag.markdown.noise import has_noise, without_noise
from milvus_rag.markdown.plain_text import plain_text, reading_version
from milvus_rag.markdown.quotable import quotables
from support.markdown_texts import MARKDOWN

DATA = "iVBORw0KGgoAAAANSUhEUg" * 200


@pytest.mark.parametrize(
    ("marked", "read"),
    [
        ("![Tower](data:image/png;base64,AAAA)", "Tower"),
        (f'<img alt="Tower" src="data:image/png;base64,{DATA}"> Bells.', "Bells."),
        ("[ref]: https://example.org/x 'Title'\nBells.", "Bells."),
        ("[^1]: Bells ring.[^2]", "Bells ring."),
        ("import Tabs from '@theme/Tabs';\nimport './x.css'\nexport const a = 1;\nBells.", "Bells."),
        ("export const rows = [\n  {a: 1},\n];\n\nBells.", "Bells."),
        ("import the bells from the tower", "import the bells from the tower"),
        ("{/* remark */}Bells.", "Bells."),
        ('<Tabs groupId="x">\n<TabItem value="a" label="Ropes">\nBells.\n</TabItem>\n</Tabs>', "Ropes Bells."),
        ("Use List<String> of <Name> here", "Use List<String> of <Name> here"),
        ("<Rope strong={{a: {b: 1}}} onRing={() => x} /> Bells.", "Bells."),
        ('{{< note title="Care" >}}Bells.{{< /note >}}', "Care Bells."),
        ("{{% steps %}}\nBells.\n{{% /steps %}}", "Bells."),
        ('{% include "rope.md" %} Bells.', "rope.md Bells."),
        ("{{#include ../listings/rope.rs:pull}}", "../listings/rope.rs:pull"),
        ("{{ rope }} bells", "{{ rope }} bells"),
        (":::warning[Rope]\nBells.\n:::", "Rope Bells."),
        ("::: tip Ropes\nBells.\n:::", "Ropes Bells."),
        ('!!! note "Ropes"\nBells.', "Ropes Bells."),
        ("!!! danger\nBells.", "danger Bells."),
        ("Careful!!! Really???", "Careful!!! Really???"),
        ('=== "Linux"\nBells.', "Linux Bells."),
        ("Bells. %% ask Bob %% Ropes.", "Bells. Ropes."),
        ("%%\nhidden\n%%\nBells.", "Bells."),
        ("50 %% of 100 %", "50 %% of 100 %"),
        ("![[rope.png|300]] and [[Towers#Bells|the bells]]", "rope.png and the bells"),
        ("> [!tip] Ropes\n> Bells ring\n> at noon.", "Ropes Bells ring at noon."),
        ("> [!tip]\n> Bells.", "tip Bells."),
        ("==Marked== a == b", "Marked a == b"),
        ("Bells. ^block-7", "Bells."),
        ("`{{< x >}}` and `[[y]]` are code", "{{< x >}} and [[y]] are code"),
    ],
)  # fmt: skip
def test_a_reader_sees_no_noise(marked: str, read: str) -> None:
    assert plain_text(marked).split() == read.split()


@pytest.mark.parametrize("noise", ["import x from 'y'", "[[a]]", "{{< b >}}", "%% c %%", "::: d"])
def test_in_code_it_is_no_noise(noise: str) -> None:
    assert plain_text(f"```\n{noise}\n```") == noise
    assert reading_version(f"```\n{noise}\n```") == 1


@settings(deadline=None)
@given(MARKDOWN)
def test_only_what_is_read_otherwise_has_another_version(text: str) -> None:
    """So that the vectors of all other chunks stay."""
    assert (reading_version(text) == 3) <= has_noise(text)


def test_what_is_indented_below_an_admonition_or_a_tab_is_text() -> None:
    admonition = '!!! note "Care"\n\n    Stop the **bells**.\n\n'
    tab = '=== "Rope"\n\n    ```sh\n    ring\n    ```\n\n    Or pull.\n\n    - Twice.\n\n'
    page = f"{admonition}{tab}End."
    assert " ".join(plain_text(page).split()) == "Care Stop the bells. Rope ring Or pull. - Twice. End."
    found = [(piece.text.strip(), piece.is_code) for piece in quotables(page)]
    assert ("Stop the **bells**.", False) in found
    assert [text for text, is_code in found if is_code] == ["```sh\n    ring\n    ```"]


def test_plain_prose_is_untouched() -> None:
    text = "The bells, 3 of them, ring (at noon) [see below](x.md) & <b>loud</b>; a -> b."
    assert not has_noise(text)
    assert without_noise(text) == text


def test_a_sentence_of_a_quote_has_no_marks_of_it() -> None:
    found = quotables("> Bells that ring\n> at noon are loud. Ropes\n> hold.\n>\n> - One item.")
    assert [piece.text for piece in found] == ["Bells that ring\nat noon are loud.", "Ropes\nhold.", "- One item."]


@pytest.mark.parametrize(
    "unit", ["[[", "{{<", "{%", "%%", "<A ", "<A b={", "data:", "[^", "!!! ", "==x", "[a]: ", "{/*", "import x from '",
             ":::{", "export const a = [\n", "`", "> "]
)  # fmt: skip
@pytest.mark.huge
def test_hostile_repetition_takes_no_time(unit: str) -> None:
    """50,000 characters each: were anything quadratic, this would take many minutes."""
    assert len(without_noise(unit * (50_000 // len(unit)))) <= 50_000


# --- data in a page


def test_data_is_left_out_between_two_pieces() -> None:
    picture = f"![View](data:image/png;base64,{DATA})"
    page = f"# Tower\n\nIt is tall.\n\n{picture}\n\nBells ring at noon.\n\n[p]: <data:x/y;base64,{DATA}>\n"
    found = MarkdownSplitter().create_documents([page])
    assert [chunk.page_content for chunk in found] == [
        "Tower\n\nIt is tall.",
        "Tower\n\n![View](data:image/png;base64,…)\n\nBells ring at noon.",
    ]
    for chunk in found:
        body = chunk.page_content[chunk.metadata["body_start"] :]
        assert page[chunk.metadata["start_index"] :].startswith(body)
    assert (found[1].metadata["start_line"], found[1].metadata["end_line"]) == (5, 7)
    assert plain_text(found[1].page_content).split() == ["Tower", "View", "Bells", "ring", "at", "noon."]


@pytest.mark.parametrize(
    "line",
    [f"a ![1](data:i/p;base64,{DATA}) b ![2](data:i/p;base64,{DATA}) c", f"| x | ![](data:i/p;base64,{DATA}) | y |"],
)
def test_what_stands_around_data_in_its_line_stays(line: str) -> None:
    (chunk,) = MarkdownSplitter().split_text(line)
    assert chunk == line.replace(DATA, "…")


@pytest.mark.parametrize("before", ["", " ", "\t ", "text\n", "text\n\n \t", "\n"])
def test_a_quote_may_be_noise_on_whichever_line_it_begins(before: str) -> None:
    assert has_noise(f"{before}> quoted")
    assert not has_noise(f"{before}a > b")


@given(st.lists(st.integers(1, 2 * LONGEST_WORD + 1), max_size=6), st.sampled_from([" ", "\n", "\t", " \n", "\u3000"]))
def test_a_long_run_is_found_wherever_it_begins(lengths: list[int], blank: str) -> None:
    runs = [("Ab9" * length)[:length] for length in lengths]
    assert encoded_runs(blank.join(runs)) == [run for run in runs if len(run) >= LONGEST_WORD]
