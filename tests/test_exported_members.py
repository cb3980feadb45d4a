"""The public names: sorted, true, loaded at first use, documented."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import milvus_rag

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
CONSTANTS = {name for name in milvus_rag.__all__ if name.isupper()}


def public_members() -> Iterator[tuple[str, Any]]:
    """Every public name, and the public methods and properties that its class defines."""
    for name in milvus_rag.__all__:
        member = getattr(milvus_rag, name)
        if name in CONSTANTS:
            continue
        yield name, member
        for attribute, value in vars(member).items() if inspect.isclass(member) else ():
            if not attribute.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
                yield f"{name}.{attribute}", getattr(member, attribute)


def test_all_is_sorted_as_an_import_list_is() -> None:
    def place(name: str) -> tuple[int, str]:
        return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)

    assert milvus_rag.__all__ == sorted(milvus_rag.__all__, key=place)


def test_all_the_lazy_table_and_the_typed_imports_agree() -> None:
    tree = ast.parse((ROOT / "src" / "__init__.py").read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.name: f".{node.module}"
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == milvus_rag._MODULES
    assert sorted(typed) == sorted(milvus_rag.__all__)
    assert set(milvus_rag.__all__) < set(dir(milvus_rag))


def test_dir_shows_the_submodules_too_which_are_there_without_an_import() -> None:
    folders = {path.parent.name for path in (ROOT / "src").glob("*/__init__.py")}
    shown = {name for name in dir(milvus_rag) if (ROOT / "src" / f"{name}.py").is_file()} | folders
    assert shown <= set(dir(milvus_rag))
    assert {"errors", "settings", "doctor", "pipeline"} < shown
    for name in shown:
        assert getattr(milvus_rag, name).__name__ == f"milvus_rag.{name}"


def test_it_knows_its_version() -> None:
    assert milvus_rag.__version__ == version("milvus-rag")
    assert "__version__" in dir(milvus_rag)


def test_each_is_what_its_module_defines() -> None:
    for name, module in milvus_rag._MODULES.items():
        member = getattr(milvus_rag, name)
        if name not in CONSTANTS:
            assert member.__name__ == name
            assert member.__module__.startswith(f"milvus_rag{module}"), f"{name} is defined in {member.__module__}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = milvus_rag.nothing


@pytest.mark.parametrize(("name", "member"), [pytest.param(*pair, id=pair[0]) for pair in public_members()])
def test_it_has_a_docstring(name: str, member: Any) -> None:
    documentation = inspect.getdoc(member)
    assert documentation
    assert documentation.partition("\n")[0].rstrip().endswith((".", "::"))
    if inspect.isfunction(member):
        named = [parameter for parameter in inspect.signature(member).parameters if parameter not in ("self", "cls")]
        described = documentation.partition("Args:")[2]
        if described:
            assert [parameter for parameter in named if f"{parameter}:" not in described] == []


@pytest.mark.parametrize("name", milvus_rag.__all__)
def test_it_is_shown_in_the_docs(name: str) -> None:
    assert any(name in page.read_text(encoding="utf-8") for page in PAGES)


def imported_by(code: str) -> set[str]:
    """Top-level packages that a fresh interpreter has loaded after some code."""
    program = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"langchain_core", "langchain_milvus", "langsmith", "pymilvus", "milvus_lite", "pandas", "numpy", "grpc"}


def test_importing_the_package_imports_nothing_else() -> None:
    third_party = imported_by("import milvus_rag") - imported_by("") - sys.stdlib_module_names - {"milvus_rag"}
    assert third_party == set()


@pytest.mark.parametrize("command", ["", "index", "search", "ask", "info", "providers", "serve", "doctor", "eval"])
def test_help_imports_nothing_heavy(command: str) -> None:
    loaded = imported_by(
        "from milvus_rag.cli import main\n"
        f"sys.argv = ['milvus-rag', *{[command] if command else []}, '--help']\n"
        "try:\n    main()\nexcept SystemExit as exc:\n    assert not exc.code"
    )
    assert not loaded & (HEAVY | {"fastapi", "httpx", "openai", "pydantic_settings"})
