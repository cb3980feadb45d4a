"""A program that uses every public name passes both type checkers, in an editable install and in one of the wheel."""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import milvus_rag

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "data" / "typed_program.py"
BIN = Path(sys.executable).parent
# Mistakes that a checker finds only where it knows what the names are.
MISTAKES = """
from milvus_rag import open_store, rag_chain, milvus_retriever, chat_model
from milvus_rag import nothing_of_this_name

open_store("notes.db").nothing()
for part in rag_chain(milvus_retriever(open_store("notes.db")), chat_model("local")).stream("tea?"):
    part["anwser"]
"""


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By how the package is installed, a Python; the other packages are those that the tests run with."""
    folder = tmp_path_factory.mktemp("wheel")
    made, copy = folder / "venv", folder / "project"
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "editable_install.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for command in (
        ["uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--offline", "--out-dir", folder, copy],
        ["uv", "venv", "--quiet", "--python", sys.executable, made],
    ):
        environ = {**os.environ, "VIRTUAL_ENV": str(BIN.parent)}
        done = subprocess.run([BIN / command[0], *command[1:]], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    python = made / "bin" / "python"
    subprocess.run([BIN / "uv", "pip", "install", "--quiet", "--no-deps", "--python", python, wheel], check=True)
    (site,) = made.glob("lib/python*/site-packages")
    # Links in the folder that this leads to are not followed any further: the editable install is not seen from here.
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    return {"wheel": python, "editable": Path(sys.executable)}


def mypy(python: Path, program: Path) -> list[str]:
    """What mypy finds. It knows what `make types` has read before, which spares most of a minute."""
    cache = f"--cache-dir={ROOT / '.mypy_cache'}"
    config = f"--config-file={ROOT / 'pyproject.toml'}"
    command = [BIN / "mypy", "--strict", "--no-error-summary", f"--python-executable={python}", cache, config, program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr
    return done.stdout.splitlines()


def pyright(python: Path, program: Path) -> list[str]:
    """What pyright finds."""
    command = [BIN / "pyright", "--outputjson", "--pythonpath", python, program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=program.parent)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return [f"{one['range']['start']['line'] + 1}: {one['message']}" for one in found if one["severity"] == "error"]


def test_the_program_uses_every_public_name() -> None:
    imported = {
        alias.name
        for node in ast.walk(ast.parse(PROGRAM.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == "milvus_rag"
        for alias in node.names
    }
    assert imported == {*milvus_rag.__all__, "__version__"}


@pytest.mark.slow
@pytest.mark.parametrize("checker", [mypy, pyright])
@pytest.mark.parametrize("install", ["wheel", "editable"])
class TestACheckerKnowsTheTypes:
    def test_all_is_right(self, environments: dict[str, Path], install: str, checker: object, tmp_path: Path) -> None:
        program = tmp_path / "program.py"
        program.write_text(PROGRAM.read_text())

        assert checker(environments[install], program) == []  # type: ignore[operator]  # one of two functions

    def test_mistakes_are_found(
        self, environments: dict[str, Path], install: str, checker: object, tmp_path: Path
    ) -> None:
        program = tmp_path / "mistakes.py"
        program.write_text(MISTAKES)

        found = "\n".join(checker(environments[install], program))  # type: ignore[operator]  # one of two functions

        assert all(name in found for name in ("nothing_of_this_name", '"nothing"', "anwser"))
