"""How the tests are spread over processes: what shares a set-up stays together, what takes long begins first."""

import gc
import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .sessions import FOLDER

# On each core, since tests wait: for a server's clock, for the start of a process, for a model that takes its time.
_PER_CORE = 3
_SHARED_SCOPES = {"class", "module", "package"}
_GROUPS = "groups.json"
_TESTS = Path(__file__).parents[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """How many processes `-n auto` starts."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return _PER_CORE * cores


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for garbage once, and leave out a million objects that stay when a test's own is looked for."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let long tests begin first; tell which tests belong together.

    pytest-xdist would do so by names, `tests/test_x.py::test_y@group`, which pytest 9.2 does not let it change.
    """
    if not hasattr(config, "workerinput"):
        return
    config.option.loadgroup = False
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    groups = {item.nodeid: group for item in items if (group := _group(item))}
    # All processes find the same, so that it does not matter whose is read.
    written = config.stash[FOLDER] / f"{os.getpid()}.json"
    written.write_text(json.dumps(groups))
    written.replace(written.with_name(_GROUPS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread tests by these groups."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        groups: dict[str, str] | None = None

        def _split_scope(self, nodeid: str) -> str:
            if self.groups is None:
                self.groups = json.loads((config.stash[FOLDER] / _GROUPS).read_text())
            return self.groups.get(nodeid, nodeid)

    return ByGroup(config, log) if config.getvalue("dist") == "loadgroup" else None


def _group(item: pytest.Item) -> str:
    """The group of a test: what its marker says, or a name for the fixtures that it shares with others of its file.

    Fixtures of the whole session are not among them: the dear one is made once for all processes, the cheap ones once
    in each.
    """
    if (marker := item.get_closest_marker("xdist_group")) is not None:
        return str(marker.args[0])
    fixtures = getattr(item, "_fixtureinfo", None)
    if fixtures is None:
        return ""
    shared = {name for name, found in fixtures.name2fixturedefs.items() if _is_shared(found[-1])}
    if not shared:
        return ""
    parameters = item.callspec.indices if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    kinds = [f"{name}{parameters[name]}" for name in sorted(shared & parameters.keys())]
    return "-".join([str(item.path.relative_to(item.config.rootpath)), *kinds])


def _is_shared(fixture: Any) -> bool:
    """Whether a fixture is made once for several tests; plugins' fixtures of a module are cheap, and for all tests."""
    return fixture.scope in _SHARED_SCOPES and Path(inspect.getfile(inspect.unwrap(fixture.func))).is_relative_to(
        _TESTS
    )
