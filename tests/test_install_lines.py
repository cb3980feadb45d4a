"""What people are told to type to install something: it never sends them to a name that somebody else may own."""

import json
import re
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import extras
from milvus_rag.extras import install_line

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").glob("*.py"),
    *(ROOT / "examples").glob("*.ipynb"),
]
# Of this package, with or without extras.
LINE = re.compile(r"pip install (?:--?[\w-]+ )*'?((?:milvus-rag|\.)(?:\[[\w,]+\])?)(?='|\s|`|$)", re.MULTILINE)


def installed_from(monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None) -> None:
    class Installed:
        def read_text(self, name: str) -> str | None:
            return None if origin is None or name != "direct_url.json" else json.dumps(origin)

    monkeypatch.setattr(extras, "distribution", lambda name: Installed())


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"url": "file:///home/me/milvus-rag", "dir_info": {"editable": True}}, "."),
        ({"url": "file:///home/me/milvus-rag", "dir_info": {}}, "."),
        ({"url": "file:///tmp/milvus_rag-1-py3-none-any.whl", "archive_info": {}}, "milvus-rag"),
        (None, "milvus-rag"),
    ],
)
def test_it_names_where_this_copy_is_from(monkeypatch: pytest.MonkeyPatch, origin: Any, name: str) -> None:
    installed_from(monkeypatch, origin)

    assert install_line("gemini") == f"pip install '{name}[gemini]'"
    assert install_line("openai", "local") == f"pip install '{name}[openai,local]'"


def test_this_copy_is_from_a_folder() -> None:
    assert install_line("gemini") == "pip install '.[gemini]'"


def test_pages_and_examples_install_from_the_folder() -> None:
    known = set(Distribution.from_name("milvus-rag").metadata.get_all("Provides-Extra") or ())
    lines = [line for page in PAGES for line in LINE.findall(page.read_text("utf-8"))]

    assert len(lines) >= 8
    for line in lines:
        name, _, named = line.partition("[")
        assert name == ".", line
        assert set(named.rstrip("]").split(",")) - {""} <= known, line


def test_only_one_place_writes_it() -> None:
    writers = [
        path.name
        for path in (ROOT / "src").rglob("*.py")
        if re.search(r"pip install '\{?(?:milvus-rag|name)", path.read_text())
    ]
    assert writers == ["extras.py"]
