"""A sync that is killed with SIGKILL is completed by the next one, with nothing lost, doubled or paid for twice."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest

from milvus_rag import open_store
from support.openai_server import OpenAIServer
from support.syncing import BATCH, CONCURRENCY, KEY, index, loopback_embedding, rows_of, texts_sent, write_pages
from support.waiting import PATIENCE_SECONDS, wait_until

_KILLS = 20
# From the opening of the store to its closing, about as long as a run takes.
_LATEST_SECONDS = 0.8


@pytest.mark.slow
def test_twenty_kills_leave_what_no_kill_leaves(tmp_path: Path) -> None:
    """The files change between the kills, so that each of them hits a run with work to do."""
    docs, uri = tmp_path / "docs", str(tmp_path / "killed.db")
    docs.mkdir()
    chance = random.Random()  # noqa: S311 - other moments in every run
    # A fresh process for each run, but without the seconds that the imports take each time.
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(
        ["support.syncing", "milvus_rag.models.providers.openai_compatible", "milvus_lite"]
    )
    kills = runs = 0
    with OpenAIServer(key=KEY, dimension=32, delay=0.06) as server:
        while kills < _KILLS:
            assert runs < 3 * _KILLS, "too few of the kills hit a run"
            _change(docs, runs, chance)
            announce = tmp_path / f"opened-{runs}"
            process = processes.Process(target=index, args=(docs, uri, server.base_url, announce))
            process.start()
            wait_until(announce.exists, "the process did not start", pause=0.005)
            time.sleep(chance.uniform(0.0, _LATEST_SECONDS))
            if process.is_alive() and process.pid:
                os.kill(process.pid, signal.SIGKILL)
            process.join(PATIENCE_SECONDS)
            assert process.exitcode in (0, -signal.SIGKILL)
            kills += process.exitcode != 0
            runs += 1
        last = processes.Process(target=index, args=(docs, uri, server.base_url))
        last.start()
        last.join(PATIENCE_SECONDS)
        assert last.exitcode == 0
        sent = texts_sent(server)
        with open_store(uri, embedding=loopback_embedding(server.base_url)) as store:
            found = rows_of(store)
        index(docs, str(tmp_path / "whole.db"), server.base_url)
        with open_store(str(tmp_path / "whole.db"), embedding=loopback_embedding(server.base_url)) as store:
            expected = rows_of(store)
    assert found == expected
    # What a kill can cost, of some hundred texts: requests under way, and their answers that were about to be stored.
    in_flight = BATCH * (CONCURRENCY + 3)
    assert len(sent) - len(set(sent)) <= kills * in_flight


def _change(docs: Path, run: int, chance: random.Random) -> None:
    """New pages, and some of the old ones changed, renamed and removed."""
    new = docs / f"run{run:02}"
    new.mkdir()
    write_pages(new, pages=12, sections=8, seed=run)
    pages = sorted(docs.glob("*/*.md"))
    changed, renamed, removed = chance.sample(pages, 3)
    changed.write_text(changed.read_text("utf-8") + f"# Run {run}\n\nadded words\n\n# Shared\n\nthe same\n", "utf-8")
    renamed.rename(renamed.with_name(f"renamed{run}.md"))
    removed.unlink()
