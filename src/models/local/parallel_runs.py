"""Many runs of a model at once, each on one core."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Slots(threading.BoundedSemaphore):
    """How many runs of a model there may be at once, whoever starts them.

    Args:
        count: At least 1.
    """

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __reduce__(self) -> tuple[type["Slots"], tuple[int]]:
        return Slots, (self.count,)


def run_each(run: Callable[[str], T], texts: Sequence[str], *, slots: Slots) -> list[T]:
    """Run a model on texts one at a time, the longest first so that no core is left with a long one at the end.

    Args:
        run: The model; may be called from several threads, and lets other threads run meanwhile.
        texts: What to run it on.
        slots: The model's own, shared by all calls.

    Returns:
        The results in the texts' order.
    """

    def run_in_slot(i: int) -> T:
        with slots:
            return run(texts[i])

    workers = min(len(texts), slots.count)
    if workers <= 1:
        return [run_in_slot(i) for i in range(len(texts))]
    longest_first = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    with ThreadPoolExecutor(workers, thread_name_prefix="model") as pool:
        results = dict(zip(longest_first, pool.map(run_in_slot, longest_first), strict=True))
    return [results[i] for i in range(len(texts))]


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
