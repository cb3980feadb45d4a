"""Syncs beside readers, beside each other, and stopped by somebody."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MilvusStore, async_sync, open_store, sync
from milvus_rag.errors import InputError
from support.openai_server import OpenAIServer
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, contents, open_pages, places, sync_part
from support.syncing import KEY, loopback_embedding
from support.waiting import PATIENCE_SECONDS

OLD = {"a.md": "one\ntwo\nthree", "b.md": "four"}
NEW = {"a.md": "zero\ntwo\nthree", "b.md": "four\nfive"}


@contextmanager
def reading(read: Callable[[], None], readers: int = 2) -> Iterator[list[int]]:
    """Call something in a loop on several threads; its first error is raised here, and its calls are counted."""
    stop, errors, counts = threading.Event(), [], [0]

    def loop() -> None:
        while not stop.is_set():
            try:
                read()
                counts[0] += 1
            except BaseException as exc:  # noqa: BLE001 - raised below
                errors.append(exc)
                return

    threads = [threading.Thread(target=loop) for _ in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield counts
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
    if errors:
        raise errors[0]


class TestReaders:
    @pytest.mark.parametrize(
        "uri_fixture", ["lite_uri", pytest.param("server_uri", marks=pytest.mark.server)], ids=["Lite", "server"]
    )
    def test_always_find_the_old_or_the_new_text(
        self, request: pytest.FixtureRequest, uri_fixture: str, collection_name: str
    ) -> None:
        uri = request.getfixturevalue(uri_fixture)
        embedding = CountingEmbeddings()
        pages = {f"{i}.md": f"page {i}\nmore of page {i}" for i in range(150)}
        with (
            open_pages(uri, embedding, collection_name) as store,
            open_pages(uri, embedding, collection_name) as other,
        ):
            sync(Pages(pages), Lines(), store)

            def read() -> None:
                found = other.search_by_metadata({"source": "7.md"}, limit=10)
                assert {document.page_content.split(" v")[0] for document in found} == {"page 7", "more of page 7"}
                hits = [document for document, _ in other.search_dense(embedding.vector("untouched"), 1)]
                assert [document.page_content for document in hits] == ["untouched"]

            pages["untouched.md"] = "untouched"
            sync(Pages(pages), Lines(), store)
            assert other.collection.refresh() is not None
            with reading(read) as counts:
                for version in range(4):
                    changed = {
                        s: t if s == "untouched.md" else t.replace("\n", f" v{version}\n") for s, t in pages.items()
                    }
                    sync(Pages(changed), Lines(), store)
                    assert places(store) == chunks_of(changed)
            assert counts[0] > 5
            store.drop()


@pytest.mark.parametrize(
    "uri_fixture", ["lite_uri", pytest.param("server_uri", marks=pytest.mark.server)], ids=["Lite", "server"]
)
class TestWritesOfTheMomentBefore:
    """A server shows them to others 0.1 to 0.6 s later."""

    @pytest.fixture
    def uri(self, request: pytest.FixtureRequest, uri_fixture: str) -> str:
        return str(request.getfixturevalue(uri_fixture))

    def test_by_another_client_are_seen(self, uri: str, collection_name: str) -> None:
        with open_pages(uri, CountingEmbeddings(), collection_name) as store:
            for pages in [OLD, NEW] * 2:
                sync(Pages(pages), Lines(), store)
                first, *_ = contents(store)
                store.client.delete(collection_name, ids=[first])
                assert sync(Pages(pages), Lines(), store).added == 1
                assert places(store) == chunks_of(pages)
            store.drop()

    def test_by_another_sync_are_seen(self, uri: str, collection_name: str) -> None:
        embedding = CountingEmbeddings()
        with (
            open_pages(uri, embedding, collection_name) as store,
            open_pages(uri, embedding, collection_name) as other,
        ):
            for pages in [OLD, NEW, {}] * 2:
                sync(Pages(pages), Lines(), store)
                embedded = len(embedding.texts)
                report = sync(Pages(pages), Lines(), other)
                assert (report.unchanged, report.added, report.removed) == (len(chunks_of(pages)), 0, 0)
                assert len(embedding.texts) == embedded
            store.drop()


class TestAsync:
    def test_works_in_any_event_loop(self, lite_uri: str) -> None:
        pages = {"a.md": "one\ntwo"}
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            assert asyncio.run(async_sync(Pages(pages), Lines(), store, batch_size=1)).added == 2
            assert asyncio.run(async_sync(Pages(pages), Lines(), store)).unchanged == 2
            with pytest.raises(InputError):
                asyncio.run(async_sync(Pages(pages), Lines(), store, max_concurrency=0))

    async def test_ends_when_its_task_is_cancelled(self, lite_uri: str) -> None:
        """Although the embedding does not answer; what was stored stays, and the next run goes on."""
        embedding, answer, asked = CountingEmbeddings(), threading.Event(), threading.Event()

        def hang(texts: list[str]) -> None:
            if len(embedding.batches) > 3:
                asked.set()
                answer.wait(PATIENCE_SECONDS)

        embedding.wrong = hang
        pages = {"a.md": "\n".join(f"line {i}" for i in range(800))}
        with open_store(lite_uri, embedding=embedding, full_text=False) as store:
            task = asyncio.create_task(async_sync(Pages(pages), Lines(), store, batch_size=10, max_concurrency=1))
            await asyncio.to_thread(asked.wait, PATIENCE_SECONDS)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert store.count() == 30
            answer.set()
            embedding.wrong = lambda _: None
            report = await async_sync(Pages(pages), Lines(), store)
            assert (report.unchanged, report.added) == (30, 770)

    @pytest.mark.parametrize("dry_run", [False, True])
    async def test_ends_when_its_task_is_cancelled_although_nothing_is_written(
        self, lite_uri: str, dry_run: bool
    ) -> None:
        """While sources are read that are all there already."""
        reading, going_on = threading.Event(), threading.Event()

        class Watched(Pages):
            def lazy_load(self) -> Iterator[Document]:
                for document in super().lazy_load():
                    if len(self.read) == 5:
                        reading.set()
                        going_on.wait(PATIENCE_SECONDS)
                    yield document

        pages = {f"{i:03}.md": f"page {i}" for i in range(100)}
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            sync(Pages(pages), Lines(), store)
            loader = Watched(pages)
            task = asyncio.create_task(async_sync(loader, Lines(), store, dry_run=dry_run))
            await asyncio.to_thread(reading.wait, PATIENCE_SECONDS)
            task.cancel()
            # Takes effect in the task at its next step.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            going_on.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert len(loader.read) < 8
            assert store.count() == 100

    async def test_never_asks_the_loader_on_the_event_loop(self, lite_uri: str) -> None:
        threads: set[int] = set()

        class Asked(Pages):
            def __getattribute__(self, name: str) -> Any:
                threads.add(threading.get_ident())
                return super().__getattribute__(name)

        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            loader = Asked({"a.md": "one"})
            threads.clear()
            await async_sync(loader, Lines(), store, on_progress=lambda _: None)
            assert threads
            assert threading.get_ident() not in threads


_INTERRUPTED = """
import sys, threading
from milvus_rag import open_store, sync
from milvus_rag.indexing.sync import SyncInterrupted
from support.pages import Lines, Pages
from support.syncing import loopback_embedding

