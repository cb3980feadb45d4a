"""Measure everything: each benchmark in turn, one table of ratios, results.json, and table and chart of the README.

    python benchmarks/run.py                      all, some forty minutes
    python benchmarks/run.py --only ask startup   these; the others stay as they were measured
    python benchmarks/run.py --only               no measuring: table and chart of what results.json has

Figures belong to the machine that they were measured on, which results.json names; leave it alone meanwhile.
"""

import argparse
import datetime as dt
import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from chart import save_chart
from scale_table import as_markdown as scale_table
from summary import as_markdown, as_text, rows_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.json"
CHART = HERE.parent / "docs" / "images" / "benchmarks.png"
README = HERE.parent / "README.md"
FLEET = HERE.parent / "docs" / "fleet.md"
# Around the tables.
BEGIN, END = "<!-- figures, by make bench -->\n", "<!-- end of figures -->\n"
BENCHMARKS = ("startup", "ask", "embeddings", "retrieval", "corpora", "ingest", "serve", "scale")
PACKAGES = ("milvus-rag", "langchain-core", "langchain-milvus", "milvus-lite", "pymilvus", "fastembed", "onnxruntime")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=BENCHMARKS, help="these, and keep the figures of the others")
    arguments = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() and arguments.only is not None else {}
    failed = [name for name in (BENCHMARKS if arguments.only is None else arguments.only) if not measure(name, results)]
    RESULTS.write_text(json.dumps({name: results[name] for name in BENCHMARKS if name in results}, indent=2) + "\n")
    figures = {name: of["figures"] for name, of in results.items()}
    rows = rows_of(figures)
    print("\n" + as_text(rows))
    if results:
        save_chart(figures, machine_of(results), CHART)
        README.write_text(with_figures(README.read_text("utf-8"), results), "utf-8")
        FLEET.write_text(with_scale(FLEET.read_text("utf-8"), results), "utf-8")
    missed = [row.what for row in rows if not row.holds]
    if failed or missed:
        sys.exit(f"\nFailed: {', '.join(failed) or 'none'}. Missed: {'; '.join(missed) or 'none'}.")


def measure(name: str, results: dict[str, Any]) -> bool:
    """Run a benchmark and keep its figures; whether it came to its end. Without its data it has none."""
    print(f"--- {name}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        done = subprocess.run([sys.executable, HERE / f"{name}.py", "--json", figures], check=False)
        if figures.exists():
            results[name] = {"measured": measured(), "figures": json.loads(figures.read_text())}
    return done.returncode == 0


def with_figures(readme: str, results: dict[str, Any]) -> str:
    """The README with the figures that the results have."""
    table = as_markdown(rows_of({name: of["figures"] for name, of in results.items()}))
    return _with_table(readme, table, results)


def with_scale(page: str, results: dict[str, Any]) -> str:
    """The page of the fleet with what an index costs as it grows, where that was measured."""
    if "scale" not in results:
        return page
    return _with_table(page, scale_table(results["scale"]["figures"]["rows"]), {"scale": results["scale"]})


def _with_table(page: str, table: str, results: dict[str, Any]) -> str:
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table}\n\nMeasured on {machine_of(results)}.\n{END}{rest.partition(END)[2]}"


def measured() -> dict[str, Any]:
    """When and on what."""
    return {
        "on": dt.datetime.now(dt.UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }


def machine_of(results: dict[str, Any]) -> str:
    """The machine, or machines, in a line, each with the days on which it was measured."""
    days: dict[str, set[str]] = {}
    for of in (entry["measured"] for entry in results.values()):
        size = f"{of['cores']} cores, {of['memory_gib']} GiB"
        machine = f"{of['processor']}, {size}, {of['system']}, Python {of['python']}"
        days.setdefault(machine, set()).add(of["on"])
    return "; ".join(f"{machine}, {' and '.join(sorted(on))}" for machine, on in sorted(days.items()))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
