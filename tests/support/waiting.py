"""Waiting for what must happen: until it does, or until the test has to be called broken."""

import time
from collections.abc import Callable
from typing import Literal, TypeVar

Answer = TypeVar("Answer")

# Only a test that fails waits so long: no machine that runs the tests is that slow.
PATIENCE_SECONDS = 300.0


def wait_until(condition: Callable[[], Answer | Literal[False] | None], failure: str, *, pause: float = 0.05) -> Answer:
    """Ask again and again, with a pause between, until the answer is true.

    Args:
        condition: What is asked. What it raises is raised.
        failure: What is wrong when that never comes.
        pause: Seconds.

    Returns:
        The first answer that is true.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := condition()):
        assert time.monotonic() < deadline, failure
        time.sleep(pause)
    return answer
