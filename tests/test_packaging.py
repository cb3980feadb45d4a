"""The wheel and the sdist, as somebody installs them: alone, and with each extra."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.documents import columns_pdf
from support.tiny_onnx import make_dense_model

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
UV = Path(sys.executable).with_name("uv")

# For each extra, what somebody installs it for. With the extra it runs, without it the error names the extra.
PURPOSES = {
    "gemini": "chat_model('gemini', api_key='key'), embedding_model('gemini', api_key='key')",
    "openai": "chat_model('fireworks', api_key='key'), embedding_model('openai', api_key='key')",
    "local": "assert len(LocalEmbeddings('model').embed_query('Where is data?')) == 32",
    "documents": (
        "from pathlib import Path\n"
        f"Path('plan.pdf').write_bytes({columns_pdf(['A spare'], ['seal'], title='Plan')!r})\n"
        "assert 'seal' in MarkdownLoader('plan.pdf').load()[0].page_content"
    ),
    "rerank": "reranker('jina', api_key='key')",
    "pymilvus": "PymilvusSparseEmbeddings().fit(['Alan Turing was born in London.'])",
    "ray": (
        "with open_store('ray.db') as store:\n"
        "    assert sync_on_ray(MarkdownLoader('notes'), MarkdownSplitter(), store, workers=1, shards=1).added"
    ),
    "eval": (
        "from milvus_rag.evaluation.chart import save_chart\n"
        "from milvus_rag.evaluation.measures import measure\n"
        "from milvus_rag.evaluation.questions import Passage, Question\n"
        "from langchain_core.documents import Document\n"
        "found = [Document('Below the flower pot.', metadata={'source': 'keys.md'})]\n"
        "asked = Question('Where is the key?', (Passage('keys.md', 'flower pot'),))\n"
        "save_chart([measure('full text', [asked], [found], [0.1])], 'chart.png', questions=1)"
    ),
    "server": "assert create_app(Settings()).routes",
    "mcp": (
        "import io; from milvus_rag.server.mcp import serve_stdio; "
        "serve_stdio(Settings(), io.StringIO(), io.StringIO())"
    ),
}


def distribution(requirement: str) -> str:
    """The name in a requirement, normalised."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]).lower()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel that is made of it, built from a clean copy."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "editable_install.py"):
        shutil.copy(ROOT / name, copy)
    for name in ("src", "tests", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", copy / "dist", copy],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stdout + done.stderr
    return copy / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


class TestWhatIsBuilt:
    def test_the_wheel_holds_the_package_and_nothing_else(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
        files = {path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file()}
        assert names == {f"milvus_rag/{path.as_posix()}" for path in files if "__pycache__" not in path.parts}
        assert "milvus_rag/py.typed" in names
        assert "milvus_rag/server/page/index.html" in names

    def test_the_sdist_holds_what_a_wheel_is_made_of(self, built: Path) -> None:
        (path,) = built.glob("*.tar.gz")
        with tarfile.open(path) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {
            "pyproject.toml",
            "README.md",
            "LICENSE",
            "CHANGELOG.md",
            "editable_install.py",
            "src/py.typed",
        } <= names
        assert not [name for name in names if name.startswith(("tests", "docs")) or "__pycache__" in name]

    def test_every_folder_of_the_package_is_listed(self) -> None:
        folders = {path.parent.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("__init__.py")}
        names = {".".join(("milvus_rag", *folder.parts)) for folder in folders}
        assert set(PROJECT["tool"]["setuptools"]["packages"]) == names

    def test_the_metadata_is_the_projects(self, metadata: Message) -> None:
        assert metadata["Name"] == "milvus-rag"
        assert metadata["Requires-Python"] == ">=3.11"
        assert metadata["License-Expression"] == "Apache-2.0"
        assert sorted(metadata.get_all("Provides-Extra", [])) == sorted(EXTRAS)
        assert metadata.get_payload() == (ROOT / "README.md").read_text()

    def test_all_is_all_the_extras(self) -> None:
        (everything,) = EXTRAS["all"]
        assert set(everything.partition("[")[2].rstrip("]").split(",")) == EXTRAS.keys() - {"all"} == PURPOSES.keys()

    def test_every_dependency_has_a_lower_and_an_upper_bound(self) -> None:
        requirements = [
            *PROJECT["project"]["dependencies"],
            *(r for name, rs in EXTRAS.items() if name != "all" for r in rs),
        ]
        unbounded = [r for r in requirements if "==" not in r and not (">=" in r and "<" in r)]
        assert unbounded == []

    def test_what_is_imported_is_declared(self) -> None:
        brought_by = packages_distributions()
        declared = {distribution(r) for rs in (PROJECT["project"]["dependencies"], *EXTRAS.values()) for r in rs}
        undeclared = {
            module
            for path in (ROOT / "src").rglob("*.py")
            for module in imported_modules(ast.parse(path.read_text()))
            if module not in sys.stdlib_module_names
            and not declared & {distribution(name) for name in brought_by.get(module, [module])}
        }
        assert undeclared == set()


def imported_modules(tree: ast.AST) -> Iterator[str]:
    """Top-level modules that are imported absolutely."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]


class Environment:
    """A virtual environment that holds the wheel with some extra and what that needs, and nothing else."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.folder = folder
        self._wheel = wheel
        self._uv("venv", "--python", sys.executable, folder)

    def hold(self, extra: str | None) -> None:
        """Install exactly the wheel with this extra, in the versions of constraints.txt."""
        wanted, pinned = self.folder / "wanted.in", self.folder / "pinned.txt"
        wanted.write_text(f"milvus-rag{f'[{extra}]' if extra else ''} @ {self._wheel.as_uri()}\n")
        pinned.unlink(missing_ok=True)
        self._uv("pip", "compile", wanted, "--constraint", ROOT / "constraints.txt", "--output-file", pinned)
        self._uv("pip", "sync", pinned)
        self._uv("pip", "check")

    def run(self, *command: str) -> str:
        """Run a program of the environment; what it prints."""
        done = subprocess.run([self.folder / "bin" / command[0], *command[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _uv(self, *arguments: str | Path) -> None:
        # What the tests themselves run on is in uv's cache, so the network is asked only where that is not so.
        for offline in (["--offline"], []):
            command = [UV, *arguments, *offline, "--quiet"]
            environ = {**os.environ, "VIRTUAL_ENV": str(self.folder)}
            done = subprocess.run(command, env=environ, capture_output=True, text=True)
            if done.returncode == 0:
                return
        raise AssertionError(done.stderr)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment") / "venv", wheel)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A folder to ask, below the working folder."""
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "keys.md").write_text("# Keys\n\nThe spare key is under the third flower pot.\n")
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("packaging")
class TestInstalled:
    def test_without_extras_it_answers_from_a_folder(self, environment: Environment, notes: Path) -> None:
        environment.hold(None)
        assert "Usage: milvus-rag" in environment.run("milvus-rag", "--help")
        assert "1 added" in environment.run("milvus-rag", "index", notes.name)
        assert "> The spare key is under" in environment.run("milvus-rag", "ask", "Where is the spare key?")

    def test_without_extras_each_error_names_its_extra(self, environment: Environment) -> None:
        environment.hold(None)
        program = (
            "import json\n"
            "errors = {}\n"
            f"for extra, purpose in {PURPOSES!r}.items():\n"
            "    try:\n"
            "        exec('from milvus_rag import *\\n' + purpose)\n"
            "    except ImportError as exc:\n"
            "        errors[extra] = f'{type(exc).__name__}: {exc}'\n"
            "print(json.dumps(errors))"
        )
        errors = json.loads(environment.run("python", "-c", program))
        assert errors.keys() == PURPOSES.keys()
        for extra, error in errors.items():
            assert error.startswith("MissingExtraError: ")
            assert error.endswith(f"Install it with: pip install 'milvus-rag[{extra}]'")

    @pytest.mark.parametrize("extra", PURPOSES)
    def test_with_an_extra_its_parts_work_and_the_rest_too(
        self, environment: Environment, notes: Path, extra: str
    ) -> None:
        environment.hold(extra)
        make_dense_model(Path("model"))
        assert environment.run("python", "-c", f"from milvus_rag import *\n{PURPOSES[extra]}") == ""
        assert "Usage: milvus-rag" in environment.run("milvus-rag", "--help")
        answer = json.loads(
            environment.run("milvus-rag", "ask", "Where is the spare key?", "--docs", "notes", "--json")
        )
        assert answer["sources"][0]["source"] == "keys.md"
