"""The house is as docs/architecture.md draws it: which parts there are, and who may know of whom."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

import pytest

# What is read of the house is read once, for all tests, and runs nothing of it.
pytestmark = [pytest.mark.huge, pytest.mark.xdist_group("architecture")]

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
OURS = "milvus_rag"

# The front door, which knows all parts by name and none before it is asked for one.
FRONT_DOOR = OURS
_RELATIVE = re.compile(r"\.+[a-z_]+(\.[a-z_]+)*")
_FLOOR = re.compile(r"^ {2}(?P<parts>\w+(?: \w+)*)(?: {2,}│.*)?$", re.MULTILINE)
_STRANGERS = re.compile(r"^- `(?P<part>\w+)` knows none of (?P<others>`\w+`(?:(?:, | and )`\w+`)*)", re.MULTILINE)
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<where>[^|]+) \|$", re.MULTILINE)
_PATH = re.compile(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`")


@dataclass(frozen=True, order=True)
class Import:
    """One module of ours that imports another.

    Attributes:
        importer: Its dotted name.
        imported: The other's.
        line: Where.
        when: ``"import"`` at the top, ``"call"`` inside a function, ``"types"`` for type checkers only.
    """

    importer: str
    imported: str
    line: int
    when: str

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def section(title: str, page: str = PAGE) -> str:
    """A section of a page, without its heading."""
    _, _, rest = page.partition(f"\n## {title}\n")
    assert rest, f"there is no section {title}"
    return rest.partition("\n## ")[0]


def floors(drawing: str) -> list[list[str]]:
    """Parts by floor, the highest first."""
    return [floor["parts"].split() for floor in _FLOOR.finditer(drawing.split("```")[1])]


def strangers(drawing: str) -> dict[str, set[str]]:
    """Parts below a part that it does not know all the same."""
    return {found["part"]: set(re.findall(r"`(\w+)`", found["others"])) for found in _STRANGERS.finditer(drawing)}


@cache
def modules() -> dict[str, Path]:
    """All modules of the package, by dotted name."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = [OURS, *path.relative_to(SRC).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports() -> list[Import]:
    """All imports of ours by ours, those of the front door left out."""
    return [found for name, path in modules().items() if name != FRONT_DOOR for found in imports_of(name, path)]


