"""Names of other packages that `src/` uses although nobody promises to keep them, and the page that lists them."""

import ast
import builtins
import importlib.util
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PAGE = ROOT / "docs" / "borrowed-names.md"
OURS = "milvus_rag"

# Modules below the top of a package that its documentation describes, with the reason why they count as promised.
# What is exported by `__all__` of a package above is so anyhow, and what has an underscore never is.
DOCUMENTED = {
    "fastapi.exceptions": "in FastAPI's reference",
    "fastembed.rerank.cross_encoder.TextCrossEncoder": "in fastembed's README",
    "google.genai": "in the README of google-genai",
    "grpc.keepalive_permit_without_calls": "a channel argument, in gRPC's grpc_types.h and its guide",
    "grpc.keepalive_time_ms": "the same",
    "langchain_community.document_compressors.jina_rerank": "its class is exported by the package above",
    "langchain_core": "LangChain's reference has all modules",
    "langchain_milvus.utils.sparse": "in the documentation of langchain-milvus",
    "langgraph.prebuilt.tool_node": "the reference of LangChain and LangGraph has all modules",
    "matplotlib.figure": "in Matplotlib's reference",
    "numpy.typing": "in NumPy's reference",
    "packaging.requirements": "in the documentation of packaging",
    "prometheus_client": "in the documentation of prometheus_client",
    "py3langid.langid": "in the README of py3langid",
    "pymilvus.exceptions": "in the reference of pymilvus",
    "pymilvus.model": "the blog post's kinds of functions, in the reference of pymilvus.model",
    "ray.util.scheduling_strategies": "in Ray's reference",
    "rich": "in Rich's reference",
    "starlette": "in Starlette's documentation",
    "tenacity.stop": "in tenacity's reference",
    "tenacity.wait": "in tenacity's reference",
}
# Attributes with an underscore that a language's or a library's documentation gives to its users.
_PROMISED_ATTRIBUTES = {"_replace": "of named tuples", "_exit": "of os"}
# Names of files and folders that begin like one.
_FILE_NAMES = {"_build": "of Sphinx", "_site": "of Jekyll", "_index": "of Hugo"}
_PYTHONS_OWN_LOGGER = "py.warnings"
_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
_DOTTED = re.compile(r"[a-z]\w*(\.\w+)+")
_CELL = r"[^|]+"
_ROW = re.compile(rf"^\| `(?P<name>[^`]+)` \| (?P<files>{_CELL}) \| {_CELL} \| (?P<without>{_CELL}) \|$", re.MULTILINE)
_VERSIONS = re.compile(r"^\| (?P<package>[\w.-]+) \| (?P<lowest>[\d.]+) \| (?P<newest>[\d.]+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A row of the page.

    Attributes:
        name: A dotted name, or what is none, as ``"logger:pymilvus"``.
        files: Where in `src/` it is used.
        without: What happens without it.
    """

    name: str
    files: tuple[str, ...]
    without: str

    @property
    def kind(self) -> str:
        """``"name"``, ``"logger"``, ``"text"``, ``"file"`` or ``"shape"``."""
        kind, separator, _ = self.name.partition(":")
        return kind if separator else "name"

    @property
    def token(self) -> str:
        """By which it is found in a file: the last part of a name, or all that is not its kind."""
        return self.name.partition(":")[2] or self.name.rpartition(".")[2]

    @property
    def is_guarded(self) -> bool:
        """Whether there is a fallback or an error of ours, which a test sees."""
        return self.without.startswith(("fallback:", "error:"))

    def is_mentioned(self, path: str) -> bool:
        """Whether a file has the words by which it is used; of names with an underscore `borrowed` tells more."""
        return re.search(rf"(?<!\w){re.escape(self.token)}(?!\w)", (SRC / path).read_text("utf-8")) is not None

    def covers(self, borrowed: "Borrowed") -> bool:
        """Whether this is the row of what was found."""
        if borrowed.path not in self.files:
            return False
        return borrowed.name in (self.name, self.token) or borrowed.name.startswith(f"{self.name}.")


@dataclass(frozen=True, order=True)
class Borrowed:
    """A name that was found in a file: dotted where it is known whose it is."""

    path: str
    line: int
    name: str


def rows() -> list[Row]:
    """The page's rows."""
    return [
        Row(row["name"], tuple(re.findall(r"`([^`]+)`", row["files"])), row["without"].strip())
        for row in _ROW.finditer(PAGE.read_text("utf-8"))
    ]


def versions() -> dict[str, tuple[str, str]]:
    """Lowest and newest version of each package that the page names."""
    text = PAGE.read_text("utf-8")
    return {found["package"]: (found["lowest"], found["newest"]) for found in _VERSIONS.finditer(text)}


def find(name: str) -> Any:
    """What a dotted name stands for.

    Raises:
        AttributeError: Nothing.
    """
    owner, rest = _module_of(name)
    for part in rest:
        owner = _member(owner, part)
    return owner


def _module_of(name: str) -> tuple[Any, list[str]]:
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            return importlib.import_module(".".join(parts[:length])), parts[length:]
        except ModuleNotFoundError:
            continue
    raise AttributeError(name)


def _member(owner: Any, name: str) -> Any:
    if hasattr(owner, name):
        return getattr(owner, name)
    # Fields of pydantic's models, and what a constructor sets.
    if name in getattr(owner, "model_fields", {}):
        return owner.model_fields[name]
    if isinstance(owner, type) and any(name in _assigned(base) for base in owner.__mro__):
        return name
    raise AttributeError(f"{owner!r} has no {name}")


@cache
def borrowed(folder: Path = SRC) -> list[Borrowed]:
    """All that the files of a folder borrow, as far as it can be told from the code."""
    return sorted({found for path in folder.rglob("*.py") for found in _in_file(path, folder)})


def _in_file(path: Path, folder: Path) -> Iterator[Borrowed]:
    tree = ast.parse(path.read_text("utf-8"))
    name = path.relative_to(folder).as_posix()
    module = _File(tree, f"{OURS}.{name.removesuffix('.py').replace('/', '.')}".removesuffix(".__init__"))
    for line, found in module.borrowed():
        yield Borrowed(name, line, found)


class _File:
    """One file: what it imports, defines and uses."""

    def __init__(self, tree: ast.Module, module: str) -> None:
        self._tree = tree
        self._module = module
        self._own = _defined(tree)
        self._imports = dict(self._imported())
        self._strings = self._string_constants()

    def borrowed(self) -> Iterator[tuple[int, str]]:
        yield from self._of_modules()
        yield from self._of_strings()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Attribute) and _PRIVATE.fullmatch(node.attr) and self._is_borrowed(node):
                yield node.lineno, node.attr
            elif isinstance(node, ast.Call):
                yield from self._of_call(node)
            elif isinstance(node, ast.Assign):
                yield from self._of_assignment(node)
            elif isinstance(node, ast.ClassDef):
                yield from ((node.lineno, name) for name in self._overridden(node))

    def _imported(self) -> Iterator[tuple[str, str]]:
        """Names by which this file knows others' modules and what is in them, with their dotted names."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.asname or alias.name.partition(".")[0], alias.name
            elif isinstance(node, ast.ImportFrom):
                module = node.module or ""
                if node.level:
                    above = importlib.import_module(self._module)
                    package = above.__name__ if hasattr(above, "__path__") else above.__name__.rpartition(".")[0]
                    module = importlib.util.resolve_name("." * node.level + module, package)
                for alias in node.names:
                    yield alias.asname or alias.name, f"{module}.{alias.name}"

    def _of_modules(self) -> Iterator[tuple[int, str]]:
        for node in ast.walk(self._tree):
            names = []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                if _is_foreign(name) and not _is_promised(name):
                    yield node.lineno, name

    def _string_constants(self) -> list[ast.Constant]:
        skipped = {id(part) for node in ast.walk(self._tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                skipped.add(id(node.value))
        return [
            node
            for node in ast.walk(self._tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped
        ]

    def _of_strings(self) -> Iterator[tuple[int, str]]:
        """Private names, names of modules and of loggers that are written as text."""
        calls = {_last_name(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        names_loggers = bool(calls & {"getLogger", "without_noise"})
        for node in self._strings:
            text = str(node.value)
            is_private = _PRIVATE.fullmatch(text) and text not in _FILE_NAMES
            if is_private and text not in self._own and not text.endswith("_"):
                yield node.lineno, text
            elif names_loggers and _is_foreign(text) and (text.isidentifier() or _DOTTED.fullmatch(text)):
                yield node.lineno, f"logger:{text}"
            elif _DOTTED.fullmatch(text) and _is_foreign(text) and not _is_promised(text, is_module=True):
                yield node.lineno, text

    def _of_call(self, node: ast.Call) -> Iterator[tuple[int, str]]:
        """``borrowed(owner, "name", ...)``, and ``getattr`` of what is imported."""
        called = node.func.id if isinstance(node.func, ast.Name) else ""
        if called not in ("borrowed", "getattr", "hasattr", "setattr", "delattr") or len(node.args) < 2:
            return
        owner, name = node.args[:2]
        if isinstance(name, ast.JoinedStr):
            first = name.values[0]
            if isinstance(first, ast.Constant) and str(first.value).startswith("_"):
                raise AssertionError(f"{self._module}:{node.lineno}: write the borrowed name out")
        if not isinstance(name, ast.Constant):
            return
        root = self._imports.get(ast.unparse(owner).partition(".")[0], "")
        if called == "borrowed" or (_is_foreign(root) and not root.startswith("yaml")):
            yield node.lineno, str(name.value)

    def _of_assignment(self, node: ast.Assign) -> Iterator[tuple[int, str]]:
        """Attributes of others' objects that are replaced: no class of ours has one of that name."""
        for target in node.targets:
            if not isinstance(target, ast.Attribute) or _is_own(target.value):
                continue
            if target.attr not in _own_attributes() | _REPLACEABLE and not target.attr.startswith("__"):
                yield node.lineno, target.attr

    def _is_borrowed(self, node: ast.Attribute) -> bool:
        if node.attr in _PROMISED_ATTRIBUTES:
            return False
        owner = ast.unparse(node.value)
        if owner == "super()":
            return True
        return node.attr not in self._own and node.attr not in self._inherited()

    @cache  # noqa: B019 - lives as long as a test
    def _inherited(self) -> frozenset[str]:
        """Private names that classes of this file have from other classes of ours."""
        names: set[str] = set()
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ClassDef):
                for base in self._bases(node):
                    names.update(*(_assigned(cls) for cls in base.__mro__ if _is_ours(cls)))
        return frozenset(names)

    def _bases(self, node: ast.ClassDef) -> Iterator[type]:
        for base in node.bases:
            name = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
            first, _, rest = name.partition(".")
            dotted = self._imports.get(first)
            found: Any = getattr(builtins, name, None)
            if dotted is not None:
                found = find(f"{dotted}.{rest}" if rest else dotted)
            elif found is None:
                found = getattr(importlib.import_module(self._module), name, None)
            if isinstance(found, type):
                yield found

    def _overridden(self, node: ast.ClassDef) -> Iterator[str]:
        """Private names that a class defines and a class of others, of which it is a kind, defines too."""
        own = {name for name in _defined(node) if _PRIVATE.fullmatch(name)}
        theirs: set[str] = set()
        for base in self._bases(node):
            theirs.update(*(_assigned(cls) for cls in base.__mro__ if _is_foreign(cls.__module__)))
        yield from sorted(own & theirs)


