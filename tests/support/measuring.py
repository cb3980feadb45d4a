"""While what the coverage is measured: below Python's tracer all takes twice as long, so it is on where it sees us.

That is in tests and in their fixtures. pytest's own work around them takes as long as most of the tests.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# The process that measures what modules do when they are imported, which is the same in each.
_MEASURES_IMPORTS = "gw0"


# Whether it is measured at the moment.
_IS_ON = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Measure once what collecting imports."""
    is_first = getattr(session.config, "workerinput", {}).get("workerid", _MEASURES_IMPORTS) == _MEASURES_IMPORTS
    # pytest-cov has begun to measure before.
    session.config.stash[_IS_ON] = True
    if not is_first:
        _switch(session.config, on=False)
    try:
        return (yield)
    finally:
        _switch(session.config, on=False)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Iterator[None]:
    """Measure what a fixture does."""
    with _measured(request.config):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Measure a test, unless it reads a huge text."""
    if item.get_closest_marker("huge"):
        return (yield)
    with _measured(item.config):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Measure how fixtures end."""
    with _measured(item.config):
        return (yield)


@contextmanager
def _measured(config: pytest.Config) -> Iterator[None]:
    was_on = config.stash[_IS_ON]
    _switch(config, on=True)
    try:
        yield
    finally:
        _switch(config, on=was_on)


def _switch(config: pytest.Config, *, on: bool) -> None:
    """Measure from now on, or no longer.

    pytest-cov's own switch changes the working folder for a moment, which threads of fixtures would see. In a process
    of pytest-xdist it has begun to measure twice: the first, which nobody reads, would go on where the second stops.
    """
    controller = getattr(config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if controller is not None and config.stash[_IS_ON] != on:
        if on:
            controller.cov.start()
        else:
            controller.cov.stop()
            sys.settrace(None)
            threading.settrace(None)
        config.stash[_IS_ON] = on
