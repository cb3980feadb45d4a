"""What the benchmarks found, as ratios: one row a claim, with what was wanted of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

from scale_table import crowd_ratio, ratio

Figures = Mapping[str, Any]
_LARGE_CHUNKS = 50_000


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        benchmark: The script that measured it.
        what: What was measured.
        found: The figure, with its unit.
        wanted: What was wanted; empty where nothing was.
        holds: Whether it is so.
    """

    benchmark: str
    what: str
    found: str
    wanted: str = ""
    holds: bool = True


def rows_of(results: Mapping[str, Figures]) -> list[Row]:
    """All rows that the results allow; a benchmark that was not run has none."""
    return [row for name, rows in _ROWS.items() if name in results for row in rows(results[name])]


def as_text(rows: list[Row]) -> str:
    """The table for a terminal."""
    lines = []
    for row in rows:
        verdict = "" if not row.wanted else f"  {'ok ' if row.holds else 'NOT'} {row.wanted}"
        lines.append(f"{row.benchmark:12}{row.what:86}{row.found:>20}{verdict}")
    return "\n".join(lines)


def as_markdown(rows: list[Row]) -> str:
    """The table for the README."""
    lines = ["| what | measured | by |", "|---|---|---|"]
    lines += [f"| {row.what} | {row.found} | `benchmarks/{row.benchmark}.py` |" for row in rows]
    return "\n".join(lines)


def _startup(figures: Figures) -> Iterator[Row]:
    milliseconds = 1000 * figures["import_milvus_rag_seconds"]
    yield _at_most("startup", "`import milvus_rag`, beyond Python itself", milliseconds, 100, "{:.0f} ms")
    ratio = figures["help_to_import_typer"]
    yield _at_most("startup", "`milvus-rag --help` against `import typer`", ratio, 3, "{:.1f} times")


def _embeddings(figures: Figures) -> Iterator[Row]:
    others = figures["contestants"]
    for name, least in {"fastembed": 3, "pymilvus.model": 6}.items():
        what = f"local embeddings against {name}, same model file"
        yield _at_least("embeddings", what, others[name]["ours_is_times_as_fast"], least, "{:.1f} times as fast")


def _ask(figures: Figures) -> Iterator[Row]:
    index, ask = figures["index"], figures["ask"]
    yield _at_most("ask", "indexing 224 pages on the default, as a process", index["seconds"], 20, "{:.1f} s")
    yield _at_most("ask", "the same: peak memory", index["peak_mib"], 600, "{:.0f} MiB")
    yield _at_most("ask", "indexing them again, unchanged", figures["index again"]["seconds"], 20, "{:.1f} s")
    yield _at_most("ask", "`milvus-rag ask` on that index, as a process", ask["seconds"], 6, "{:.1f} s")


def _retrieval(figures: Figures) -> Iterator[Row]:
    by_name = {row["name"]: row["measures"] for row in figures["configurations"]}
    tutorial, ours = by_name["marker, dense"], by_name["markdown, hybrid"]
    for measure, least in {"MRR": 0.70, "hit@3": 0.79}.items():
        what = f"{measure} on {figures['questions']} questions; the tutorials' way: {tutorial[measure]:.2f}"
        yield _at_least("retrieval", what, ours[measure], least, "{:.2f}")


def _corpora(figures: Figures) -> Iterator[Row]:
    by_set = {name: {row["name"]: row["MRR"] for row in rows} for name, rows in figures["sets"].items()}
    ours = [rows["markdown, hybrid"] for rows in by_set.values()]
    tutorial = [rows['"# ", dense'] for rows in by_set.values()]
    count = len(by_set)
    what = f"MRR, mean of {count} sets of documents; the tutorials' way: {mean(tutorial):.2f}"
    yield _at_least("corpora", what, mean(ours), 0.80, "{:.2f}")
    what = f"MRR, the worst of {count} sets of documents; the tutorials' way: {min(tutorial):.2f}"
    yield _at_least("corpora", what, min(ours), 0.45, "{:.2f}")


def _ingest(figures: Figures) -> Iterator[Row]:
    for server, of in figures["servers"].items():
        what = f"`sync` of {of['chunks']:,.0f} chunks into {server}"
        loop, add = of["times_as_fast_as_tutorial_loop"], of["times_as_fast_as_add_documents"]
        yield _at_least("ingest", f"{what}, against the tutorial's loop", loop, 50, "{:.0f} times as fast")
        yield _at_least("ingest", f"{what}, against `add_documents`", add, 2, "{:.1f} times as fast")
        limit = of["times_the_limit"]
        yield _at_most("ingest", f"{what}, against the least time there is", limit, 1.5, "{:.2f} times as long")
        again = of["second_run_share"]
        yield _at_most("ingest", f"{what} again, unchanged, against the first", again, 1 / 3, "{:.2f} of its time")
        if "memory_ratio" in of:
            memory = f"peak memory at 40,000 chunks against 4,000 ({server})"
            yield _at_most("ingest", memory, of["memory_ratio"], 1.3, "{:.2f} times")


def _serve(figures: Figures) -> Iterator[Row]:
    what = "64 clients on a 500 ms model: share of the 128 requests/s there are"
    yield _at_least("serve", what, figures["share_of_ideal"], 0.75, "{:.0%}")
    requests = sum(row["server"]["requests"] for row in figures["rows"])
    yield _at_most("serve", f"requests that failed, of {requests:,}", figures["failed"], 0, "{:.0f}")


def _scale(figures: Figures) -> Iterator[Row]:
    # The largest of each place: that is what grows.
    largest = {row["place"]: row for row in sorted(figures["rows"], key=lambda row: row["first"]["chunks"])}
    for place, row in largest.items():
        chunks = row["first"]["chunks"]
        for step, what, most in (
            ("unchanged", "unchanged", 1 / 10),
            ("changed", "one file changed", 1 / 10),
            ("shard", "one shard of 8", 1 / 6),
        ):
            text = f"{chunks:,} chunks on {place} again, {what}: CPU against the first run"
            found = _at_most("scale", text, ratio(row, step), most, "{:.2f}")
            # Of a small index, it is the start of the program that is measured.
            yield found if chunks > _LARGE_CHUNKS else replace(found, wanted="", holds=True)
        crowd = f"{chunks:,} chunks on {place}, 16 first questions at once: CPU against one"
        yield _at_most("scale", crowd, crowd_ratio(row), 1.5, "{:.1f} times")
        asked = row["question"]["p50_ms"] / row["bare"]["p50_ms"]
        question = f"{chunks:,} chunks on {place}: a question against bare pymilvus"
        yield _at_most("scale", question, asked, 1.3, "{:.2f} times as long")


def _at_least(benchmark: str, what: str, value: float, least: float, form: str) -> Row:
    return Row(benchmark, what, form.format(value), f"at least {form.format(least)}", value >= least)


def _at_most(benchmark: str, what: str, value: float, most: float, form: str) -> Row:
    return Row(benchmark, what, form.format(value), f"at most {form.format(most)}", value <= most)


_ROWS = {
    "startup": _startup,
    "ask": _ask,
    "embeddings": _embeddings,
    "corpora": _corpora,
    "ingest": _ingest,
    "retrieval": _retrieval,
    "serve": _serve,
    "scale": _scale,
}
