"""What a search takes as Milvus Lite grows: the table of docs/deploy.md.

One database of made-up chunks of 80 words and vectors of 384 dimensions, which grows; after each step another process
opens it and searches. Words are drawn as in natural text, a few of them often and most of them seldom.

    python benchmarks/lite_sizes.py --json lite_sizes.json
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from milvus_rag import MarkdownSplitter, milvus_retriever, open_store, sync
from milvus_rag.setting_fields import Mode

SIZES = (2_000, 10_000, 50_000)
MODES: tuple[Mode, ...] = ("full_text", "dense", "hybrid")
SEARCHES = 40
WORDS = 20_000
LENGTH = 80
DIMENSION = 384


class MadeUpPages(BaseLoader):
    """Pages of one chunk each.

    Args:
        first: Number of the first page.
        last: Number behind the last page.
    """

    def __init__(self, first: int, last: int) -> None:
        self._pages = range(first, last)
        # Each loader is known by it, and removes nothing of the others'.
        self.path = f"pages from {first}"

    def lazy_load(self) -> Iterator[Document]:
        """Make the pages."""
        words = vocabulary()
        chance = 1 / np.arange(1, WORDS + 1)
        chance /= chance.sum()
        for page in self._pages:
            drawn = np.random.default_rng(page).choice(WORDS, LENGTH, p=chance)
            yield Document(" ".join(words[number] for number in drawn), metadata={"source": f"{page}.md"})


class MadeUpVectors(Embeddings):
    """A random vector for each text, and the same one again for the same text."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """A vector of length 1."""
        vector = np.random.default_rng(zlib.crc32(text.encode())).normal(size=DIMENSION)
        values: list[float] = (vector / np.linalg.norm(vector)).tolist()
        return values


def vocabulary() -> list[str]:
    """Made-up words, the frequent ones first."""
    letters = random.Random(1)  # noqa: S311 - no secrets
    return ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=letters.randint(3, 10))) for _ in range(WORDS)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="chunks, growing")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search:
        print(json.dumps(search(arguments.search)))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sizes.db"
        for first, last in zip((0, *arguments.sizes), arguments.sizes, strict=False):
            seconds = grow(database, first, last)
            done = subprocess.run([sys.executable, __file__, "--search", database], stdout=subprocess.PIPE, check=True)
            row = {"chunks": last, "chunks_per_second": round((last - first) / seconds), **json.loads(done.stdout)}
            rows.append(row)
            print(row, flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


def grow(database: Path, first: int, last: int) -> float:
    """Index more pages; the seconds it took."""
    begin = time.perf_counter()
    with open_store(str(database), embedding=MadeUpVectors()) as store:
        report = sync(MadeUpPages(first, last), MarkdownSplitter(), store)
    if report.added != last - first:
        raise SystemExit(f"not everything was stored: {report}")
    return time.perf_counter() - begin


def search(database: Path) -> dict[str, Any]:
    """Search a database that this process opens."""
    words = vocabulary()
    draw = random.Random(2)  # noqa: S311 - no secrets
    begin = time.perf_counter()
    figures: dict[str, Any] = {}
    with open_store(str(database), embedding=MadeUpVectors()) as store:
        milvus_retriever(store).invoke(words[100])
        figures["open_seconds"] = round(time.perf_counter() - begin, 1)
        for mode in MODES:
            retriever = milvus_retriever(store, mode)
            taken = []
            for _ in range(SEARCHES):
                # Six words, as frequent as those of questions: neither the most common nor the rarest.
                question = " ".join(words[int(WORDS ** draw.uniform(0.3, 1))] for _ in range(6))
                begin = time.perf_counter()
                retriever.invoke(question)
                taken.append(time.perf_counter() - begin)
            figures[f"{mode}_ms"] = round(sorted(taken)[SEARCHES // 2] * 1000, 1)
        status = Path("/proc/self/status").read_text()
        figures["memory_mib"] = int(status.partition("VmRSS:")[2].split()[0]) // 1024
    return figures


if __name__ == "__main__":
    main()