pages = Pages({f"{i:03}.md": "\\n".join(f"page {i} line {j}" for j in range(10)) for i in range(300)})
with open_store(sys.argv[1], embedding=loopback_embedding(sys.argv[2])) as store:
    print("opened", flush=True)
    try:
        sync(pages, Lines(), store, batch_size=10, max_concurrency=2)
    except SyncInterrupted as exc:
        report = exc.report
print(f"interrupted {report.interrupted} {report.added} {report.embedded}", flush=True)
"""


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Let no process that a test failed to stop be waited for."""
    try:
        yield
    finally:
        process.kill()


class TestCtrlC:
    def test_ends_a_sync_at_once_and_closes_the_store(self, lite_uri: str) -> None:
        """While two requests hang, of which nobody waits for the answer."""
        with OpenAIServer(key=KEY, dimension=8) as server:
            process = subprocess.Popen(
                [sys.executable, "-c", _INTERRUPTED, lite_uri, server.base_url],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )
            with process, ended(process):
                assert process.stdout is not None
                assert process.stdout.readline() == "opened\n"
                while len(server.requests) < 10:
                    assert process.poll() is None
                # Far above what anybody waits: the requests end with their client.
                server.delay = 10 * PATIENCE_SECONDS
                seen = len(server.requests)
                while len(server.requests) < seen + 2:
                    assert process.poll() is None
                process.send_signal(signal.SIGINT)
                output, errors = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, errors
            word, interrupted, added, embedded = output.split()
            assert (word, interrupted) == ("interrupted", "True")
            assert 0 < int(added) <= int(embedded) < 3000
            assert "Traceback" not in errors
            # The process gave the database free, and what it said to be stored is there.
            with open_store(lite_uri, embedding=loopback_embedding(server.base_url)) as store:
                assert store.count() == int(added)


