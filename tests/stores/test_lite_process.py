"""Milvus Lite in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag import open_store
from milvus_rag.errors import DatabaseLockedError
from milvus_rag.stores.lite import LITE_DATABASES, database_path
from milvus_rag.stores.lite_process import LiteProcess
from support.waiting import wait_until

PAGES = [Document("Bananas are yellow."), Document("Data is stored in segments.")]
# Starts it, and never gets to close it.
HOLD = """
import sys, time
from milvus_rag.stores.lite_process import LiteProcess
lite = LiteProcess(sys.argv[1])
print(lite.pid, flush=True)
time.sleep(3600)
"""


@pytest.fixture
def database(lite_uri: str) -> str:
    with open_store(lite_uri) as store:
        store.add_documents(PAGES, ids=["bananas", "segments"])
    return database_path(lite_uri)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that has ended stays listed until it is asked how, which a container may have nobody for.
    status = Path(f"/proc/{pid}/status")
    return not (status.exists() and "State:\tZ" in status.read_text())


def wait_until_ended(is_running: Callable[[], bool]) -> None:
    wait_until(lambda: not is_running(), "the process goes on")


def ids_found(database: str, question: str = "Where is data stored?") -> list[str | None]:
    with open_store(database) as store:
        return [found.id for found in store.similarity_search(question, k=1)]


def test_stores_share_the_process_of_a_database(database: str) -> None:
    with LITE_DATABASES.kept_apart(database):
        with open_store(database) as one, open_store(database) as other:
            one.add_documents([Document("Cherries are red.")], ids=["cherries"])
            assert [found.id for found in other.similarity_search("red cherries", k=1)] == ["cherries"]
            with pytest.raises(OSError, match="did not start"):
                LiteProcess(database)
        assert ids_found(database) == ["segments"]
    assert ids_found(database, "red cherries") == ["cherries"]


def test_a_store_keeps_the_process_that_it_found(database: str) -> None:
    with LITE_DATABASES.kept_apart(database):
        store = open_store(database)
    with store:
        assert [found.id for found in store.similarity_search("yellow", k=1)] == ["bananas"]
        with pytest.raises(OSError, match="did not start"):
            LiteProcess(database)
    LiteProcess(database).close()


def test_a_database_that_is_open_here_stays_here(database: str) -> None:
    with open_store(database) as store, LITE_DATABASES.kept_apart(database), open_store(database) as other:
        store.add_documents([Document("Cherries are red.")], ids=["cherries"])
        assert [found.id for found in other.similarity_search("red cherries", k=1)] == ["cherries"]


def test_a_locked_database_is_said_to_be_locked(database: str) -> None:
    lite = LiteProcess(database)
    try:
        with (
            pytest.raises(DatabaseLockedError, match="another process has it open"),
            LITE_DATABASES.kept_apart(database),
        ):
            open_store(database)
    finally:
        lite.close()
    assert ids_found(database) == ["segments"]


def test_after_a_crash_the_next_store_starts_it_anew(database: str) -> None:
    with LITE_DATABASES.kept_apart(database):
        process = LITE_DATABASES._open[database].process
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)
        wait_until_ended(lambda: process.is_running)
        assert ids_found(database) == ["segments"]
        assert LITE_DATABASES._open[database].process is not process
    assert ids_found(database) == ["segments"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_for_both_processes_leave_it_to_the_first_one(database: str, number: signal.Signals) -> None:
    lite = LiteProcess(database)
    os.kill(lite.pid, number)
    time.sleep(0.3)
    assert lite.is_running
    lite.close()
    assert not lite.is_running


def test_it_ends_with_the_process_that_started_it(database: str) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, database], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    pid = int(holder.stdout.readline())
    assert is_running(pid)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    wait_until_ended(lambda: is_running(pid))
    assert ids_found(database) == ["segments"]


def test_modules_of_the_working_folder_are_not_run(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "grpc.py").write_text("raise SystemExit('this is not the module')")
    monkeypatch.chdir(tmp_path)
    LiteProcess(database).close()


def test_what_else_is_printed_is_not_taken_for_its_port(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('hello from the site')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lite = LiteProcess(database)
    assert lite.address.rpartition(":")[2].isdigit()
    lite.close()


def test_where_it_cannot_be_started_the_database_is_opened_here(
    database: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with LITE_DATABASES.kept_apart(database):
        assert ids_found(database) == ["segments"]
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        "Milvus Lite runs in this process: searches hold up all else that it does."
    ]
