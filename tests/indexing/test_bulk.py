"""A first load by files: what is imported is what a sync would have stored, to the row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document
from pyarrow import parquet
from pymilvus import DataType

from milvus_rag import MarkdownLoader, MarkdownSplitter, MilvusStore, milvus_retriever, open_store, sync
from milvus_rag.errors import InputError, LoaderError, StoreAuthenticationError, StoreError
from milvus_rag.indexing import bulk
from milvus_rag.indexing.bulk import bulk_load, show_imported
from milvus_rag.indexing.options import SyncOptions
from milvus_rag.stores.connection import Server
from milvus_rag.stores.import_jobs import ImportTarget, run_import
from milvus_rag.stores.row_files import REQUEST_FILE, Place, RowFiles, read_place
from support.pages import CountingEmbeddings, Lines, Pages
from support.scripted_server import Script, scripted
from support.syncing import write_pages
from support.waiting import wait_until

OPTIONS = SyncOptions()
PLACE = Place("s3://milvus/load/one", "milvus", "load/one")


class Broken(BaseLoader):
    """A loader that cannot go on."""

    root = "broken"

    def lazy_load(self) -> Iterator[Document]:
        yield Document("one", metadata={"source": "a.md"})
        yield Document("two", metadata={"source": "b.md"})
        raise LoaderError("the disk is gone")


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # What is recorded of files that were written just now depends on when it is.
    monkeypatch.setattr("milvus_rag.loaders.file_facts._SETTLED_NS", 0)
    folder = tmp_path / "docs"
    folder.mkdir()
    write_pages(folder, pages=6, sections=4)
    # The same text in two places, and what JSON escapes.
    (folder / "twice.md").write_text((folder / "page00.md").read_text("utf-8"), "utf-8")
    (folder / "é.md").write_text("---\ntags: [a, ü]\n---\n# „Ü“ \\ 茶\n\nTea is steeped.\n", "utf-8")
    return folder


@pytest.fixture
def lite(lite_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[MilvusStore]:
    """Lite imports nothing, but its collections have full-text search as those of servers do."""
    monkeypatch.setattr(bulk, "_check_can_load", lambda _: None)
    with open_store(lite_uri, embedding=CountingEmbeddings()) as store:
        yield store


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of all files, as `MilvusClient.insert` takes them."""
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        rows += parquet.read_table(path).to_pylist()
    for row in rows:
        row.update(json.loads(row.pop("$meta")))
    return rows


def stored(store: MilvusStore) -> dict[str, dict[str, Any]]:
    """All rows, with their vectors and all that a sync knows them by."""
    layout = store.layout
    assert layout is not None
    fields = [*layout.document_fields, *filter(None, (layout.vector_field, layout.terms_field))]
    found = store.client.query(layout.name, filter='pk != ""', output_fields=fields, limit=10_000)
    return {row["pk"]: {**row, "vector": [round(float(value), 5) for value in row["vector"]]} for row in found}


def questions(store: MilvusStore) -> list[list[str | None]]:
    modes = ["dense", "hybrid"] if store.has_full_text else ["dense"]
    return [
        [hit.id for hit in milvus_retriever(store, mode, k=4).invoke(question)]  # type: ignore[arg-type]
        for mode in modes
        for question in ("Tea is steeped.", "Section 2")
    ]


def check_is_as_synced(loaded: MilvusStore, synced: MilvusStore, docs: Path) -> None:
    """A sync finds nothing to do, and rows and hits are those of a sync."""
    report = sync(MarkdownLoader(docs), MarkdownSplitter(), loaded)
    assert (report.added, report.moved, report.removed, report.embedded) == (0, 0, 0, 0)
    verified = sync(MarkdownLoader(docs), MarkdownSplitter(), loaded, verify=True)
    assert (verified.added, verified.moved, verified.embedded) == (0, 0, 0)
    sync(MarkdownLoader(docs), MarkdownSplitter(), synced)
    assert stored(loaded) == stored(synced)
    assert report.unchanged == len(stored(synced)) > 20
    assert questions(loaded) == questions(synced)


def test_rows_of_files_are_those_of_a_sync(lite: MilvusStore, docs: Path, tmp_path: Path) -> None:
    report = bulk_load(MarkdownLoader(docs), MarkdownSplitter(), lite, str(tmp_path / "load"), OPTIONS)
    assert lite.count() == 0
    rows = read_rows(tmp_path / "load")
    assert report.added == len(rows)

    lite.client.insert(lite.collection_name, rows)

    with open_store(str(tmp_path / "synced.db"), embedding=CountingEmbeddings()) as synced:
        check_is_as_synced(lite, synced, docs)