@pytest.mark.slow
@pytest.mark.server
class TestManyProcesses:
    def test_on_disjoint_files_equal_one(self, server_uri: str, collection_name: str, tmp_path: Path) -> None:
        """Also when they all begin with no collection at all, and again when files changed."""
        docs = tmp_path / "docs"
        docs.mkdir()
        for i in range(60):
            (docs / f"{i}.md").write_text("\n".join(f"page {i} line {j}" for j in range(i % 9)) + "\nin every page")
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload(["support.pages", "langchain_milvus", "milvus_rag.indexing.sync"])
        parts = 4
        for name in ("many", "again"):
            running = [
                processes.Process(target=sync_part, args=(docs, server_uri, collection_name, part + 1, parts))
                for part in range(parts)
            ]
            for process in running:
                process.start()
            for process in running:
                process.join(PATIENCE_SECONDS)
                assert process.exitcode == 0
            with open_store(f"{name}.db", embedding=CountingEmbeddings(), full_text=False) as one:
                sync(MarkdownLoader(docs), Lines(), one)
                expected = contents(one)
            with open_pages(server_uri, CountingEmbeddings(), collection_name) as store:
                assert contents(store) == expected
                if name == "again":
                    store.drop()
                    break
            for i in range(0, 60, 3):
                (docs / f"{i}.md").unlink()
                (docs / f"{i + 1}.md").write_text("changed\nin every page")


class TestThreads:
    def test_may_sync_into_one_database(self, lite_uri: str) -> None:
        """Milvus Lite takes one writer a collection, so that they take turns."""
        folders = {f"folder{n}": {f"{n}/{i}.md": f"{n} {i}\nmore {n} {i}" for i in range(40)} for n in range(4)}
        with open_store(lite_uri, embedding=CountingEmbeddings(), full_text=False) as store:
            self.sync_all(store, folders)
            assert places(store) == set().union(*map(chunks_of, folders.values()))
            for pages in folders.values():
                del pages[min(pages)]
            self.sync_all(store, folders)
            assert places(store) == set().union(*map(chunks_of, folders.values()))

    def sync_all(self, store: MilvusStore, folders: dict[str, dict[str, str]]) -> None:
        errors: list[BaseException] = []

        def run(root: str) -> None:
            try:
                sync(Pages(folders[root], root), Lines(), store, batch_size=5)
            except BaseException as exc:  # noqa: BLE001 - raised below
                errors.append(exc)

        threads = [threading.Thread(target=run, args=(root,)) for root in folders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert errors == []
