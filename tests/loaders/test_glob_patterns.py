"""Globs: the same for folders and archives."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from milvus_rag import MarkdownLoader
from milvus_rag.errors import InputError
from milvus_rag.loaders.glob_patterns import Glob


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("**/*.md", ["a.md", "en/a.md", "en/faq/b.md"], ["a.mdx", "a.MD", "en/.git/a.md", ".a.md", ".venv/x/a.md"]),
        ("*.md", ["a.md"], ["en/a.md", ".a.md"]),
        ("en/faq/*.md", ["en/faq/a.md"], ["en/a.md", "en/faq/x/a.md", "x/en/faq/a.md", "en/faq/a.txt"]),
        ("./en//*.md", ["en/a.md"], ["a.md"]),
        ("en/**/*.md", ["en/a.md", "en/x/y/a.md"], ["a.md", "fr/a.md"]),
        ("en/**", ["en/a.md", "en/x/b.txt"], ["en", "fr/a.md", "en/.x/a.md"]),
        ("**", ["a", "x/y"], [".a"]),
        ("**/faq/**/*.md", ["faq/a.md", "x/faq/y/z/a.md"], ["x/a.md", "xfaq/a.md"]),
        ("**/**/a/**/**/b", ["a/b", "x/a/y/b"], ["a/c", "b"]),
        (".github/**/*.md", [".github/a.md", ".github/x/a.md"], ["a.md", ".github/.x/a.md"]),
        ("**/.*.md", [".a.md", "x/.a.md"], ["a.md"]),
        ("[ab]?.md", ["a1.md", "b2.md"], ["c1.md", "a.md", "a12.md"]),
        ("[!a].md", ["b.md"], ["a.md", "..md"]),
        ("a+(1).md", ["a+(1).md"], ["aa1.md"]),
    ],
)
def test_what_a_glob_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    glob = Glob(pattern)
    assert [path for path in matching if not glob.matches(path)] == []
    assert [path for path in others if glob.matches(path)] == []


def test_a_folder_that_cannot_match_is_known_before_it_is_read() -> None:
    glob = Glob("en/faq/*.md")
    assert glob.step(glob.start, "en")
    assert not glob.step(glob.start, "fr")
    assert not glob.step(glob.step(glob.start, "en"), "about")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "names no file"),
        ("./", "names no file"),
        ("/etc/*.md", "absolute"),
        ("C:/docs/*.md", "absolute"),
        ("../*.md", "leads out"),
        ("en/../../*.md", "leads out"),
    ],
)
def test_a_glob_that_leads_elsewhere_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Glob(pattern)


@pytest.mark.huge
def test_a_hostile_glob_takes_no_longer() -> None:
    assert not Glob("**/a" * 50 + "/b").matches("a/" * 500 + "c")
    assert not Glob("*a" * 50 + "b").matches("a" * 1000)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "b.md", ".c", "d e"]), min_size=1, max_size=5))
def test_a_path_that_is_its_own_glob_matches(parts: list[str]) -> None:
    path = "/".join(parts)
    assert Glob(path).matches(path)
    assert Glob("**/*").matches(path) == (not any(part.startswith(".") for part in parts))


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda loader: pickle.loads(pickle.dumps(loader))])  # noqa: S301 - its own
def test_a_loader_with_its_glob_may_be_sent_to_another_process(
    tmp_path: Path, copy_of: Callable[[MarkdownLoader], MarkdownLoader]
) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text(f"# {name}")
    loader = MarkdownLoader(tmp_path, "**/[ab].md", shard=(1, 1))
    assert [document.metadata["source"] for document in copy_of(loader).load()] == ["a.md", "b.md"]
