"""The figures of `scale.py` as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_COLUMNS = (
    "",
    "chunks",
    "first run",
    "unchanged",
    "one file changed",
    "one shard of 8",
    "opening alone",
    "16 first questions / 1",
    "question / bare pymilvus",
    "server, first and unchanged",
    "peak",
    "disk",
)


def ratio(row: Row, step: str, of: str = "first") -> float:
    """The CPU of a step as a share of another one's."""
    share: float = row[step]["cpu_seconds"] / row[of]["cpu_seconds"]
    return share


def crowd_ratio(row: Row) -> float:
    """The CPU of 16 first questions at once, of one."""
    share: float = row["crowd"]["cold_cpu_seconds"] / row["one"]["cold_cpu_seconds"]
    return share


def as_markdown(rows: Sequence[Row]) -> str:
    """A line for each size and place: CPU seconds, and in brackets the share of the first run."""
    lines = [f"| {' | '.join(_COLUMNS)} |", "|---" * len(_COLUMNS) + "|"]
    return "\n".join([*lines, *(f"| {' | '.join(_cells(row))} |" for row in rows)])


def _cells(row: Row) -> list[str]:
    def step(name: str) -> str:
        return f"{row[name]['cpu_seconds']:.1f} s ({ratio(row, name):.2f})"

    what = f"{row['place']}, {'vectors' if row['dense'] else 'full text'}"
    if row["dense"] and "Lite" in row["place"]:
        what = f"{row['place']}, vectors and full text"
    one, crowd = (row[name]["cold_cpu_seconds"] for name in ("one", "crowd"))
    more = row["crowd"]["peak_mib"] / row["one"]["peak_mib"]
    question, bare = (row[name]["p50_ms"] for name in ("question", "bare"))
    return [
        what,
        f"{row['first']['chunks']:,}",
        f"{row['first']['cpu_seconds']:.1f} s",
        step("unchanged"),
        step("changed"),
        step("shard"),
        step("open"),
        f"{crowd:.2f} / {one:.2f} s ({crowd / one:.1f}; memory {more:.2f})",
        f"{question:.1f} / {bare:.1f} ms ({question / bare:.2f})",
        _server(row),
        f"{row['first']['peak_mib']:.0f} MiB",
        f"{row['disk_mib']:.0f} MiB",
    ]


def _server(row: Row) -> str:
    used = [row[name].get("server_cpu_seconds", 0.0) for name in ("first", "unchanged")]
    return " and ".join(f"{seconds:.1f} s" for seconds in used) if any(used) else ""
