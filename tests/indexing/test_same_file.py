"""One file has one name in a collection, whichever of the paths to it is synced, and in whatever order."""

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag import MarkdownLoader, MilvusStore, open_store, sync
from milvus_rag.errors import InputError
from milvus_rag.indexing.checkouts import checkout_of, normal_remote
from milvus_rag.pipeline import build_index
from milvus_rag.settings import Settings
from support.pages import CountingEmbeddings, Lines, places

FILES = {"faq.md": "of all", "x.md": "of docs", "sub/x.md": "of sub", "sub/deep/y.md": "of deep"}


@pytest.fixture
def embedding() -> CountingEmbeddings:
    return CountingEmbeddings()


@pytest.fixture
def store(lite_uri: str, embedding: CountingEmbeddings) -> Iterator[MilvusStore]:
    with open_store(lite_uri, embedding=embedding, full_text=False) as opened:
        yield opened


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def texts(store: MilvusStore) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for source, _, text in sorted(places(store)):
        found.setdefault(source, []).append(text)
    return found


def roots_known(store: MilvusStore) -> int:
    layout = store.collection.existing()
    return sum(name.startswith(("root.", "place.")) and bool(value) for name, value in layout.properties.items())


class TestAFolderAFileInItAndAFolderInIt:
    @pytest.mark.parametrize("order", list(itertools.permutations(["", "faq.md", "sub"])), ids=repr)
    def test_hold_each_file_once(
        self, store: MilvusStore, docs: Path, order: tuple[str, ...], embedding: CountingEmbeddings
    ) -> None:
        for part in order:
            sync(MarkdownLoader(docs / part), Lines(), store)
        assert texts(store) == {name: [text] for name, text in FILES.items()}
        assert sorted(embedding.texts) == sorted(FILES.values())
        assert roots_known(store) == 1
        assert not any(sync(MarkdownLoader(docs / part), Lines(), store).changed for part in order)

    @pytest.mark.parametrize("edited_by", ["", "sub", "sub/deep", "sub/deep/y.md"])
    def test_have_an_edit_replaced_by_any_of_them(self, store: MilvusStore, docs: Path, edited_by: str) -> None:
        for part in ("sub/deep/y.md", "", "sub"):
            sync(MarkdownLoader(docs / part), Lines(), store)
        (docs / "sub/deep/y.md").write_text("edited")
        report = sync(MarkdownLoader(docs / edited_by), Lines(), store)
        assert (report.added, report.removed) == (1, 1)
        assert texts(store) == {**{name: [text] for name, text in FILES.items()}, "sub/deep/y.md": ["edited"]}

    def test_lose_a_file_by_any_of_them(self, store: MilvusStore, docs: Path) -> None:
        sync(MarkdownLoader(docs), Lines(), store)
        (docs / "sub/x.md").unlink()
        report = sync(MarkdownLoader(docs / "sub"), Lines(), store)
        assert report.pruned == ["sub/x.md"]
        assert set(texts(store)) == FILES.keys() - {"sub/x.md"}

    def test_keep_what_only_the_inner_one_loads(self, store: MilvusStore, docs: Path) -> None:
        """As files of another kind."""
        (docs / "sub/notes.txt").write_text("a note")
        sync(MarkdownLoader(docs / "sub", "**/*.txt"), Lines(), store)
        for _ in range(2):
            sync(MarkdownLoader(docs), Lines(), store)
            assert sorted(text for found in texts(store).values() for text in found) == sorted(
                [*FILES.values(), "a note"]
            )

    def test_through_a_link_is_the_same_file(self, store: MilvusStore, docs: Path) -> None:
        (docs.parent / "link").symlink_to(docs)
        sync(MarkdownLoader(docs), Lines(), store)
        assert not sync(MarkdownLoader(docs.parent / "link/sub"), Lines(), store).changed
        assert not sync(MarkdownLoader(docs.parent / "link"), Lines(), store).changed

    def test_may_be_given_together(self, lite_uri: str, docs: Path) -> None:
        settings = Settings(uri=lite_uri, embeddings="none")
        reports = build_index(settings, [str(docs), str(docs / "faq.md"), str(docs / "sub")])
        assert [(report.added, report.unchanged) for report in reports] == [(4, 0), (0, 1), (0, 2)]


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def checkout(folder: Path, remote: str, branch: str = "main") -> Path:
    """A checkout with a folder docs."""
    (folder / "docs").mkdir(parents=True)
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    git(folder, "remote", "add", "origin", remote)
    return folder / "docs"


