"""What it costs to index again: unchanged, a part of it, after one changed line, and after a kill in the middle.

The 224 pages of the Milvus documentation, as a folder, on Milvus Lite, with vectors of a loopback server.

- **unchanged**: rows that are read and CPU seconds of an unchanged run of all pages, and of one of eight shards;
- **changed**: seconds of a run after one line of one page changed, beside an unchanged one;
- **killed**: texts that are embedded twice where ``kill -9`` ends a first run in its middle;
- **first**: chunks a second of a first run.

    python benchmarks/resync.py --json resync.json
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

from embedding_server import MAX_TEXTS, MODEL, embedding_server

DOCS = Path(__file__).resolve().parents[2] / "shared" / "data" / "milvus_docs_2.4.x_en.zip"
DIMENSION = 384
CONCURRENCY = 8
SHARDS = 8
TURNS = 5
# Of the endpoint: so fast that storing lags behind, and as a model in the same network.
FAST_SECONDS, NEAR_SECONDS = 0.005, 0.02


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--only", nargs="*", choices=("unchanged", "changed", "killed", "first"))
    parser.add_argument("--index", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.index:
        folder, database, base_url = arguments.index
        print(json.dumps(index(Path(folder), database, base_url)))
        return
    if not DOCS.exists():
        print(f"Nothing to measure: there is no {DOCS}.")
        return
    figures: dict[str, Any] = {}
    parts = {"unchanged": unchanged, "changed": changed, "killed": killed, "first": first}
    for name in arguments.only or parts:
        with tempfile.TemporaryDirectory() as temporary:
            pages = Path(temporary) / "pages"
            zipfile.ZipFile(DOCS).extractall(pages)
            figures[name] = parts[name](Path(temporary), pages)
        print(name, json.dumps(figures[name], indent=2), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def index(folder: Path, database: str, base_url: str, shard: tuple[int, int] | None = None) -> dict[str, float]:
    """Index a folder, and say what was done and what it cost."""
    from pymilvus import MilvusClient

    from milvus_rag import MarkdownLoader, MarkdownSplitter, embedding_model, open_store, sync

    read = [0]

    class Counted(MilvusClient):  # type: ignore[misc]  # pymilvus has no types
        """Counts the rows that it gives."""

        def query(self, *arguments: Any, **options: Any) -> Any:
            rows = super().query(*arguments, **options)
            read[0] += len(rows) if options.get("output_fields") != ["count(*)"] else 0
            return rows

    embedding = embedding_model(f"openai:{MODEL}", base_url=base_url, api_key="none", max_batch=MAX_TEXTS)
    with open_store(database, embedding=embedding) as store:
        store.client.__class__ = Counted
        loader = MarkdownLoader(folder, shard=shard) if shard else MarkdownLoader(folder)
        begun, cpu = time.perf_counter(), time.process_time()
        report = sync(loader, MarkdownSplitter(), store, max_concurrency=CONCURRENCY)
        done = {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - cpu}
    return {**done, "rows_read": read[0], "added": report.added, "unchanged": report.unchanged}


def unchanged(folder: Path, pages: Path) -> dict[str, Any]:
    """An unchanged run of all, and of a shard."""
    database = str(folder / "unchanged.db")
    with embedding_server(DIMENSION, FAST_SECONDS) as base_url:
        index(pages, database, base_url)
        runs = [[index(pages, database, base_url, shard) for shard in (None, (1, SHARDS))] for _ in range(TURNS)]
    whole, shard = (
        {name: statistics.median(run[which][name] for run in runs) for name in runs[0][0]} for which in (0, 1)
    )
    return {"all": whole, "shard": shard, "cpu_share": shard["cpu_seconds"] / whole["cpu_seconds"]}


def changed(folder: Path, pages: Path) -> dict[str, Any]:
    """A run after one line changed, beside an unchanged one."""
    database = str(folder / "changed.db")
    page = max(pages.rglob("*.md"), key=lambda path: path.stat().st_size)
    same, other = [], []
    with embedding_server(DIMENSION, FAST_SECONDS) as base_url:
        index(pages, database, base_url)
        for turn in range(TURNS):
            same.append(index(pages, database, base_url))
            page.write_text(page.read_text("utf-8").replace("\n\n", f"\n\nChanged in turn {turn}.\n\n", 1), "utf-8")
            done = index(pages, database, base_url)
            if not done["added"]:
                raise SystemExit(f"nothing changed: {done}")
            other.append(done)
    figures: dict[str, Any] = {}
    for name in ("seconds", "cpu_seconds"):
        before, after = (statistics.median(run[name] for run in runs) for runs in (same, other))
        figures |= {f"unchanged_{name}": before, f"changed_{name}": after, f"more_{name}": after - before}
    return figures


def killed(folder: Path, pages: Path) -> dict[str, Any]:
    """What is embedded twice where a run is killed after some share of its texts was."""
    found = []
    with embedding_server(DIMENSION, NEAR_SECONDS) as base_url:
        index(pages, str(folder / "whole.db"), base_url)
        texts = _texts(base_url)
        for share in (0.2, 0.4, 0.6, 0.8, 0.99):
            database = str(folder / f"killed-{share}.db")
            command = [sys.executable, __file__, "--index", str(pages), database, base_url]
            embedded = 0
            with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
                while embedded < share * texts and process.poll() is None:
                    time.sleep(0.002)
                    embedded += _texts(base_url)
                os.kill(process.pid, signal.SIGKILL)
            # What was under way is answered, and paid for.
            time.sleep(0.5)
            embedded += _texts(base_url)
            index(pages, database, base_url)
            found.append({"before": embedded, "twice": embedded + _texts(base_url) - texts})
    return {"texts": texts, "kills": found}


def first(folder: Path, pages: Path) -> dict[str, Any]:
    """How fast a first run is, in processes of their own."""
    rates = []
    with embedding_server(DIMENSION, FAST_SECONDS) as base_url:
        for turn in range(TURNS):
            command = [sys.executable, __file__, "--index", str(pages), str(folder / f"first-{turn}.db"), base_url]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            rates.append(done["added"] / done["seconds"])
    return {"chunks_a_second": [round(rate) for rate in rates], "median": statistics.median(rates)}


def _texts(base_url: str) -> int:
    """Texts that were embedded since this was asked for last."""
    with urllib.request.urlopen(f"{base_url}/counts", timeout=10) as answer:  # noqa: S310 - loopback
        return int(json.load(answer)["texts"])


if __name__ == "__main__":
    main()
