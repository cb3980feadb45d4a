"""PDF, office files, books and web pages become Markdown, and passages lead to their place in the original."""

import re
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter
from milvus_rag.errors import EmptySourceError, InputError, LoaderError, MissingExtraError, UnreadableFileError
from milvus_rag.extras import install_line
from milvus_rag.loaders import kinds
from milvus_rag.loaders.conversions import ConversionLimits
from milvus_rag.loaders.selection import NEEDS_EXTRA
from support import documents

PAGE = """<!doctype html><html><head><meta charset="windows-1252"><title>Brewing \u2013 Café docs</title>
<script>var x = "a script";</script></head><body class="has-sidebar">
<div id="cookie-consent">We use cookies. <button>Accept</button></div>
<header><nav><a href="/">Home</a></nav></header><aside class="sidebar">Side link</aside>
<main><h1>Brewing “coffee”</h1><p>Pour water of 93 °C \u2013 not hotter.</p>
<h2 id="x">Commands<a class="headerlink" href="#x">¶</a></h2><pre><code class="language-bash">brew --grind 7
brew --pour | sort
</code></pre><table><tr><th>Bean</th><th>Heat</th></tr><tr><td>Arabica | Robusta</td><td>93</td></tr></table></main>
<footer>All rights reserved.</footer></body></html>""".encode("cp1252")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Document]:
    """A folder of each kind, loaded once."""
    folder = tmp_path_factory.mktemp("documents")
    files = {
        "manual.pdf": documents.manual_pdf(),
        "policy.docx": documents.policy_docx(),
        "roadmap.pptx": documents.roadmap_pptx(),
        "prices.XLSX": documents.prices_xlsx(),
        "tales.epub": documents.book_epub(),
        "brewing.html": PAGE,
        "leads.htm": b"<meta http-equiv=refresh content='0; url=/elsewhere'>",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {document.metadata["source"]: document for document in MarkdownLoader(folder).load()}


def chunks(document: Document) -> list[Document]:
    return MarkdownSplitter().split_documents([document])


def with_text(document: Document, text: str) -> Document:
    return next(chunk for chunk in chunks(document) if text in chunk.page_content)


class TestPdf:
    def test_titles_tables_and_code_are_seen(self, loaded: dict[str, Document]) -> None:
        document = loaded["manual.pdf"]
        assert document.metadata["title"] == "Pump manual"
        assert "\n## Maintenance\n" in document.page_content
        assert (
            "| Bolt | Torque | Key |\n|---|---|---|\n| Maintenance-A | 29 | ring |\n| Maintenance-B | 4 | open |\n"
            in document.page_content
        )
        assert "```\npump --disposal\n    --slow\n```" in document.page_content

    def test_a_passage_knows_its_page(self, loaded: dict[str, Document]) -> None:
        chunk = with_text(loaded["manual.pdf"], "Maintenance-A")
        assert chunk.metadata["page"] == 2
        assert chunk.metadata["headings"] == ["Pump manual", "Maintenance"]
        assert "start_line" not in chunk.metadata

    def test_what_goes_on_over_a_page_says_so(self, loaded: dict[str, Document]) -> None:
        long = [chunk for chunk in chunks(loaded["manual.pdf"]) if "warranty" in chunk.page_content]
        assert long[0].metadata["page"] == 4
        assert {chunk.metadata.get("end_page", chunk.metadata["page"]) for chunk in long} == {4, 5}
        assert (
            " ".join(loaded["manual.pdf"].page_content.split()).count("the warranty ends when a seal was broken") == 120
        )

    def test_what_is_on_each_page_is_on_none(self, loaded: dict[str, Document]) -> None:
        assert "Confidential" not in loaded["manual.pdf"].page_content

    def test_columns_are_read_one_after_the_other(self, tmp_path: Path) -> None:
        left = [
            "Herons stand in the shallow",
            "water, patient and extraor-",
            "dinary still. Of every fish",
            "they know all that is well-",
            "known of it, and they wait.",
        ]
        right = [
            "Kestrels hover over meadows",
            "and look for voles. What is",
            "well-known is that they see",
            "ultraviolet light, which we",
            "do not see at all, by day.",
        ]
        (tmp_path / "birds.pdf").write_bytes(documents.columns_pdf(left, right, title="Birds of the fen"))
        (document,) = MarkdownLoader(tmp_path).load()
        assert document.page_content == (
            "# Birds of the fen\n\n"
            "Herons stand in the shallow water, patient and extraordinary still. Of every fish they know all that is "
            "well-known of it, and they wait.\n\n"
            "Kestrels hover over meadows and look for voles. What is well-known is that they see ultraviolet light, "
            "which we do not see at all, by day."
        )


class TestOffice:
    def test_word(self, loaded: dict[str, Document]) -> None:
        document = loaded["policy.docx"]
        assert document.page_content == (
            "# Holiday policy\n\n## Leave\n\nEverybody has 27 days of leave.\n\n- Ask your lead\n\n### Grades\n\n"
            "| Grade | Days \\| years |\n| --- | --- |\n| Junior | 27 |\n| Senior | 30 |\n\n"
            "## Sickness\n\nTell us before nine."
        )
        chunk = with_text(document, "Junior")
        assert chunk.metadata["headings"] == ["Holiday policy", "Leave", "Grades"]
        assert not {"start_line", "end_line", "places"} & chunk.metadata.keys()

    def test_slides_and_their_notes(self, loaded: dict[str, Document]) -> None:
        document = loaded["roadmap.pptx"]
        assert document.metadata["title"] == "Plans of the harbour"
        found = [(chunk.page_content, chunk.metadata["slide"]) for chunk in chunks(document)]
        assert found == [
            (
                "Plans of the harbour > Dredging\n\n- In spring\n- In autumn\n\n"
                "Notes: The dredger costs 400 crowns an hour.",
                1,
            ),
            ("Plans of the harbour > Depths\n\n| Basin | Metres |\n|---|---|\n| North | 7.5 |", 2),
            ("Plans of the harbour > Slide 3\n\nQuestions to the harbour master", 3),
        ]

    def test_a_value_of_a_long_sheet_is_beside_its_columns_name(self, loaded: dict[str, Document]) -> None:
        chunk = with_text(loaded["prices.XLSX"], "Widget 287 ")
        assert "| Widget 287 | 287.5 | 2024-10-14 |" in chunk.page_content
        assert "| Article | Price EUR | Since |" in chunk.page_content
        assert chunk.metadata["sheet"] == "Prices"

    def test_a_row_below_an_empty_one_has_the_header_too(self, loaded: dict[str, Document]) -> None:
        (chunk,) = [chunk for chunk in chunks(loaded["prices.XLSX"]) if chunk.metadata["sheet"] == "Staff & guests"]
        assert chunk.page_content.endswith(
            "As of May\n\n| Name | Desk |\n|---|---|\n| Ann | 12 |\n\n| Name | Desk |\n|---|---|\n"
            "| Bo | 1234567890123456 |"
        )

    def test_a_book_in_the_order_of_its_spine(self, loaded: dict[str, Document]) -> None:
        document = loaded["tales.epub"]
        assert document.metadata["title"] == "Tales of the fen"
        assert document.page_content.strip() == (
            "# The marsh\n\nIt was dark & wet.\n\n# The tide\n\nAt nine the tide came.\n\n```\nebb\n  flow\n```"
        )
        assert with_text(document, "ebb").metadata["part"] == 3


def test_a_saved_page_is_read_without_what_stands_around_it(loaded: dict[str, Document]) -> None:
    document = loaded["brewing.html"]
    assert document.metadata["title"] == "Brewing “coffee”"
    assert document.page_content == (
        "# Brewing “coffee”\n\nPour water of 93 °C \u2013 not hotter.\n\n## Commands\n\n"
        "```bash\nbrew --grind 7\nbrew --pour | sort\n```\n\n"
        "| Bean | Heat |\n| --- | --- |\n| Arabica \\| Robusta | 93 |"
    )
    assert loaded["leads.htm"].page_content == ""


class TestFailures:
    def test_each_is_its_files_own(self, tmp_path: Path) -> None:
        whole = documents.prices_xlsx(3)
        files = {
            "bomb.docx": documents.bomb_docx(),
            "cut.pdf": documents.manual_pdf()[:1500],
            "cut.xlsx": whole[: len(whole) // 2],
            "drawing.pdf": documents.drawing_pdf(),
            "drawn.html": b"<html><title>Shop</title><body><div id=root></div><script>draw()</script></body></html>",
            "locked.epub": documents.book_epub("OPS/one.xhtml"),
            "locked.pdf": documents.locked_pdf(),
            "nothing.pptx": b"",
            "other.docx": whole,
            "whole.xlsx": whole,
            # Of no kind of document: what Office leaves beside a file that is open.
            "~$whole.xlsx": b"Ann",
        }
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        errors: list[LoaderError] = []
        loaded = MarkdownLoader(tmp_path, on_error=errors.append).load()
        assert [document.metadata["source"] for document in loaded] == ["whole.xlsx"]
        reasons = {error.source: str(error) for error in errors}
        assert {name: [word for word in words if word in reasons[name]] for name, words in EXPECTED.items()} == EXPECTED

    def test_one_that_takes_too_long_ends_alone(self, tmp_path: Path) -> None:
        (tmp_path / "long.pdf").write_bytes(documents.drawing_pdf(4000))
        errors: list[LoaderError] = []
        limits = ConversionLimits(seconds=0.05)
        assert MarkdownLoader(tmp_path, on_error=errors.append, conversion=limits).load() == []
        assert "takes more than 0.05 s" in str(errors[0])
        assert errors[0].source == "long.pdf"

    def test_one_that_takes_too_much_memory_ends_alone(self, tmp_path: Path) -> None:
        (tmp_path / "a.xlsx").write_bytes(documents.prices_xlsx(20_000))
        (tmp_path / "b.pptx").write_bytes(documents.roadmap_pptx())
        errors: list[LoaderError] = []
        limits = ConversionLimits(memory_bytes=16 * 2**20)
        loaded = MarkdownLoader(tmp_path, on_error=errors.append, conversion=limits).load()
        assert [document.metadata["source"] for document in loaded] == ["b.pptx"]
        assert "16 MiB" in str(errors[0])

    def test_a_pdf_of_more_pages_than_anybody_reads_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "long.pdf").write_bytes(documents.drawing_pdf(5_001))
        with pytest.raises(UnreadableFileError, match="5,001 pages"):
            MarkdownLoader(tmp_path).load()

    def test_a_text_over_its_limit_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.html").write_text("<p>Twenty characters of text.")
        with pytest.raises(UnreadableFileError, match="more than 20 characters"):
            MarkdownLoader(tmp_path, conversion=ConversionLimits(characters=20)).load()

    def test_limits_are_greater_than_nothing(self) -> None:
        with pytest.raises(InputError, match="greater than 0"):
            ConversionLimits(seconds=0)

    def test_html_that_is_nested_a_thousand_times_is_read(self, tmp_path: Path) -> None:
        (tmp_path / "deep.html").write_text("<div>" * 1000 + "down here" + "</div>" * 1000)
        (document,) = MarkdownLoader(tmp_path).load()
        assert document.page_content == "down here"


EXPECTED = {
    "bomb.docx": ["unpacks to 200,000,003"],
    "cut.pdf": ["cut.pdf", "Get it anew"],
    "cut.xlsx": ["cut.xlsx", "no"],
    "drawing.pdf": ["no text", "OCR"],
    "drawn.html": ["scripts draw it"],
    "locked.epub": ["protected against copying"],
    "locked.pdf": ["password"],
    "nothing.pptx": ["empty"],
    "other.docx": ["no Word document"],
}


class TestWithoutTheExtra:
    @pytest.fixture(autouse=True)
    def _without(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kinds, "_is_installed", lambda package: package != "pypdfium2")
        monkeypatch.setitem(__import__("sys").modules, "pypdfium2", None)

    def test_files_are_passed_over_by_name_with_the_remedy(self, tmp_path: Path) -> None:
        for name in ("a.md", "b.pdf", "c.png"):
            (tmp_path / name).write_text("text")
        loader = MarkdownLoader(tmp_path)
        assert [document.metadata["source"] for document in loader.load()] == ["a.md"]
        assert loader.survey is not None
        assert loader.survey.passed == {"b.pdf": NEEDS_EXTRA, "c.png": "not chosen"}
        assert str(loader.survey) == (
            f"Taken: 1 file (1 .md); passed over: 2 files (1 .pdf, 1 .png). For .pdf: {install_line('documents')}."
        )
        assert not loader.covers("b.pdf")

    def test_a_folder_of_nothing_else_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "b.pdf").write_text("text")
        for glob in ((), "*.pdf"):
            with pytest.raises(
                EmptySourceError, match=rf"b\.pdf needs the extra documents: {re.escape(install_line('documents'))}"
            ):
                MarkdownLoader(tmp_path, glob).load()

    def test_a_file_that_was_named_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "b.pdf").write_bytes(documents.drawing_pdf())
        with pytest.raises(MissingExtraError, match=r"b\.pdf \(PDF\) needs the package pypdfium2"):
            MarkdownLoader(tmp_path / "b.pdf").load()
