"""For processes that a test interrupts."""

import os


def without_coverage() -> dict[str, str]:
    """The environment of a process whose coverage is not measured.

    On Python 3.11 coverage takes a lock at each new line of a thread. Ctrl-C that comes while it does never gives it
    free, and all threads wait for it.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
