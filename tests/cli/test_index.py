"""`milvus-rag index`: what is stored, what is said, and what a second run does."""

import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import open_store
from support.cli import run_process
from support.openai_server import OpenAIServer
from support.site import site
from support.waiting import PATIENCE_SECONDS

from .conftest import Run


@pytest.fixture
def openai(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """An embedding server that --embeddings openai reaches."""
    with OpenAIServer() as server:
        for name, value in server.environment("openai").items():
            monkeypatch.setenv(name, value)
        yield server
        assert server.violations == []


def stored_texts(uri: str = "./milvus_demo.db") -> dict[str, list[str]]:
    """Texts of a collection by source, in the order of the source."""
    with open_store(uri, embedding=None) as store:
        documents = store.search_by_metadata("", limit=10_000)
    texts: dict[str, list[tuple[int, str]]] = {}
    for document in documents:
        texts.setdefault(document.metadata["source"], []).append((document.metadata["chunk"], document.page_content))
    return {source: [text for _, text in sorted(rows)] for source, rows in texts.items()}


@pytest.mark.shared
def test_the_tutorials_pages_are_72_chunks_to_the_byte(run: Run, milvus_docs: Path) -> None:
    arguments = ("index", milvus_docs, "--glob", "en/faq/*.md", "--splitter", "marker", "--json")
    first, second = run(*arguments).json, run(*arguments).json
    assert (first["added"], first["unchanged"]) == (72, 0)
    assert (second["added"], second["moved"], second["removed"], second["unchanged"]) == (0, 0, 0, 72)
    with zipfile.ZipFile(milvus_docs) as archive:
        pages = {
            name: archive.read(name).decode()
            for name in archive.namelist()
            if name.startswith("en/faq/") and name.endswith(".md")
        }
    expected = {name: [part for part in page.split("# ") if part.strip()] for name, page in pages.items()}
    assert sum(map(len, expected.values())) == 72
    assert stored_texts() == expected


def test_it_says_in_a_line_what_it_did(run: Run, docs: Path) -> None:
    first, second = run("index", docs), run("index", docs)
    assert first.stdout.startswith(f"{docs}: 3 files, chunks: 4 added, 0 moved, 0 unchanged, 0 removed in ")
    assert second.stdout.startswith(f"{docs}: 3 files, chunks: 0 added, 0 moved, 4 unchanged, 0 removed in ")
    assert (first.stderr, second.stderr) == ("", "")


def test_it_follows_the_files(run: Run, indexed: Path) -> None:
    (indexed / "cooking.md").unlink()
    (indexed / "faq" / "limits.md").write_text("# Limits\n\nA vector has at most 65,536 dimensions.\n")
    (indexed / "new.md").write_text("# New\n\nA page that was not there.\n")
    report = run("index", indexed, "--json").json
    assert (report["added"], report["removed"], report["unchanged"]) == (2, 2, 2)
    assert set(stored_texts()) == {"faq/storage.md", "faq/limits.md", "new.md"}


def test_json_is_one_document_with_a_run_a_path(run: Run, docs: Path) -> None:
    ran = run("index", docs / "faq", docs / "cooking.md", "--json")
    assert ran.stderr == ""
    assert ran.json["added"] == 4
    assert [(entry["path"], entry["sources"], entry["failed"]) for entry in ran.json["runs"]] == [
        (str(docs / "faq"), 2, []),
        (str(docs / "cooking.md"), 1, []),
    ]


def test_paths_with_files_of_the_same_name_are_refused(run: Run, docs: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cooking.md").write_text("# Waffles\n")
    ran = run("index", docs, tmp_path / "other")
    assert ran.exit_code == 2
    assert "both have cooking.md" in ran.error


def test_a_dry_run_writes_nothing(run: Run, docs: Path, openai: OpenAIServer) -> None:
    ran = run("index", docs, "--dry-run", "--embeddings", "openai")
    assert f"{docs}: 3 files, chunks: 4 added, 0 moved, 0 unchanged, 0 removed; about " in ran.stdout
    assert "tokens to embed (dry run, nothing was done)" in ran.stdout
    assert run("index", docs, "--dry-run", "--rebuild", "--json").json["added"] == 4
    assert openai.requests == []
    assert not Path("milvus_demo.db").exists()
    assert "no file or folder" not in run("index", docs, "--dry-run", "--uri", "nowhere/new.db").error


def test_what_is_recorded_is_compared_where_it_is_asked_for_and_not_with_a_rebuild(run: Run, indexed: Path) -> None:
    assert run("index", indexed, "--verify", "--json").json["unchanged"] == 4
    for other in ("--rebuild", "--prune-only"):
        refused = run("index", indexed, "--verify", other)
        assert refused.exit_code == 2
        assert "leave out" in refused.error


def test_without_prune_what_is_gone_stays(run: Run, indexed: Path) -> None:
    (indexed / "cooking.md").unlink()
    assert run("index", indexed, "--no-prune", "--json").json["removed"] == 0
    assert run("index", indexed, "--json").json["removed"] == 1


def test_shards_together_store_every_file_once(run: Run, docs: Path) -> None:
    for number in range(20):
        (docs / f"page{number}.md").write_text(f"# Page {number}\n\nText {number}.\n")
    parts = [run("index", docs, "--shard", f"{number}/3", "--json").json for number in (1, 2, 3)]
    assert sum(part["added"] for part in parts) == 24
    assert all(part["added"] for part in parts)
    assert all(part["removed"] == 0 for part in parts)
    assert run("index", docs, "--json").json["unchanged"] == 24


def test_shards_that_prune_nothing_are_completed_by_one_step_that_does(run: Run, indexed: Path) -> None:
    (indexed / "cooking.md").unlink()
    for number in (1, 2):
        assert run("index", indexed, "--shard", f"{number}/2", "--no-prune", "--json").json["removed"] == 0
    assert run("index", indexed, "--prune-only", "--dry-run", "--json").json["removed"] == 1
    assert run("index", indexed, "--prune-only", "--json").json["runs"][0]["pruned"] == ["cooking.md"]
    assert "cooking.md" not in stored_texts()


def test_a_rebuild_of_parts_is_completed_by_the_whole(run: Run, indexed: Path) -> None:
    for number in (1, 2):
        ran = run("index", indexed, "--rebuild", "--splitter", "marker", "--shard", f"{number}/2")
        assert "the old one stays" in ran.stderr
    assert run("info", "--json").json["splitter"].startswith("markdown")
    assert run("index", indexed, "--rebuild", "--splitter", "marker", "--json").json["added"] == 0
    assert run("info", "--json").json["splitter"].startswith("marker")


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_shard_that_is_none_is_refused(run: Run, docs: Path, shard: str) -> None:
    ran = run("index", docs, "--shard", shard)
    assert ran.exit_code == 2
    assert repr(shard) in ran.error


def test_a_rebuild_changes_the_splitter_and_the_embedding(run: Run, indexed: Path, openai: OpenAIServer) -> None:
    refused = run("index", indexed, "--embeddings", "openai")
    assert refused.exit_code == 1
    assert "--rebuild" in refused.error
    ran = run("index", indexed, "--rebuild", "--embeddings", "openai", "--splitter", "marker", "--json")
    assert ran.json["added"] == 5
    facts = run("info", "--json").json
    assert facts["chunks"] == 5
    assert "openai:text-embedding-3-small" in facts["dense"]


def test_a_rebuild_of_one_path_does_not_drop_the_others(run: Run, docs: Path) -> None:
    faq, cooking = docs / "faq", docs / "cooking.md"
    assert run("index", faq, cooking).exit_code == 0
    refused = run("index", faq, "--rebuild")
    assert refused.exit_code == 2
    assert "1 files that this rebuild would drop" in refused.error
    assert f"cooking.md (of {cooking})" in refused.error
    assert set(stored_texts()) == {"limits.md", "storage.md", "cooking.md"}
    assert run("index", faq, cooking, "--rebuild").exit_code == 0
    assert set(stored_texts()) == {"limits.md", "storage.md", "cooking.md"}
    assert run("index", faq, "--rebuild", "--drop-others").exit_code == 0
    assert set(stored_texts()) == {"limits.md", "storage.md"}


def test_a_rebuild_does_not_take_a_folder_for_another_that_is_still_there(run: Run, docs: Path, tmp_path: Path) -> None:
    """Half of it is the same, as with two versions of a documentation."""
    newer = tmp_path / "newer"
    shutil.copytree(docs, newer)
    (newer / "cooking.md").rename(newer / "baking.md")
    assert run("index", docs).exit_code == run("index", newer).exit_code == 0
    assert f"1 files that this rebuild would drop, since they are not below its paths: cooking.md (of {docs})" in (
        run("index", newer, "--rebuild").error
    )
    shutil.rmtree(docs)
    assert run("index", newer, "--rebuild").exit_code == 0
    assert set(stored_texts()) == {"faq/storage.md", "faq/limits.md", "baking.md"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rebuild", "--no-prune"], "leave out --no-prune"),
        (["--rebuild", "--prune-only"], "leave out --prune-only"),
        (["--no-prune", "--prune-only"], "leave out one of them"),
        (["--drop-others"], "add --rebuild"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    run: Run, indexed: Path, options: list[str], message: str
) -> None:
    ran = run("index", indexed, *options)
    assert ran.exit_code == 2
    assert message in ran.error


def test_one_bad_file_does_not_stop_the_others(run: Run, indexed: Path) -> None:
    (indexed / "cooking.md").write_bytes(b"\xff\xfe\x00binary")
    (indexed / "new.md").write_text("# New\n\nA page that was not there.\n")
    ran = run("index", indexed, "--json")
    assert ran.exit_code == 1
    assert ran.json["added"] == 1
    (failure,) = ran.json["runs"][0]["failed"]
    assert failure["source"] == "cooking.md"
    assert "Failed: cooking.md: " in ran.stderr
    assert "Nothing was pruned" not in ran.stderr
    assert "cooking.md" in stored_texts()
    (indexed / "new.md").unlink()
    assert run("index", indexed, "--json").json["runs"][0]["pruned"] == ["new.md"]


def test_what_is_in_a_folder_that_cannot_be_read_is_not_taken_for_gone(
    run: Run, indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = indexed / "more"
    folder.mkdir()
    (folder / "hidden.md").write_text("# Hidden\n\nNot for everybody.\n")
    assert run("index", indexed).exit_code == 0
    listed = os.scandir

    def scandir(path: Path) -> Any:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    # To root, as whom tests may run, no folder is closed.
    monkeypatch.setattr(os, "scandir", scandir)
    ran = run("index", indexed)
    assert ran.exit_code == 1
    assert "Nothing was pruned" in ran.stderr


def test_one_bad_name_does_not_stop_the_others(run: Run, docs: Path, tmp_path: Path) -> None:
    """Nor is it told twice, where names are looked at before the files are."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "tea.md").write_text("# Tea\n\nGreen tea.\n")
    (other / os.fsdecode(b"caf\xe9.md")).write_text("# Coffee\n")
    ran = run("index", docs, other, "--json")
    assert ran.exit_code == 1
    assert ran.json["added"] == 5
    assert ran.stderr.count("Failed: ") == 1
    assert "is not UTF-8. Rename it." in ran.stderr


def test_a_process_without_a_terminal_prints_no_progress(docs: Path) -> None:
    ran = run_process("index", docs)
    assert ran.exit_code == 0
    assert ran.stderr == ""
    assert len(ran.stdout.splitlines()) == 1


def test_a_terminal_shows_a_bar(docs: Path) -> None:
    import pty
    import subprocess

    from support.cli import COMMAND

    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "index", docs], stdout=subprocess.PIPE, stderr=end, env={**os.environ, "TERM": "xterm"}
    )
    os.close(end)
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # Linux' way to say that the other end is closed
    finally:
        os.close(terminal)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert b"Indexing" in shown
    assert b"3/3" in shown
    assert b"4 added" in out


def test_what_is_passed_over_is_said_in_a_line_and_listed_by_a_dry_run(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "site"
    (folder / "node_modules").mkdir(parents=True)
    for name in ("a.md", "b.MDX", "c.png", "d.draft.md", "node_modules/README.md"):
        (folder / name).write_text("Text.")
    ran = run("index", folder, "--exclude", "*.draft.md")
    assert ran.stderr == (
        "Note: Taken: 2 files (1 .md, 1 .mdx); passed over: 2 files (1 .md, 1 .png) and folders node_modules/.\n"
    )
    dry = run("index", folder, "--exclude", "*.draft.md", "--dry-run")
    assert dry.stdout.splitlines()[1:] == [
        "  + a.md",
        "  + b.MDX",
        "  - c.png  (not chosen)",
        "  - d.draft.md  (excluded)",
        "  - node_modules/  (made by a program)",
    ]
    (one,) = run("index", folder, "--dry-run", "--json").json["runs"]
    assert one["taken"] == ["a.md", "b.MDX", "d.draft.md"]


def test_globs_add_up_and_the_environment_may_have_several(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    for name in ("a.md", "b.mdx", "c.txt", "d.rst"):
        (folder / name).write_text("Text.")
    assert run("index", folder, "--glob", "*.{md,mdx}", "--glob", "*.txt", "--json").json["added"] == 3
    monkeypatch.setenv("MILVUS_RAG_GLOB", "*.{md,mdx}, *.rst")
    assert [file["taken"] for file in run("index", folder, "--dry-run", "--json").json["runs"]] == [
        ["a.md", "b.mdx", "d.rst"]
    ]


def test_a_wrong_file_need_not_be_every_runs_exit_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Text.")
    (tmp_path / "docs" / "bad.md").write_bytes(b"Caf\xe9.")
    assert run("index", tmp_path / "docs").exit_code == 1
    ran = run("index", tmp_path / "docs", "--ignore-errors")
    assert ran.exit_code == 0
    assert "Failed: bad.md" in ran.stderr


def test_a_passage_that_is_in_two_files_takes_one_place(run: Run, tmp_path: Path) -> None:
    for name in ("docs/a.md", "docs/mirror/a.md", "docs/b.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# Bells\n\nThe bells ring at noon.\n")
    (tmp_path / "docs/b.md").write_text("# Ropes\n\nRopes of bells are made of hemp.\n")
    run("index", tmp_path / "docs")
    hits = run("search", "bells", "-k", "2", "--json").json["hits"]
    assert [hit["text"].partition("\n")[0] for hit in hits] == ["Bells", "Ropes"]


def test_a_site_is_indexed_by_its_address(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback only when asked for; pages are kept for the next run; what is gone goes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with site() as web:
        web.page("/docs/", "A start.", links=("pumps/", "seals/"))
        web.page("/docs/pumps/", "Pumps are primed by hand.")
        web.page("/docs/seals/", "Seals are of rubber.")
        address = f"{web.url}docs/"
        refused = run("index", address)
        assert refused.exit_code == 1
        assert "--private-addresses" in refused.error
        assert "3 files, chunks: 3 added" in run("index", address, "--private-addresses").stdout
        assert f"{address}pumps/" in run("search", "How are pumps primed?").stdout
        web.page("/docs/", "A start.", links=("pumps/",))
        web.status("/docs/seals/", 404)
        assert "chunks: 0 added, 0 moved, 2 unchanged, 1 removed" in run("index", address, "--private-addresses").stdout
        assert web.loaded == ["/docs/", "/docs/pumps/", "/docs/seals/", "/docs/"]
        assert run("index", address, "--shard", "1/2").exit_code == 2


class TestANewCollection:
    def test_is_made_as_the_options_say_and_searched_by_theirs(
        self, run: Run, docs: Path, openai: OpenAIServer
    ) -> None:
        index = '{"index_type": "HNSW", "metric_type": "COSINE", "params": {"M": 8, "efConstruction": 32}}'
        made = ("--index-params", index, "--collection-properties", '{"mmap.enabled": true}', "--num-shards", 1)
        assert run("index", docs, "--embeddings", "openai:m", *made).exit_code == 0

        with open_store("./milvus_demo.db") as store:
            described = store.client.describe_collection("my_rag_collection")
            assert described["properties"]["mmap.enabled"] == "true"
            assert store.client.describe_index("my_rag_collection", "vector")["index_type"] == "HNSW"
        assert run("search", "tea", "--search-params", '{"params": {"ef": 40}}', "--mode", "dense").exit_code == 0

    def test_that_is_there_already_is_told_once(
        self, run: Run, docs: Path, openai: OpenAIServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert run("index", docs, "--embeddings", "openai:m").exit_code == 0
        again = run("index", docs, "--index-params", '{"index_type": "HNSW"}')

        assert again.exit_code == 0
        assert caplog.text.count("its dense index has index_type FLAT, not HNSW") == 1
        caplog.clear()
        rebuilt = run("index", docs, "--index-params", '{"index_type": "HNSW"}', "--rebuild")
        assert (rebuilt.exit_code, caplog.text.count("there already")) == (0, 0)
        with open_store("./milvus_demo.db") as store:
            assert store.client.describe_index(store.layout.name, "vector")["index_type"] == "HNSW"

    def test_is_made_as_the_old_one_by_a_rebuild_that_says_nothing(
        self, run: Run, docs: Path, openai: OpenAIServer
    ) -> None:
        made = ("--index-params", '{"index_type": "HNSW", "metric_type": "COSINE"}', "--partition-key-field", "source")
        assert run("index", docs, "--embeddings", "openai:m", *made, "--num-partitions", 4).exit_code == 0
        assert run("index", docs, "--rebuild").exit_code == 0
        assert run("index", docs, "--rebuild", "--chunk-size", 500).exit_code == 0

        with open_store("./milvus_demo.db") as store:
            index = store.client.describe_index(store.layout.name, "vector")
            assert (index["index_type"], index["metric_type"]) == ("HNSW", "COSINE")
            fields = store.client.describe_collection(store.layout.name)["fields"]
            assert [field["name"] for field in fields if field.get("is_partition_key")] == ["source"]

    def test_a_partition_key_that_files_have_not_leaves_no_collection(self, run: Run, docs: Path) -> None:
        ran = run("index", docs, "--partition-key-field", "tenant")
        assert ran.exit_code == 2
        assert "has no metadata 'tenant'" in ran.error
        assert run("index", docs).exit_code == 0

    def test_a_partition_key_that_files_have(self, run: Run, docs: Path) -> None:
        ran = run("index", docs, "--partition-key-field", "source", "--num-partitions", 4)
        assert ran.exit_code == 0
        with open_store("./milvus_demo.db") as store:
            fields = store.client.describe_collection("my_rag_collection")["fields"]
            assert [field["name"] for field in fields if field.get("is_partition_key")] == ["source"]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--index-params", "{a"), "--index-params cannot be used: it is no JSON"),
            (("--index-params", "[1]"), "--index-params cannot be used: it is no JSON object"),
            (("--collection-properties", "[]"), "--collection-properties cannot be used: it is no JSON object"),
            (("--index-params", '{"metric": "IP"}'), "index_params has index_type, metric_type and params, not metric"),
            (("--num-partitions", 4), "give partition_key_field too"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, run: Run, docs: Path, options: tuple[Any, ...], message: str) -> None:
        ran = run("index", docs, *options)
        assert ran.exit_code == 2
        assert message in ran.error
        assert not Path("milvus_demo.db").exists()