@pytest.mark.server
def test_a_real_server_imports_the_files(server_uri: str, collection_name: str, docs: Path, tmp_path: Path) -> None:
    """2.3.5 has an import over gRPC, which reads Parquet from its own disk."""
    with (
        open_store(server_uri, embedding=CountingEmbeddings(), collection=collection_name, full_text=False) as store,
        open_store(
            server_uri, embedding=CountingEmbeddings(), collection=f"{collection_name}_synced", full_text=False
        ) as synced,
    ):
        try:
            report = bulk_load(MarkdownLoader(docs), MarkdownSplitter(), store, str(tmp_path / "load"), OPTIONS)
            assert "do_bulk_insert" in report.notes[-1]
            connection = store.client._get_connection()
            job = connection.do_bulk_insert(collection_name, "", [str(tmp_path / "load" / "part-00001.parquet")])
            wait_until(lambda: connection.get_bulk_insert_state(job).state_name in ("Completed", "Failed"), "no end")
            state = connection.get_bulk_insert_state(job)
            assert (state.state_name, state.row_count) == ("Completed", report.added), state
            assert store.layout is not None
            show_imported(store, store.layout, timeout=60)

            check_is_as_synced(store, synced, docs)
            with pytest.raises(InputError, match="an import replaces none"):
                bulk_load(MarkdownLoader(docs), MarkdownSplitter(), store, str(tmp_path / "again"), OPTIONS)
        finally:
            store.drop()
            synced.drop()