class TestACheckout:
    REMOTES = (
        "https://me:secret@Example.org/team/docs.git",
        "git@example.org:team/docs",
        "ssh://git@example.org/team/docs/",
    )

    def test_has_one_name_for_all_addresses_of_its_repository(self) -> None:
        assert {normal_remote(remote) for remote in self.REMOTES} == {"example.org/team/docs"}
        assert normal_remote("../elsewhere.git") == "../elsewhere"
        assert normal_remote("file:///srv/a.git") != normal_remote("file:///srv/b.git")

    def test_is_known_below_its_top_and_in_a_further_work_tree(self, tmp_path: Path) -> None:
        docs = checkout(tmp_path / "a", self.REMOTES[0])
        git(docs, "-c", "user.name=n", "-c", "user.email=e@example.org", "commit", "--allow-empty", "-m", "one")
        git(docs, "worktree", "add", "-b", "other", str(tmp_path / "b"))
        (tmp_path / "b/docs").mkdir()
        one, other, top = (checkout_of(str(place)) for place in (docs, tmp_path / "b/docs", tmp_path / "a"))
        assert one is not None
        assert other is not None
        assert top is not None
        assert one.name == other.name
        assert (one.branch, other.branch) == ("refs/heads/main", "refs/heads/other")
        assert (one.steps_up_to(top.name), top.steps_up_to(one.name)) == (1, None)
        assert (top.path_down_to(one.name), one.path_down_to(top.name)) == ("docs", None)

    def test_is_none_without_a_remote(self, tmp_path: Path) -> None:
        git(tmp_path, "init", "--quiet")
        assert checkout_of(str(tmp_path)) is None
        (tmp_path / ".git/config").write_text("no [ config")
        assert checkout_of(str(tmp_path)) is None

    def test_in_a_new_folder_is_the_same_one_whatever_changed(self, store: MilvusStore, tmp_path: Path) -> None:
        for number, remote in enumerate(self.REMOTES):
            docs = checkout(tmp_path / f"run {number}", remote)
            (docs / "a.md").write_text(f"all is other text in {number}")
            (docs / f"only {number}.md").write_text(f"more of {number}")
            report = sync(MarkdownLoader(docs), Lines(), store)
            assert set(texts(store)) == {"a.md", f"only {number}.md"}
            assert report.pruned == ([f"only {number - 1}.md"] if number else [])
            assert not sync(MarkdownLoader(docs / "a.md"), Lines(), store).changed
        assert roots_known(store) == 1

    def test_of_another_branch_beside_it_is_another_one(self, store: MilvusStore, tmp_path: Path) -> None:
        """As two releases: neither takes the other's place."""
        for branch in ("v1", "v2", "v1", "v2"):
            folder = tmp_path / branch
            docs = folder / "docs" if folder.exists() else checkout(folder, self.REMOTES[0], branch)
            (docs / "a.md").write_text(f"of {branch}")
            sync(MarkdownLoader(docs), Lines(), store)
        assert texts(store) == {"a.md": ["of v1", "of v2"]}


class TestAName:
    def test_says_what_is_one_thing(self, store: MilvusStore, tmp_path: Path) -> None:
        for number in range(3):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / f"{number}.md").write_text(f"text of {number}")
            report = sync(MarkdownLoader(folder), Lines(), store, scope="handbook")
            assert texts(store) == {f"{number}.md": [f"text of {number}"]}
            # The one before is still there, and its file has gone.
            assert len(report.notes) == (number > 0)
        assert roots_known(store) == 1

    def test_may_be_given_later(self, store: MilvusStore, docs: Path, embedding: CountingEmbeddings) -> None:
        sync(MarkdownLoader(docs), Lines(), store)
        embedding.texts = []
        report = sync(MarkdownLoader(docs), Lines(), store, scope="handbook")
        assert (report.added, report.moved, report.removed, embedding.texts, report.notes) == (0, 4, 0, [], [])
        assert not sync(MarkdownLoader(docs), Lines(), store, scope="handbook").changed
        assert not sync(MarkdownLoader(docs / "sub"), Lines(), store).changed

    def test_keeps_two_things_apart(self, store: MilvusStore, tmp_path: Path) -> None:
        (tmp_path / "a.md").write_text("one")
        for scope in ("first", "second"):
            sync(MarkdownLoader(tmp_path / "a.md"), Lines(), store, scope=scope)
        (tmp_path / "a.md").write_text("two")
        sync(MarkdownLoader(tmp_path / "a.md"), Lines(), store, scope="first")
        assert texts(store) == {"a.md": ["one", "two"]}

    @pytest.mark.parametrize("name", ["", " "])
    def test_is_not_empty(self, store: MilvusStore, docs: Path, name: str) -> None:
        with pytest.raises(InputError, match="empty name"):
            sync(MarkdownLoader(docs), Lines(), store, scope=name)

    def test_is_that_of_one_path(self, lite_uri: str, docs: Path) -> None:
        with pytest.raises(InputError, match="--name"):
            build_index(Settings(uri=lite_uri, embeddings="none"), [str(docs), str(docs / "sub")], name="handbook")
