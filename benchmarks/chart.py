"""The chart of the README: four of the comparisons, each with the figures that it is made of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS, OTHERS = "#4f46e5", "#9ca3af"


def save_chart(results: Mapping[str, Mapping[str, Any]], machine: str, path: Path) -> None:
    """Draw what the results have; nothing without any of the four."""
    from matplotlib.figure import Figure

    panels = [
        panel for panel in (_ingest(results), _retrieval(results), _embeddings(results), _serve(results)) if panel
    ]
    if not panels:
        return
    figure = Figure(figsize=(10, 2.2 * ((len(panels) + 1) // 2) + 0.7), layout="constrained")
    places = list(figure.subplots((len(panels) + 1) // 2, 2, squeeze=False).flat)
    for unused in places[len(panels) :]:
        unused.set_axis_off()
    for axes, (title, values, form) in zip(places, panels, strict=False):
        names = list(values)
        bars = axes.barh(
            names, list(values.values()), color=[OURS if "milvus-rag" in name else OTHERS for name in names]
        )
        axes.bar_label(bars, labels=[form.format(value) for value in values.values()], padding=4, fontsize=9)
        axes.set_title(f"{title}\n(more is better)", fontsize=9, loc="left")
        axes.set_xlim(0, 1.22 * max(values.values()))
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)
        axes.tick_params(axis="y", length=0, labelsize=9)
        axes.spines[:].set_visible(False)
    figure.supxlabel(f"Measured on {machine}", fontsize=8, color="#6b7280")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=144, metadata={"Software": None})


Panel = tuple[str, dict[str, float], str]


def _ingest(results: Mapping[str, Mapping[str, Any]]) -> Panel | None:
    if "ingest" not in results:
        return None
    name, of = next(iter(results["ingest"]["servers"].items()))
    return (
        f"Chunks a second into {name}, embeddings of 100 ms",
        {
            "milvus-rag": of["chunks"] / of["ours_seconds"],
            "add_documents": of["chunks"] / of["add_documents_seconds"],
            "tutorial's loop": of["chunks"] / of["tutorial_loop_seconds"],
        },
        "{:,.0f}",
    )


def _retrieval(results: Mapping[str, Mapping[str, Any]]) -> Panel | None:
    if "retrieval" not in results:
        return None
    hits = {row["name"]: row["measures"]["hit@3"] for row in results["retrieval"]["configurations"]}
    return (
        f"Passage among the first 3, {results['retrieval']['questions']} questions",
        {
            "milvus-rag, hybrid": hits["markdown, hybrid"],
            "milvus-rag, full text": hits["markdown, full_text"],
            "tutorials' way": hits["marker, dense"],
        },
        "{:.0%}",
    )


def _embeddings(results: Mapping[str, Mapping[str, Any]]) -> Panel | None:
    if "embeddings" not in results:
        return None
    rates = {name: row["texts_per_second"] for name, row in results["embeddings"]["contestants"].items()}
    return (
        "Texts embedded a second on this machine",
        {"milvus-rag": rates["ours"], "fastembed": rates["fastembed"], "pymilvus.model": rates["pymilvus.model"]},
        "{:.0f}",
    )


def _serve(results: Mapping[str, Mapping[str, Any]]) -> Panel | None:
    if "serve" not in results:
        return None
    best = max(results["serve"]["rows"], key=lambda row: (row["model"] != "local", row["clients"]))
    return (
        f"Requests a second, {best['clients']} clients, a model of 500 ms",
        {
            "all there is": results["serve"]["ideal_requests_per_second"],
            "milvus-rag serve": best["server"]["requests_per_second"],
            "chain without HTTP": best["bare"]["requests_per_second"],
        },
        "{:.0f}",
    )