def test_columns_are_those_of_pymilvus_own_writer(
    lite_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The types of `pymilvus.bulk_writer.constants`, which cannot be imported here: JSON and sparse are text."""
    monkeypatch.setattr(bulk, "_check_can_load", lambda _: None)
    schema = {
        "year": {"dtype": DataType.INT64},
        "tags": {"dtype": DataType.ARRAY, "element_type": DataType.VARCHAR, "max_capacity": 9, "max_length": 99},
        "more": {"dtype": DataType.JSON},
    }
    with open_store(lite_uri, embedding=CountingEmbeddings(), metadata_schema=schema) as store:
        metadata = {"year": 2020, "tags": ["a"], "more": {"b": 1}, "free": True}
        bulk_load(Pages({"a.md": "one\ntwo"}, metadata=metadata), Lines(), store, str(tmp_path / "load"), OPTIONS)
    table = parquet.read_table(tmp_path / "load" / "part-00001.parquet")
    types = {field.name: str(field.type).replace("element", "item") for field in table.schema}
    assert types == {
        "pk": "string",
        "text": "string",
        "vector": "list<item: float>",
        "year": "int64",
        "tags": "list<item: string>",
        "more": "string",
        "terms": "string",
        "$meta": "string",
    }
    (first, _) = table.to_pylist()
    assert (first["year"], first["tags"], json.loads(first["more"])) == (2020, ["a"], {"b": 1})
    assert json.loads(first["$meta"])["free"] is True


class TestFiles:
    def test_are_cut_by_size_into_groups(self, lite: MilvusStore, tmp_path: Path) -> None:
        sync(Pages({"a.md": "one"}), Lines(), lite)
        rows = lite.collection.rows()
        files = RowFiles(
            read_place(str(tmp_path / "load")), lite.client.describe_collection, file_bytes=20_000, group_bytes=4_000
        )
        same = {"vector": [0.5] * 8, "terms": ""}
        new = [{"pk": f"{i:032x}", "text": f"text {i}" * 20, "n": i, **same} for i in range(500)]
        for start in range(0, 500, 10):
            files.write(rows, new[start : start + 10])
        files.complete(lambda names: {"files": list(names)})
        files.close()

        paths = sorted((tmp_path / "load").glob("*.parquet"))
        assert len(paths) > 1
        assert all(path.stat().st_size < 30_000 for path in paths)
        assert parquet.ParquetFile(paths[0]).num_row_groups > 1
        assert [row["n"] for row in read_rows(tmp_path / "load")] == list(range(500))
        asked = json.loads((tmp_path / "load" / REQUEST_FILE).read_text())
        assert asked["files"] == [path.name for path in paths]
        assert not list((tmp_path / "load").glob("*.partial"))

    def test_of_a_run_that_failed_do_not_look_whole(self, lite: MilvusStore, tmp_path: Path) -> None:
        with pytest.raises(LoaderError, match="the disk is gone"):
            bulk_load(Broken(), Lines(), lite, str(tmp_path / "load"), OPTIONS)
        assert not (tmp_path / "load" / REQUEST_FILE).exists()
        assert not list((tmp_path / "load").iterdir())

    def test_are_not_mixed_with_others(self, lite: MilvusStore, tmp_path: Path) -> None:
        (tmp_path / "part-00001.parquet.partial").touch()
        with pytest.raises(InputError, match="perhaps of a run that was ended"):
            bulk_load(Pages({"a.md": "one"}), Lines(), lite, str(tmp_path), OPTIONS)

    @pytest.mark.parametrize("target", ["", "gs://bucket/folder", "s3://bucket", "s3://KEY:hunter2@bucket/folder"])
    def test_go_where_they_can(self, target: str) -> None:
        with pytest.raises(InputError) as raised:
            read_place(target)
        assert "hunter2" not in str(raised.value)


def test_lite_imports_nothing(lite_uri: str, tmp_path: Path) -> None:
    pages = Pages({"a.md": "one"})
    with open_store(lite_uri, embedding=CountingEmbeddings()) as store, pytest.raises(InputError, match="no files"):
        bulk_load(pages, Lines(), store, str(tmp_path / "load"), OPTIONS)
    assert not (tmp_path / "load").exists()


class TestJob:
    """The wire format alone: no server of the tests has import jobs over HTTP."""

    @staticmethod
    def _target(uri: str, place: Place = PLACE, version: str = "v2.4.9") -> ImportTarget:
        return ImportTarget(server=Server(uri, version), collection="notes", db_name="team", place=place)

    def _run(self, *answers: Any, **options: Any) -> tuple[str, list[tuple[str, Any]]]:
        left = list(answers)

        def answer(_: Any) -> Script:
            next_one = left.pop(0) if len(left) > 1 else left[0]
            return next_one if isinstance(next_one, Script) else Script({"code": 0, "data": next_one})

        with scripted(answer) as server:
            job = run_import(
                self._target(server.root), ["a.parquet", "b.parquet"], token="root:hunter2", timeout=30,
                poll_seconds=0, **options,
            )  # fmt: skip
            return job, server.requests

    def test_is_asked_for_and_waited_for(self) -> None:
        importing = {"state": "Importing", "progress": 40}
        job, requests = self._run(
            {"jobId": "7"}, importing, Script("away", status=503), importing, {"state": "Completed", "progress": 100}
        )
        assert job == "7"
        files = [["load/one/a.parquet"], ["load/one/b.parquet"]]
        created = ("/v2/vectordb/jobs/import/create", {"collectionName": "notes", "dbName": "team", "files": files})
        asked = ("/v2/vectordb/jobs/import/describe", {"jobId": "7", "dbName": "team"})
        assert requests == [created, *[asked] * 4]

    @pytest.mark.parametrize(
        ("answers", "error", "what"),
        [
            ([{"jobId": "7"}, {"state": "Failed", "reason": "no such file"}], StoreError, "no such file"),
            ([{"jobId": "7"}, {"state": "Pending", "progress": 0}], StoreError, "no progress"),
            ([Script({"code": 1100, "message": "wrong path"})], StoreError, "wrong path"),
            ([Script({"code": 1800, "message": "auth"})], StoreAuthenticationError, "refused the token"),
            ([Script("no", status=401)], StoreAuthenticationError, "refused the token"),
            ([Script("<html>")], StoreError, "not as Milvus does"),
            ([Script("[]")], StoreError, "not as Milvus does"),
            ([{}], StoreError, "named no job"),
        ],
    )
    def test_that_fails_is_told(self, answers: list[Any], error: type[Exception], what: str) -> None:
        with pytest.raises(error, match=what) as raised:
            self._run(*answers, stalled_seconds=0)
        assert "hunter2" not in str(raised.value)

    def test_is_asked_for_by_a_load_into_a_bucket(
        self, lite: MilvusStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answers = iter([{"jobId": "7"}, {"state": "Completed"}])
        with scripted(lambda _: Script({"code": 0, "data": next(answers)})) as server:
            # The bucket is a folder here, and the rest of the server Milvus Lite.
            place = Place("s3://milvus/load/one", None, str(tmp_path / "load"))
            monkeypatch.setattr(bulk, "read_place", lambda _: place)
            monkeypatch.setattr(bulk, "ImportTarget", lambda **_: self._target(server.root))
            monkeypatch.setattr(bulk, "show_imported", lambda *_, **__: None)
            report = bulk_load(Pages({"a.md": "one"}), Lines(), lite, "s3://milvus/load/one", OPTIONS)
        assert "has imported them (job 7)" in report.notes[-1]

    @pytest.mark.parametrize(
        ("uri", "version", "place", "what"),
        [
            ("http://h:19530", "v2.3.5", PLACE, "do_bulk_insert"),
            (
                "http://h:19530",
                "v2.6.0",
                Place("/d/one", None, "/d/one"),
                "curl -X POST http://h:19530/v2/vectordb/jobs",
            ),
            ("unix:///m.sock", "v2.6.0", PLACE, "curl"),
            (
                "https://in03-ab.serverless.zillizcloud.com",
                "v2.6.0",
                PLACE,
                "curl -X POST https://api.cloud.zilliz.com",
            ),
        ],
    )
    def test_is_said_where_it_is_not_asked_for(self, uri: str, version: str, place: Place, what: str) -> None:
        target = self._target(uri, place, version)
        assert not target.is_possible
        assert what in target.instructions(["a.parquet"])
        if target.is_cloud:
            assert target.request(["a.parquet"])["clusterId"] == "in03-ab"
