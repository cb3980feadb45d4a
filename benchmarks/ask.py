"""The command on the embedded default, as whole processes: indexing 224 pages, indexing them again, and asking.

    python benchmarks/ask.py --json ask.json

Wall time and peak memory of each process, as the operating system counts them. The Milvus documentation is optional and
lies in ../shared; without it the benchmark says so and ends.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "shared" / "data" / "milvus_docs_2.4.x_en.zip"
COMMAND = Path(sys.executable).with_name("milvus-rag")
QUESTION = "How is data stored in milvus?"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    arguments = parser.parse_args()
    if not DOCS.is_file():
        print(f"Nothing measured: {DOCS.name} is not there.")
        return
    with tempfile.TemporaryDirectory() as folder:
        steps = {"index": ["index", str(DOCS)], "index again": ["index", str(DOCS)], "ask": ["ask", QUESTION]}
        figures = {name: _measured(step, folder) for name, step in steps.items()}
    print(f"{'':<12} {'seconds':>8} {'MiB':>6}")
    for name, figure in figures.items():
        print(f"{name:<12} {figure['seconds']:>8.1f} {figure['peak_mib']:>6.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2), "utf-8")


def _measured(step: list[str], folder: str) -> dict[str, float]:
    begin = time.perf_counter()
    process = subprocess.Popen([COMMAND, *step], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"milvus-rag {step[0]} failed")
    return {"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024}


if __name__ == "__main__":
    main()
