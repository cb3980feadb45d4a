"""A Ray that a command starts for its run, and ends with it."""

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import open_store, sync_on_ray
from milvus_rag.engines import ray_cluster
from milvus_rag.engines.part import Work, sync_part
from milvus_rag.errors import EngineError, InputError, MissingExtraError
from support.cli import Ran, runner
from support.pages import CountingEmbeddings, Lines, Pages, chunks_of, places, written

PAGES = {f"{i}.md": f"text {i}" for i in range(6)}
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    return runner(monkeypatch, capfd)


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return written(tmp_path / "docs", PAGES)


@needs_ray
@pytest.mark.slow
def test_one_worker_of_it_writes_milvus_lite_and_the_command_prints_json_alone(
    run: Callable[..., Ran], docs: Path, tmp_path: Path
) -> None:
    import ray

    ran = run("index", docs, "--uri", tmp_path / "here.db", "--engine", "ray", "--workers", "1", "--json")

    assert (ran.exit_code, ran.json["added"]) == (0, len(PAGES)), ran.stderr
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "dask"], "There is no engine 'dask'"),
        (["--workers", "2"], "--workers is an engine's"),
        (["--engine", "ray", "--shard", "1/2"], "leave out the shard"),
        (["--engine", "ray", "--prune-only"], "leave out the engine"),
        (["--engine", "ray", "--watch"], "leave out --engine"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    run: Callable[..., Ran], docs: Path, options: list[str], message: str
) -> None:
    ran = run("index", docs, *options)
    assert ran.exit_code == 2
    assert message in ran.error


@needs_ray
def test_a_site_is_refused(run: Callable[..., Ran]) -> None:
    assert "A site is loaded by one process" in run("index", "http://127.0.0.1:9/docs/", "--engine", "ray").error


@needs_ray
def test_many_writers_of_milvus_lite_are_refused(lite_uri: str) -> None:
    with open_store(lite_uri) as store, pytest.raises(InputError, match="takes one process that writes"):
        sync_on_ray(Pages(PAGES), Lines(), store)


@needs_ray
def test_a_cluster_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EngineError, match="no Ray cluster at nowhere"), ray_cluster.connected("nowhere", None):
        pass


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"\[ray\]"), ray_cluster.connected(None, None):
        pass


def test_a_part_is_done_wherever_it_arrives(lite_uri: str) -> None:
    """What the workers do, in this process: opened with the properties that a new collection is to have."""
    told: list[Any] = []

    def part(store: Any, **changes: Any) -> Work:
        return Work(
            loader=Pages(PAGES),
            splitter=Lines(),
            store=store,
            new_properties={"made_by": "test"},
            language="german",
            folder=str(Path.cwd()),
            options=changes,
        )

    for number in (1, 2):
        store = open_store(lite_uri, embedding=CountingEmbeddings())
        sync_part(part(store, batch_size=1), (number, 2), told.append)
    with open_store(lite_uri, embedding=CountingEmbeddings()) as store:
        assert places(store) == chunks_of(PAGES)
        assert store.language == "german"
        assert store.layout is not None
        assert store.layout.properties["made_by"] == "test"
    assert told[0].sources_read >= 1


class SlowToStart:
    """What of Ray's package starts it, on a disk from which it starts too late the first times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls: list[str] = []

    def is_initialized(self) -> bool:
        return False

    def init(self, address: str, **options: object) -> None:
        self.calls.append(address)
        if self.calls.count(address) <= self.failures:
            raise RuntimeError("Timed out waiting for file")

    def shutdown(self) -> None:
        self.calls.append("shutdown")


class TestASlowStart:
    def test_is_tried_once_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_cluster, "ray_module", lambda: slow)
        slow = SlowToStart(failures=1)
        with ray_cluster.connected(None, cores=1):
            assert slow.calls == ["local", "shutdown", "local"]
        assert slow.calls[3:] == ["shutdown"]

    def test_that_fails_again_is_said_and_leaves_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_cluster, "ray_module", lambda: slow)
        slow = SlowToStart(failures=2)
        with (
            pytest.raises(EngineError, match=r"cannot be started on this machine \(RuntimeError: Timed out"),
            ray_cluster.connected(None, cores=1),
        ):
            pass
        assert slow.calls == ["local", "shutdown", "local", "shutdown"]

    def test_of_a_cluster_elsewhere_is_not_ours_to_try_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ray_cluster, "ray_module", lambda: slow)
        slow = SlowToStart(failures=1)
        with (
            pytest.raises(EngineError, match="no Ray cluster at ray://a:1"),
            ray_cluster.connected("ray://a:1", cores=None),
        ):
            pass
        assert slow.calls == ["ray://a:1"]