def imports_of(name: str, path: Path) -> Iterator[Import]:
    """What a module imports of ours: by a statement, or by a relative name that is written as text."""
    tree = ast.parse(path.read_text("utf-8"))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    when = dict(_when(tree))
    names_modules = any(isinstance(node, ast.Name) and node.id == "import_module" for node in ast.walk(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            for alias in node.names:
                known = f"{base}.{alias.name}"
                if base.partition(".")[0] == OURS:
                    yield Import(name, known if known in modules() else base, node.lineno, when.get(node, "import"))
        elif names_modules and isinstance(node, ast.Constant) and _RELATIVE.fullmatch(str(node.value)):
            yield Import(name, resolve_name(str(node.value), package), node.lineno, "call")


def _when(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from ((inner, "call") for inner in ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from ((inner, "types") for inner in ast.walk(node))


def part_of(module: str) -> str:
    """The part of the house that a module belongs to."""
    return module.split(".")[1]


def circles(edges: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """A circle for each set of nodes that lead back to each other."""
    onward: dict[str, set[str]] = {}
    for start, end in edges:
        if start != end:
            onward.setdefault(start, set()).add(end)
    reached = {node: _reached(node, onward) for node in onward}
    inside = {node: frozenset(other for other in reached[node] if node in reached.get(other, ())) for node in onward}
    return sorted({tuple(sorted(nodes)) for nodes in inside.values() if nodes})


def _reached(node: str, onward: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [node]
    while waiting:
        for following in onward.get(waiting.pop(), ()):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return seen


def against(drawing: str, found: Iterable[Import]) -> list[str]:
    """Imports that the drawing does not allow."""
    level = {part: number for number, floor in enumerate(floors(drawing)) for part in floor}
    unknown = strangers(drawing)
    wrong = []
    for one in found:
        above, below = part_of(one.importer), part_of(one.imported)
        is_drawn = above in level and below in level
        if above != below and (not is_drawn or level[above] >= level[below] or below in unknown.get(above, ())):
            wrong.append(str(one))
    return wrong


class TestTheHouse:
    def test_has_every_part_and_no_other(self) -> None:
        drawn = [part for floor in floors(section("The house")) for part in floor]
        there = {part_of(name) for name in modules() if name != FRONT_DOOR}
        assert sorted(drawn) == sorted(there)

    def test_has_no_arrow_upwards_or_to_a_neighbour(self) -> None:
        assert against(section("The house"), imports()) == []

    def test_has_no_circle_of_parts(self) -> None:
        assert circles((part_of(one.importer), part_of(one.imported)) for one in imports()) == []

    @pytest.mark.parametrize("when", ["import", "call", "types"])
    def test_has_no_circle_of_modules(self, when: str) -> None:
        """Each kind of import with the ones that happen earlier."""
        kinds = {"import": {"import"}, "call": {"import", "call"}, "types": {"import", "types"}}[when]
        assert circles((one.importer, one.imported) for one in imports() if one.when in kinds) == []

    def test_imports_nothing_that_is_not_there(self) -> None:
        """Modules that are named in text are found at the first call only."""
        assert [str(one) for one in imports() if one.imported not in modules()] == []

    def test_names_only_parts_in_its_rules(self) -> None:
        drawn = {part for floor in floors(section("The house")) for part in floor}
        rules = strangers(section("The house"))
        assert rules
        assert rules.keys() | set().union(*rules.values()) <= drawn


class TestTheParser:
    DRAWING = (
        "```\n  cli              │ the command\n  indexing chains\n  stores loaders   │ x\n  errors\n```\n\n"
        "- `indexing` knows none of `loaders`: it is given one.\n"
    )

    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("errors", "not_drawn"),
            ("errors", "cli"),
            ("stores.a", "loaders.b"),
            ("indexing.a", "chains"),
            ("indexing.a", "loaders"),
        ],
    )
    def test_finds_what_is_wrong(self, importer: str, imported: str) -> None:
        one = Import(f"{OURS}.{importer}", f"{OURS}.{imported}", 3, "call")
        assert against(self.DRAWING, [one]) == [str(one)]

    @pytest.mark.parametrize(
        ("importer", "imported"), [("cli.a", "errors"), ("stores.a", "stores.b"), ("indexing.a", "stores.b")]
    )
    def test_lets_pass_what_is_right(self, importer: str, imported: str) -> None:
        assert against(self.DRAWING, [Import(f"{OURS}.{importer}", f"{OURS}.{imported}", 3, "import")]) == []

    def test_reads_floors_and_rules(self) -> None:
        assert floors(self.DRAWING) == [["cli"], ["indexing", "chains"], ["stores", "loaders"], ["errors"]]
        assert strangers(self.DRAWING) == {"indexing": {"loaders"}}

    def test_finds_circles_of_any_length(self) -> None:
        assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d")]) == [("a", "b", "c")]
        assert circles([("a", "b"), ("b", "c"), ("a", "c")]) == []

    def test_sees_modules_that_are_named_in_text(self, tmp_path: Path) -> None:
        file = tmp_path / "x.py"
        file.write_text(
            "from importlib import import_module\n_MODULES = {'a': '.gemini'}\nimport_module(_MODULES['a'])"
        )
        (one,) = (found for found in imports_of(f"{OURS}.models.x", file) if found.imported.startswith(OURS))
        assert str(one) == f"{OURS}.models.x:2 imports {OURS}.models.gemini"
        assert one.imported not in modules()

    def test_tells_when_an_import_happens(self, tmp_path: Path) -> None:
        file = tmp_path / "x.py"
        file.write_text(
            "from typing import TYPE_CHECKING\nfrom ..errors import InputError\n"
            "if TYPE_CHECKING:\n    from ..settings import Settings\n"
            "def f():\n    from .. import extras\n"
        )
        found = {(one.imported.partition(".")[2], one.when) for one in imports_of(f"{OURS}.cli.x", file)}
        assert found == {("errors", "import"), ("settings", "types"), ("extras", "call")}


@pytest.mark.parametrize(
    "what", ["a document format", "a door of the server", "an engine", "a reranker", "a splitter", "a provider"]
)
def test_it_is_said_where_to_add(what: str) -> None:
    assert any(row["what"].startswith(what) for row in _ROW.finditer(section("Where to add")))


def test_every_path_on_the_page_is_there() -> None:
    """Paths are written from `src/`, or from the top of the project."""
    paths = sorted(set(_PATH.findall(PAGE)))
    assert len(paths) > 30
    assert [path for path in paths if not (SRC / path).exists() and not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "word",
    ["place", "root", "moved", "claimed", "source", "chunk", "row", "leftover", "collection", "alias", "generation"],
)
def test_a_word_has_one_meaning(word: str) -> None:
    assert len(re.findall(rf"^- \*\*{word}\*\*: ", section("Words with one meaning"), re.MULTILINE)) == 1