# Public and documented: of a console of Rich, and of a logger.
_REPLACEABLE = frozenset({"width", "handlers", "propagate", "showwarning"})


@cache
def _own_attributes() -> frozenset[str]:
    return frozenset().union(*(_defined(ast.parse(path.read_text("utf-8"))) for path in SRC.rglob("*.py")))


def _last_name(function: ast.expr) -> str:
    """By which a function is called, without what it belongs to."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _is_own(owner: ast.expr) -> bool:
    """Whether an attribute's owner is the object or the class of the method."""
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls")


def _defined(tree: ast.AST) -> frozenset[str]:
    """Names of functions, classes and variables, and of attributes of `self`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            names.add(node.attr)
    return frozenset(names)


@cache
def _assigned(cls: type) -> frozenset[str]:
    """All names that a class defines, with those of attributes that its methods set."""
    written: set[str] = set()
    # Some packages say that their classes are defined where they are exported: then the methods still know.
    for source in (cls, *(member for member in vars(cls).values() if inspect.isfunction(member))):
        try:
            written |= _defined(ast.parse(textwrap.dedent(inspect.getsource(source))))
        except (OSError, TypeError, SyntaxError):
            continue
        if source is cls:
            break
    return frozenset(written) | frozenset(vars(cls))


def _is_ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == OURS


@cache
def _packages() -> frozenset[str]:
    return frozenset(packages_distributions()) - {OURS}


def _is_foreign(dotted: str) -> bool:
    root = dotted.partition(".")[0]
    return root in _packages() and root not in sys.stdlib_module_names and dotted != _PYTHONS_OWN_LOGGER


def _is_promised(dotted: str, *, is_module: bool = False) -> bool:
    """Whether a name is exported or documented: at the top of its package, by `__all__`, or as `DOCUMENTED` says."""
    parts = dotted.split(".")
    if any(part.startswith("_") for part in parts):
        return False
    if any(dotted == known or dotted.startswith(f"{known}.") for known in DOCUMENTED):
        return True
    if is_module:
        return len(parts) == 1
    *above, name = parts
    if len(above) <= 1:
        return True
    packages = [".".join(above[:length]) for length in range(1, len(above))]
    return any(name in getattr(importlib.import_module(package), "__all__", ()) for package in packages)
