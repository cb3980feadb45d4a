"""What an index costs as it grows: the first run, the runs after it, and questions, in CPU seconds of whole processes.

Made-up pages in some sizes, indexed by `milvus-rag index` into Milvus Lite (full-text search, no model) and into a
Milvus 2.3.5 of its own (vectors of 384 numbers from a loopback server that answers at once, since it has no full-text
search):

- **first**, **unchanged**, **changed** (one file), **shard** (one of eight, unchanged): the command, with what it
  starts. Milvus Lite is in it, a server is not;
- **open**: `milvus-rag info`, what every command pays before it does anything;
- **crowd**: 16 first questions at once against one, after the start of the process;
- **question**: the median of a question, and of the same search by nothing but pymilvus, at the same consistency level;
- **server**: what Milvus itself used during the first run and the unchanged one, its idling in it; not what it does
  with the rows afterwards;
- **peak** memory of the first run, and **disk**: the database, or all of the server's data with its log.

    python benchmarks/scale.py                                the whole table; --large adds 200k chunks
    python benchmarks/scale.py --sizes 2k 12k --only lite     a part of it
    python benchmarks/scale.py --only lite --dense            vectors besides full-text search on Milvus Lite

What is measured is kept in .cache/scale, so that a run that was ended goes on where it was, as long as nothing in src/
changes; --again measures anew.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedding_server import MAX_TEXTS, MODEL, embedding_server
from process_costs import Costs, family_cpu_seconds, run
from scale_corpus import write_pages
from scale_table import as_markdown

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

KEPT = ROOT / ".cache" / "scale"
COMMAND = Path(sys.executable).with_name("milvus-rag")
QUESTIONS = Path(__file__).with_name("scale_questions.py")
SIZES = {"2k": 2_000, "12k": 12_000, "59k": 59_000, "200k": 200_000}
LARGE = "200k"
PLACES = {"lite": "Milvus Lite", "server": "Milvus 2.3.5"}
CHUNKS_A_SECTION = 1.12
DIMENSION = 384
COLLECTION = "scale"
SHARDS = 8
CLIENTS = 16
# Of what takes seconds, the least counts: the machine may have had other work.
TURNS = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, help="all but the largest by default")
    parser.add_argument("--large", action="store_true", help=f"{LARGE} too")
    parser.add_argument("--only", choices=PLACES, help="one of the two")
    parser.add_argument("--dense", action="store_true", help="on Milvus Lite, vectors besides full-text search")
    parser.add_argument("--again", action="store_true", help="measure what was measured before, too")
    arguments = parser.parse_args()
    sizes = arguments.sizes or [size for size in SIZES if size != LARGE or arguments.large]
    rows = []
    for place in [arguments.only] if arguments.only else PLACES:
        for size in sizes:
            dense = arguments.dense or place == "server"
            rows.append(part(place, size, dense=dense, again=arguments.again))
            print(as_markdown(rows[-1:]), flush=True)
    print("\n" + as_markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"rows": rows}, indent=2) + "\n")


def part(place: str, size: str, *, dense: bool, again: bool) -> dict[str, Any]:
    """The figures of one size in one place, as they were kept or measured now."""
    name = f"{place}-{size}{'-dense' if dense else ''}"
    kept, measured_of = KEPT / f"{name}.json", _source_digest()
    if kept.exists() and not again:
        figures: dict[str, Any] = json.loads(kept.read_text())
        if figures.pop("of") == measured_of:
            return figures
    with tempfile.TemporaryDirectory() as folder, milvus(place, Path(folder)) as running:
        if dense:
            with embedding_server(DIMENSION, 0.0) as base_url:
                figures = measure(Path(folder), running, SIZES[size], base_url)
        else:
            figures = measure(Path(folder), running, SIZES[size], None)
    figures = {"place": PLACES[place], "size": size, "dense": dense, **figures}
    KEPT.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({**figures, "of": measured_of}, indent=2))
    return figures


@dataclass(frozen=True)
class Running:
    """A Milvus.

    Attributes:
        uri: Where it answers.
        data: Its files.
        pid: Of its process; None where it is in that of the command.
    """

    uri: str
    data: Path
    pid: int | None = None

    @property
    def cpu_seconds(self) -> float:
        """What it has used so far."""
        return family_cpu_seconds(self.pid) if self.pid else 0.0


@contextmanager
def milvus(place: str, folder: Path) -> Iterator[Running]:
    """An empty Milvus."""
    data = folder / "scale.db"
    if place == "lite":
        yield Running(str(data), data)
        return
    from support.milvus_server import start
    from support.shared_servers import kill

    data.mkdir()
    uri, process = start(data, os.getpid())
    try:
        yield Running(uri, data, process.pid)
    finally:
        kill(process.pid)
        process.wait()


def measure(folder: Path, running: Running, chunks: int, base_url: str | None) -> dict[str, Any]:
    """All figures of one size."""
    uri = running.uri
    pages = folder / "pages"
    files = write_pages(pages, round(chunks / CHUNKS_A_SECTION))
    place = ["--uri", uri, "--collection", COLLECTION]
    model = ["--embeddings", "none"]
    if base_url:
        model = ["--embeddings", f"openai:{MODEL}", "--embeddings-url", base_url, "--embeddings-key", "none"]
        model += ["--batch-size", str(MAX_TEXTS)]
    index: list[str | Path] = [COMMAND, "index", pages, *place, *model, "--json"]
    figures: dict[str, Any] = {"files": len(files)}

    def indexed(name: str, *options: str, added: Callable[[int], bool]) -> None:
        before = running.cpu_seconds
        costs = run([*index, *options])
        own = {**_figures(costs), "server_cpu_seconds": running.cpu_seconds - before}
        figures[name] = _least(figures.get(name), own)
        report = json.loads(costs.output)
        figures[name]["chunks"] = report["added"] + report["unchanged"]
        if not added(report["added"]) or any(of["failed"] for of in report["runs"]):
            sys.exit(f"{name}: {costs.output[:2000]}")

    indexed("first", added=lambda count: count > chunks / 2)
    figures["disk_mib"] = sum(file.stat().st_size for file in running.data.rglob("*") if file.is_file()) / 2**20
    page = files[len(files) // 2]
    for turn in range(TURNS):
        indexed("unchanged", added=lambda count: count == 0)
        indexed("shard", "--shard", f"1/{SHARDS}", added=lambda count: count == 0)
        with page.open("a") as file:
            file.write(f"\n## Changed in turn {turn}\n\nWhat is added to it in this turn.\n")
        # Not all of it: what is above stays as it was.
        indexed("changed", added=lambda count: 0 < count < 100)
        figures["open"] = _least(figures.get("open"), _figures(run([COMMAND, "info", *place, "--json"])))
    return {**figures, **_questions(folder, uri, dense=bool(base_url))}


def _questions(folder: Path, uri: str, *, dense: bool) -> dict[str, Any]:
    """The crowd, and questions beside bare searches."""
    searches = folder / "searches.json"

    def asked(kind: str, argument: str) -> dict[str, float]:
        mode = "dense" if dense else "full_text"
        command: list[str | Path] = [
            sys.executable,
            QUESTIONS,
            kind,
            uri,
            COLLECTION,
            mode,
            argument,
            "--dimension",
            str(DIMENSION),
        ]
        costs = run(command)
        return {**json.loads(costs.output), "peak_mib": costs.peak_mib}

    found: dict[str, Any] = {}
    for _ in range(TURNS):
        for name, kind, argument in (
            ("one", "crowd", "1"),
            ("crowd", "crowd", str(CLIENTS)),
            ("question", "ours", str(searches)),
            ("bare", "bare", str(searches)),
        ):
            found[name] = _least(found.get(name), asked(kind, argument))
    return found


def _figures(costs: Costs) -> dict[str, float]:
    return {"cpu_seconds": costs.cpu_seconds, "seconds": costs.seconds, "peak_mib": costs.peak_mib}


def _least(before: dict[str, float] | None, now: dict[str, float]) -> dict[str, float]:
    """Of two turns, the lesser of each figure."""
    return now if before is None else {name: min(value, before.get(name, value)) for name, value in now.items()}


def _source_digest() -> str:
    """Changes with whatever may change a figure in here."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "src").rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
