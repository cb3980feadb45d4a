"""Every command and every code block of README and docs runs, or says why it is not run here."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag import errors
from support.documentation import Block, blocks_of, comparable, outputs_of, with_outputs
from support.stand_ins import stand_ins
from support.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[1]
# The README comes last: it shows what the other pages answer.
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md", ROOT / "README.md"]

# Between the outputs of blocks that share a process.
_NEXT = "\x1e"


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a reader with keys. Each page has its own, so that pages may run beside each other."""
    with stand_ins(tmp_path_factory.mktemp("stand-ins")) as variables:
        yield variables


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_the_blocks_of_a_page_run_and_print_what_it_says(
    page: Path, tmp_path: Path, reader: dict[str, str], request: pytest.FixtureRequest
) -> None:
    """When an output is no longer what the page shows: make docs."""
    text = page.read_text("utf-8")
    blocks = blocks_of(text)
    shown = outputs_of(blocks)
    checkout = _checkout(tmp_path)
    printed: dict[int, str] = {}
    for group in _groups([block for block in blocks if block.runs]):
        printed |= _run(group, checkout, {**os.environ, **reader, **_as_in_a_checkout()}, _id(page))
    if request.config.getoption("--update-docs"):
        page.write_text(with_outputs(text, {line: printed[line] for line in shown}), "utf-8")
        return
    for line, block in shown.items():
        assert comparable(block.code) == comparable(printed[line]), f"{_id(page)}:{block.line}, see make docs"


def _checkout(folder: Path) -> Path:
    """What of the project a reader's commands use: the Makefile, the pages, the examples."""
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("images"))
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("__pycache__", "*.db"))
    return folder


def _as_in_a_checkout() -> dict[str, str]:
    """Variables by which make and the shell use the environment that the tests run in."""
    programs = Path(sys.executable).parent
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "MAKEFLAGS": f"--no-print-directory VENV={programs.parent} INSTALLED= DEMO_INSTALLED=",
        "NO_COLOR": "1",
    }


def _groups(blocks: list[Block]) -> Iterator[list[Block]]:
    """Python blocks that follow each other share a process, since each would import LangChain anew."""
    group: list[Block] = []
    for block in blocks:
        if group and not (block.language == group[-1].language == "python"):
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _run(group: list[Block], folder: Path, environment: dict[str, str], page: str) -> dict[int, str]:
    """Run blocks; what each printed, by its line."""
    if group[0].language == "python":
        command = [sys.executable, "-c", "\n".join(map(_as_a_program_of_its_own, group))]
    else:
        code = group[0].code
        if group[0].language == "console":
            code = "\n".join(line[2:] for line in code.split("\n") if line.startswith("$ "))
        command = ["bash", "-euo", "pipefail", "-c", f"printf '{_NEXT}'\n{code}"]
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE_SECONDS
    )
    output = done.stdout.decode()
    assert done.returncode == 0, f"{page}:{group[0].line}\n{output}"
    assert "Traceback" not in output, f"{page}:{group[0].line}\n{output}"
    return dict(zip([block.line for block in group], output.split(_NEXT)[1:], strict=True))


def _as_a_program_of_its_own(block: Block) -> str:
    """Names of one block are not there in the next."""
    code = f"exec(compile({block.code!r}, 'line {block.line}', 'exec'), {{'__name__': '__main__'}})"
    return f"print({_NEXT!r}, end='', flush=True)\n{code}"


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    broken = [link for link in links if not (page.parent / link).exists()]
    assert not broken


def test_every_error_is_explained() -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE))
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert explained == known


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = set(re.findall(r"(\w+Error)\b", errors.__doc__ or "")) - {"ValueError", "ImportError"}
    known = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert drawn == known


class TestTheParser:
    PAGE = (
        "<!-- not run: no key -->\n```bash\na\n```\n\n```python\nb\n```\n<!-- not run: x -->\ntext\n```bash\nc\n```\n\n"
        "```text\nold\nlines\n```\n\nNot its output:\n\n```text\nd\n```\n"
    )

    def test_blocks_are_told_apart(self) -> None:
        """A marked block, an unmarked one, and a mark that stands too far above."""
        found = [(block.language, block.code, block.reason) for block in blocks_of(self.PAGE)]
        assert found == [
            ("bash", "a", "no key"),
            ("python", "b", None),
            ("bash", "c", None),
            ("text", "old\nlines", None),
            ("text", "d", None),
        ]

    def test_an_output_belongs_to_the_block_right_above_it(self) -> None:
        (pair,) = outputs_of(blocks_of(self.PAGE)).items()
        assert (pair[0], pair[1].code) == (11, "old\nlines")

    def test_outputs_are_written_anew(self) -> None:
        assert with_outputs(self.PAGE, {11: "new \n"}) == self.PAGE.replace("old\nlines", "new")

    def test_times_and_scores_are_not_compared(self) -> None:
        assert comparable("done in 1.2 s  \n(score 5.1)\n") == comparable("done in 9.9 s\n(score 0.004)")
        assert comparable("4 files") != comparable("5 files")


def test_the_page_of_the_command_is_what_help_says() -> None:
    """When this fails: make docs."""
    script = ROOT / "docs" / "generate_cli.py"
    code = f"import runpy; print(runpy.run_path({str(script)!r})['page'](), end='')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "cli.md").read_text("utf-8") == done.stdout


@pytest.mark.parametrize(("page", "write"), [("README.md", "with_figures"), ("docs/fleet.md", "with_scale")])
def test_the_figures_of_a_page_are_those_measured(page: str, write: str) -> None:
    """When this fails: python benchmarks/run.py --only."""
    code = "import json, run, pathlib; results = json.loads(run.RESULTS.read_text()); "
    code += f"print(run.{write}(pathlib.Path({str(ROOT / page)!r}).read_text('utf-8'), results), end='')"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert (ROOT / page).read_text("utf-8") == done.stdout


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """When it no longer does: make docs."""
    readme = (ROOT / "README.md").read_text("utf-8")
    before, _, rest = readme.partition("`make demo` prints:\n\n```text\n")
    shown, _, after = rest.partition("\n```\n")
    command = re.search(r"\$\(BIN\)/(milvus-rag ask .*)", (ROOT / "Makefile").read_text("utf-8"))
    assert command is not None
    done = subprocess.run(
        ["bash", "-c", f"mkdir .cache && {command[1]}"],
        cwd=_checkout(tmp_path),
        env={**os.environ, **_as_in_a_checkout()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    if request.config.getoption("--update-docs"):
        printed = f"{before}`make demo` prints:\n\n```text\n{done.stdout.strip()}\n```\n{after}"
        (ROOT / "README.md").write_text(printed, "utf-8")
        return
    assert comparable(shown) == comparable(done.stdout)
