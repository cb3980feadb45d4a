"""How long it takes until something happens: importing the package, and the command's help.

Each is a process of its own, beside what the same Python takes for nothing and for `import typer`; all take turns, and
the fastest of several turns counts.

    python benchmarks/startup.py --json startup.json
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("milvus-rag"))
STEPS = {
    "python": [sys.executable, "-c", ""],
    "import milvus_rag": [sys.executable, "-c", "import milvus_rag"],
    "import typer": [sys.executable, "-c", "import typer"],
    "milvus-rag --help": [COMMAND, "--help"],
    "milvus-rag ask --help": [COMMAND, "ask", "--help"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in STEPS}
    for _ in range(arguments.turns):
        for name, command in STEPS.items():
            started = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - started)
    best = {name: min(turns) for name, turns in seconds.items()}
    figures = {
        "turns": arguments.turns,
        "seconds": best,
        "import_milvus_rag_seconds": max(0.0, best["import milvus_rag"] - best["python"]),
        "help_to_import_typer": best["milvus-rag --help"] / best["import typer"],
    }
    for name, value in best.items():
        print(f"{name:24}{1000 * value:8.0f} ms")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
