"""A sync on a real Ray of this machine: the rows of one process, whatever becomes of workers and nodes."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings

from milvus_rag import MarkdownLoader, MilvusStore, open_store, sync, sync_on_ray
from milvus_rag.engines import on_ray
from milvus_rag.errors import AuthenticationError, EngineError, InputError
from milvus_rag.index_options import EngineOptions
from milvus_rag.indexing.report import SyncInterrupted
from milvus_rag.pipeline import build_index
from milvus_rag.settings import Settings
from support.falling_embeddings import FallingEmbeddings
from support.openai_server import OpenAIServer
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, contents, places, written
from support.syncing import KEY, loopback_embedding
from support.waiting import PATIENCE_SECONDS, wait_until

ray = pytest.importorskip("ray", reason="needs the extra ray")
TESTS = Path(__file__).resolve().parents[1]
PAGES = {f"{i}.md": f"text {i}\nand more {i}" for i in range(24)}

pytestmark = [pytest.mark.slow, pytest.mark.server]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray of two workers, which tests may add nodes to."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Workers unpickle what the tests make.
        patch.setenv("PYTHONPATH", str(TESTS))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")
        # Read from a cold disk, it starts slowly.
        patch.setenv("RAY_gcs_server_port_wait_time_s", str(int(PATIENCE_SECONDS)))
        options: Any = {"initialize_head": True, "head_node_args": {"num_cpus": 2, "include_dashboard": False}}
        try:
            started = Cluster(**options)
        except Exception:  # noqa: BLE001 - Ray raises no class of its own for it
            # Its parts wait half a minute for each other, which is short beside other tests.
            started = Cluster(**options)
        ray.init(started.address, log_to_driver=False, configure_logging=False)
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return written(tmp_path / "docs", PAGES)


@pytest.fixture
def opened(server_uri: str, collection_name: str) -> Iterator[Callable[[Embeddings | None], MilvusStore]]:
    """Opens the collection of a test, which is dropped at its end."""

    def open_with(embedding: Embeddings | None) -> MilvusStore:
        return open_store(server_uri, embedding=embedding, collection=collection_name, full_text=False)

    yield open_with
    with open_with(None) as store:
        store.drop()


def test_the_rows_are_those_of_one_process_and_no_key_is_in_a_log(
    cluster: Any, docs: Path, opened: Callable[..., MilvusStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(docs.parent)
    told = []
    with OpenAIServer(key=KEY, dimension=8) as provider:
        embedding = loopback_embedding(provider.base_url)
        with opened(embedding) as store:
            report = sync_on_ray(MarkdownLoader("docs"), Lines(), store, shards=5, on_progress=told.append)
            assert (report.sources, report.added, report.failed) == (len(PAGES), 2 * len(PAGES), [])
            assert told[-1].sources_total == len(PAGES)
            assert told[-1].sources_read <= len(PAGES)
            rows = contents(store)

            (docs / "0.md").unlink()
            (docs / "1.md").rename(docs / "renamed.md")
            (docs / "2.md").write_text("changed")
            report = sync_on_ray(MarkdownLoader("docs"), Lines(), store, shards=2, workers=2)
            assert sorted(report.pruned) == ["0.md", "1.md"]
            assert (report.added, report.embedded) == (3, 1)
            now = {**PAGES, "renamed.md": PAGES["1.md"], "2.md": "changed"}
            del now["0.md"], now["1.md"]
            assert places(store) == chunks_of(now)
            assert not sync(MarkdownLoader("docs"), Lines(), store).changed

            store.drop()
            for name, text in PAGES.items():
                (docs / name).write_text(text)
            (docs / "renamed.md").unlink()
            sync(MarkdownLoader("docs"), Lines(), store)
            assert contents(store) == rows
    logs = [path for path in Path(cluster.head_node.get_session_dir_path()).rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if KEY.encode() in path.read_bytes()]


def test_a_worker_that_is_killed_costs_its_shard(
    cluster: Any, docs: Path, tmp_path: Path, opened: Callable[..., MilvusStore]
) -> None:
    mark = tmp_path / "killed"
    with opened(FallingEmbeddings("and more 7", mark)) as store:
        report = sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=4)

        assert mark.read_text().strip().isdecimal()
        assert (report.sources, report.failed) == (len(PAGES), [])
        assert places(store) == chunks_of(PAGES)


def test_a_shard_that_kills_every_worker_is_an_error_and_the_next_run_completes(
    cluster: Any, docs: Path, tmp_path: Path, opened: Callable[..., MilvusStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "_RETRIES", 1)
    mark = tmp_path / "killed"
    with (
        opened(FallingEmbeddings("and more 7", mark, always=True)) as store,
        pytest.raises(EngineError, match="lost a worker, 2 times the same shard's"),
    ):
        sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=2)
    assert len(mark.read_text().split()) == 2

    with opened(FallingEmbeddings()) as store:
        sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=1)
        assert places(store) == chunks_of(PAGES)


def test_a_node_that_never_comes_back_costs_its_shards(
    cluster: Any, docs: Path, tmp_path: Path, opened: Callable[..., MilvusStore]
) -> None:
    """All its workers hang, so that what is on it can only be done by others."""
    node = cluster.add_node(num_cpus=1)
    mark = tmp_path / "reached"
    with (
        opened(FallingEmbeddings("", mark, node=node.node_id)) as store,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(sync_on_ray, MarkdownLoader(docs), Lines(), store, workers=3, shards=6)
        wait_until(lambda: mark.exists() or running.done(), "nothing came to the node")
        cluster.remove_node(node, allow_graceful=False)
        report = running.result(PATIENCE_SECONDS)

        assert mark.exists()
        assert (report.sources, report.failed) == (len(PAGES), [])
        assert places(store) == chunks_of(PAGES)


def test_what_a_shard_raises_is_raised_and_what_it_cannot_index_is_told(
    cluster: Any, docs: Path, opened: Callable[..., MilvusStore]
) -> None:
    with OpenAIServer(key="another", dimension=8) as provider, opened(loopback_embedding(provider.base_url)) as store:
        with pytest.raises(AuthenticationError):
            sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=2)
        assert not store.exists
    (docs / "3.md").write_bytes(b"\xff\xfe\x00binary")
    with opened(CountingEmbeddings()) as store:
        sync(MarkdownLoader(docs), Lines(), store)
        (docs / "4.md").unlink()
        report = sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=2)
        assert [failure.source for failure in report.failed] == ["3.md"]
        assert report.pruned == ["4.md"]


def test_a_rebuild_is_switched_to_when_all_shards_are_there(
    cluster: Any, docs: Path, server_uri: str, collection_name: str, opened: Callable[..., MilvusStore]
) -> None:
    with opened(CountingEmbeddings()) as store:
        sync(Pages({"old.md": "old"}), Lines(), store)
    with OpenAIServer(key="k", dimension=8) as provider:
        settings = Settings(
            uri=server_uri,
            collection=collection_name,
            embeddings="openai:test",
            embeddings_key="k",
            embeddings_url=provider.base_url,
        )
        engine = EngineOptions(name="ray", workers=2)
        (report,) = build_index(settings, [str(docs)], rebuild=True, drop_others=True, engine=engine)
        assert report.added == len(PAGES)
        (again,) = build_index(settings, [str(docs)], engine=engine, dry_run=True)
        assert (again.unchanged, again.changed) == (len(PAGES), False)


def test_ctrl_c_says_what_was_done_and_the_next_run_completes(
    cluster: Any, docs: Path, opened: Callable[..., MilvusStore]
) -> None:
    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with opened(CountingEmbeddings()) as store:
        with pytest.raises(SyncInterrupted) as interrupted:
            sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=4, on_progress=stop)
        assert interrupted.value.report.interrupted
        assert "of 4 shards were done." in interrupted.value.report.notes[-1]

        sync_on_ray(MarkdownLoader(docs), Lines(), store, shards=2)
        assert places(store) == chunks_of(PAGES)


class Locked(Pages):
    """A loader that cannot travel."""

    def __init__(self) -> None:
        super().__init__(PAGES)
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("loader", "options", "message"),
    [
        (Pages(PAGES), {"workers": 9}, "has room for 2 workers"),
        (Locked(), {}, "Locked cannot be sent to other processes"),
        (Pages(PAGES), {"workers": 0}, "workers is at least 1"),
        (Pages(PAGES), {"cpus": 0}, "cpus and gpus"),
        (Pages(PAGES), {"batch_size": 0}, "at least 1"),
    ],
)
def test_what_cannot_be_is_refused(
    cluster: Any, opened: Callable[..., MilvusStore], loader: Any, options: dict[str, Any], message: str
) -> None:
    with opened(CountingEmbeddings()) as store, pytest.raises(InputError, match=message):
        sync_on_ray(loader, Lines(), store, **options)
