"""What a whole process costs: CPU seconds and peak memory of it and of all that it starts. Linux only."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

_LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Costs:
    """What a process cost.

    Attributes:
        cpu_seconds: User and system time, of what it started too.
        seconds: Wall time.
        peak_mib: The most memory that it had, and what it started.
        output: What it printed.
    """

    cpu_seconds: float
    seconds: float
    peak_mib: float
    output: str


def run(command: Sequence[str | Path]) -> Costs:
    """Run a command to its end.

    Raises:
        SystemExit: It failed.
    """
    peaks: dict[int, int] = {}
    with TemporaryFile() as printed:
        begun = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed)
        while True:
            # The kernel's own figure of an ended process may be the peak of the one that started it.
            for pid in family(process.pid):
                peaks[pid] = max(peaks.get(pid, 0), _peak_kib(pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            time.sleep(_LOOK_SECONDS)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        output = printed.read().decode()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{output[-2000:]}")
    return Costs(usage.ru_utime + usage.ru_stime, seconds, sum(peaks.values()) / 1024, output)


def family(pid: int) -> Iterator[int]:
    """A process and all below it that run now."""
    yield pid
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in file.read_text().split():
                yield from family(int(child))


def family_cpu_seconds(pid: int) -> float:
    """User and system time so far of a process, and of all below it that run now or that it waited for."""
    used = 0
    for one in family(pid):
        with suppress(OSError):
            # Behind the name, which may have blanks: utime, stime, cutime and cstime are fields 14 to 17 of proc(5).
            used += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return used / os.sysconf("SC_CLK_TCK")


def _peak_kib(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0
