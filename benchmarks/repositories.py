"""What becomes of repositories of documentation as they are: invariants of loading and splitting, a row a folder.

Give folders of any public repositories; none is part of the project. Nothing is stored or embedded.

    python benchmarks/repositories.py path/to/mdBook path/to/obsidian-help --json repositories.json

The columns: files taken and passed over, failures, chunks; then what must be zero:

- lost: characters of files that are in no chunk, in no path and in no front matter
- lines: chunks that do not stand where their lines say
- open: chunks that begin inside a fence and do not say so
- sibling: paths that hold a heading of the same level as the one below it
- data: encoded runs of 200 characters that would be embedded
- title: pages that are called like a heading that is not alone at its level
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter
from milvus_rag.markdown.block import Block, Kind
from milvus_rag.markdown.encoded import embedded_data, encoded_runs
from milvus_rag.markdown.front_matter import front_matter_length, title_of
from milvus_rag.markdown.page import Page, read_page
from milvus_rag.markdown.within import fence_line, within_of
from milvus_rag.stores.searched_text import embedded_text

ZEROS = ("lost", "lines", "open", "sibling", "data", "title")


@dataclass
class Row:
    """Figures of one folder."""

    name: str
    taken: int = 0
    passed_over: int = 0
    failed: int = 0
    chunks: int = 0
    seconds: float = 0.0
    kinds: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in ZEROS})

    def note(self, what: str, document: Document, why: str) -> None:
        """Something that must not be."""
        self.wrong[what].append(f"{document.metadata['source']}:{why}")


def look_at(folder: Path) -> Row:
    """Load and split a folder, and check what came of it."""
    row = Row(folder.name)
    failures: list[Exception] = []
    loader = MarkdownLoader(folder, on_error=failures.append)
    started = time.perf_counter()
    pages = loader.load()
    splitter = MarkdownSplitter()
    cut = [(page, splitter.split_documents([page])) for page in pages]
    row.seconds = time.perf_counter() - started
    if loader.survey is not None:
        row.taken, row.passed_over = len(loader.survey.taken), len(loader.survey.passed)
        row.kinds = dict(Counter(Path(name).suffix for name in loader.survey.passed if not name.endswith("/")))
    row.failed = len(failures)
    for document, chunks in cut:
        row.chunks += len(chunks)
        check(row, document, chunks)
    return row


def check(row: Row, document: Document, chunks: Sequence[Document]) -> None:
    """Check one page."""
    text = document.page_content
    page = read_page(text)
    kept = bytearray(len(text))
    for start, end in kept_otherwise(page, text):
        kept[start:end] = b"\1" * (end - start)
    for chunk in chunks:
        place = chunk.metadata
        start, body = place["start_index"], chunk.page_content[place["body_start"] :]
        kept[start : start + len(body)] = b"\1" * len(body)
        lead = chunk.page_content[: place["body_start"]].rpartition("\n\n")[2].replace("\u2026", "")
        line_start = text.rfind("\n", 0, start) + 1
        if lead and "data:" in lead:
            kept[line_start:start] = b"\1" * (start - line_start)
        if text[start : start + len(body)] != body or text.count("\n", 0, start) + 1 != place["start_line"]:
            row.note("lines", document, str(place["start_line"]))
        if encoded_runs(embedded_text(chunk.page_content, place)):
            row.note("data", document, str(place["start_line"]))
    starts_in_fence(row, document, page, chunks)
    lost = "".join(character for at, character in enumerate(text) if not kept[at] and not character.isspace())
    if lost:
        row.note("lost", document, f"{len(lost)} characters: {lost[:60]!r}")
    siblings = sibling_paths(page, Path(document.metadata["source"]))
    for chunk in chunks:
        shown = chunk.page_content.partition("\n\n")[0]
        if shown in siblings:
            row.note("sibling", document, shown)
    title = document.metadata.get("title", "")
    headings = [block for block in page.blocks if block.kind is Kind.HEADING and block.heading]
    same = [block for block in headings if block.heading == title]
    stem = Path(document.metadata["source"])
    if same and not title_of(page.fields) and title not in (stem.stem, stem.parent.name):
        alone = sum(block.level == 1 for block in headings) == 1 and headings[0] is same[0] and same[0].level == 1
        if not alone:
            row.note("title", document, title)


def kept_otherwise(page: Page, text: str) -> Iterator[tuple[int, int]]:
    """What is in no chunk's own text, and need not be: front matter, headings, data, and link definitions of data."""
    starts = [0]
    for line in page.lines:
        starts.append(starts[-1] + len(line) + 1)
    yield 0, starts[front_matter_length(page.lines)]
    for block in page.blocks:
        if block.kind is Kind.HEADING:
            yield starts[block.start], min(starts[block.end], len(text))
    for start, end in embedded_data(text):
        line_start = text.rfind("\n", 0, start) + 1
        line_end = text.find("\n", end) % (len(text) + 1)
        is_definition = text[line_start:start].lstrip().startswith("[") and "]:" in text[line_start:start]
        yield (line_start, line_end) if is_definition else (start, end)


def starts_in_fence(row: Row, document: Document, page: Page, chunks: Sequence[Document]) -> None:
    """Note the chunks that begin inside a fence without saying so."""
    fences: list[Block] = [block for block in page.blocks if block.kind is Kind.FENCE]
    at = 0
    for chunk in chunks:
        line = chunk.metadata["start_line"] - 1
        while at < len(fences) and fences[at].end <= line:
            at += 1
        if at < len(fences) and fences[at].start < line:
            within = within_of(chunk.metadata)
            if not any(mark in within for mark in ("```", "~~~")) or not fence_line(within):
                row.note("open", document, str(line + 1))


def sibling_paths(page: Page, source: Path) -> set[str]:
    """Paths that would be wrong: a heading below another one of the same level, unless the file is called like that."""
    headings = [block for block in page.blocks if block.kind is Kind.HEADING and block.heading]
    if not headings or headings[0].heading in (source.stem, source.parent.name, title_of(page.fields)):
        return set()
    first = headings[0]
    alike = [block.heading for block in headings if block.level == first.level and block.heading != first.heading]
    return {f"{first.heading} > {heading}" for heading in alike}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--json", type=Path, help="write the figures there, with what is wrong and where")
    arguments = parser.parse_args()
    columns = ("taken", "passed", "failed", "chunks", *ZEROS, "seconds")
    print(f"{'':28}" + "".join(f"{name:>9}" for name in columns))
    rows = []
    for folder in arguments.folders:
        row = look_at(folder)
        rows.append(row)
        zeros = [len(row.wrong[name]) for name in ZEROS]
        figures = "".join(f"{n:9}" for n in (row.taken, row.passed_over, row.failed, row.chunks, *zeros))
        print(f"{row.name[:27]:28}{figures}{row.seconds:9.1f}", flush=True)
        for name in ZEROS:
            for example in row.wrong[name][:3]:
                print(f"    {name}: {example[:140]}")
        common = sorted(row.kinds.items(), key=lambda kind: -kind[1])[:6]
        words = [f"{count} {kind or 'without an ending'}" for kind, count in common]
        print(f"    passed over: {', '.join(words) or 'none'}")
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
