"""A rebuild that is killed leaves the old index or the new one, whole, and the next run finishes what it began."""

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from milvus_rag.errors import EmbeddingMismatchError
from support.held_up import CLIENT, Point, die_in_rebuild, processes, rebuild_pages
from support.pages import CountingEmbeddings
from support.rebuilding import Index

OLD = {"a.md": "one\ntwo", "b.md": "three"}
NEW = {"a.md": "one\nchanged", "c.md": "four"}
_KILLS = 20
_START_SECONDS = 60
# How long a rebuild may take here, to begin with: how long it takes is found out by the kills that come too late.
_LATEST_SECONDS = 0.8

# All that a first rebuild changes but rows: what it makes, its switch, and what it drops.
STEPS = [
    ("create_collection", 1),
    ("create_alias", 1),
    ("create_alias", 2),
    ("load_collection", 1),
    ("rename_collection", 1),
    ("drop_alias", 1),
    ("drop_collection", 1),
]

pytestmark = pytest.mark.usefixtures("no_grace")


def is_built_with(index: Index, model: str) -> bool:
    """Whether the index has this embedding, which is also the one to open it with from now on."""
    index.embedding = CountingEmbeddings(model=model)
    try:
        with index.open() as store:
            return store.exists
    except EmbeddingMismatchError:
        return False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("function", "call"), STEPS)
def test_at_each_step(index: Index, function: str, call: int, after: bool) -> None:
    index.sync(OLD)
    die_in_rebuild(index.uri, index.name, NEW, "newer", Point("", CLIENT, function, call, after))
    if is_built_with(index, "newer"):
        index.check(NEW)
    else:
        assert is_built_with(index, "counting")
        index.check(OLD)
        # A sync goes on with what there is.
        index.sync({**OLD, "d.md": "five"})
        index.check({**OLD, "d.md": "five"})
    index.embedding = CountingEmbeddings(model="newer")
    index.rebuild(NEW)
    index.check(NEW)
    assert len(index.collections) == 1


def test_at_twenty_random_moments(lite_uri: str, tmp_path: Path) -> None:
    """The embedding is another one in every round, and the pages too."""
    index, chance = Index(lite_uri, "pages"), random.Random()  # noqa: S311 - other moments in every run
    pages, model = pages_of(0, chance), "model 0"
    index.embedding = CountingEmbeddings(model=model)
    index.sync(pages)
    kills = rounds = 0
    latest = _LATEST_SECONDS
    while kills < _KILLS:
        rounds += 1
        new_pages, new_model = pages_of(rounds, chance), f"model {rounds}"
        announce = tmp_path / f"begun-{rounds}"
        process = processes().Process(target=rebuild_pages, args=(lite_uri, "pages", new_pages, new_model, announce))
        process.start()
        wait_for(announce)
        time.sleep(chance.uniform(0.0, latest))
        # It may have ended by itself a moment ago.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join(_START_SECONDS)
        assert process.exitcode in (0, -signal.SIGKILL)
        killed = process.exitcode != 0
        kills += killed
        # The moments are spread over a rebuild, also where it is faster or slower than elsewhere.
        latest *= 1.1 if killed else 0.8
        if is_built_with(index, new_model):
            pages, model = new_pages, new_model
        else:
            assert is_built_with(index, model)
        index.check(pages)
        pages = {**pages, "late.md": f"late {rounds}"}
        index.sync(pages)
        index.check(pages)
    index.embedding = CountingEmbeddings(model="the last")
    index.rebuild(pages)
    index.check(pages)
    assert len(index.collections) == 1


def pages_of(number: int, chance: random.Random) -> dict[str, str]:
    """Some that stay from round to round, and some that do not."""
    texts = [f"page {page}, {chance.choice(['as ever', f'round {number}'])}" for page in range(12)]
    return {f"{page:02}.md": f"{text}\nshared" for page, text in enumerate(texts)}


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, "the process did not start"
        time.sleep(0.005)
