"""How fast texts are embedded on this machine: ours, fastembed's default, and pymilvus.model's loop.

All three run the same model file on the same texts (the 72 FAQ chunks of the tutorials), in one process, taking turns,
and the fastest of several turns counts. The data and the model are optional and lie in ../shared; without them the
benchmark says so and ends.

    python benchmarks/embeddings.py --json embeddings.json
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODEL = SHARED / "models" / "all-MiniLM-L6-v2-int8"
DOCS = SHARED / "data" / "milvus_docs_2.4.x_en.zip"

Embed = Callable[[list[str]], Any]


def main() -> None:
    arguments = _arguments()
    missing = [str(path) for path in (arguments.model, arguments.docs) if not path.exists()]
    if missing:
        print(f"Nothing to measure: there is no {' and no '.join(missing)}.")
        return
    texts = faq_chunks(arguments.docs)
    contestants: dict[str, Embed] = {
        "ours": ours(arguments.model),
        "fastembed": fastembed_default(arguments.model),
        "pymilvus.model": pymilvus_loop(arguments.model),
    }
    figures = measure(contestants, texts, turns=arguments.turns)
    head = f"{len(texts)} texts, {arguments.model.name}, {figures['cores']} cores, best of {arguments.turns} turns"
    print(head)
    for name, row in figures["contestants"].items():
        print(
            f"{name:16}{row['texts_per_second']:8.1f} texts/s   ours is {row['ours_is_times_as_fast']:5.2f} times as "
            f"fast   cosine to ours {row['cosine_min']:.4f} at least, {row['cosine_mean']:.4f} on average"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def faq_chunks(docs: Path) -> list[str]:
    """The tutorials' 72 chunks."""
    from milvus_rag import MarkdownLoader, MarkerSplitter

    documents = MarkdownLoader(docs, "en/faq/*.md").lazy_load()
    return [chunk.page_content for chunk in MarkerSplitter().split_documents(documents)]


def ours(folder: Path) -> Embed:
    from milvus_rag import LocalEmbeddings

    return LocalEmbeddings(folder).embed_documents


def fastembed_default(folder: Path) -> Embed:
    """Fastembed as its documentation shows it: all texts at once, in batches of 256."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    dimension = json.loads((folder / "config.json").read_text())["hidden_size"]
    TextEmbedding.add_custom_model(
        model="benchmark/model",
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf="benchmark/none"),
        dim=dimension,
        model_file="model.onnx",
    )
    model = TextEmbedding("benchmark/model", specific_model_path=str(folder))
    return lambda texts: list(model.embed(texts))


def pymilvus_loop(folder: Path) -> Embed:
    """`OnnxEmbeddingFunction`, which `DefaultEmbeddingFunction` is, on the folder's files.

    Its constructor takes names on a hub only, so its parts are put in place here.
    """
    import onnxruntime
    from pymilvus.model.dense.onnx import OnnxEmbeddingFunction
    from transformers import AutoTokenizer

    function = OnnxEmbeddingFunction.__new__(OnnxEmbeddingFunction)
    function.tokenizer = AutoTokenizer.from_pretrained(str(folder))
    function.ort_session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    return lambda texts: function.encode_documents(texts)


def measure(contestants: dict[str, Embed], texts: list[str], *, turns: int) -> dict[str, Any]:
    """Let all embed in turns, after a warm-up that also loads the models."""
    vectors = {name: np.asarray(embed(texts)) for name, embed in contestants.items()}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(turns):
        for name, embed in contestants.items():
            start = time.perf_counter()
            embed(texts)
            seconds[name].append(time.perf_counter() - start)
        print(
            f"turn {turn + 1}: " + ", ".join(f"{name} {seconds[name][-1]:.2f} s" for name in seconds), file=sys.stderr
        )
    best = {name: min(turns_of) for name, turns_of in seconds.items()}
    rows = {}
    for name in contestants:
        cosines = (vectors[name] * vectors["ours"]).sum(axis=1) / np.linalg.norm(vectors[name], axis=1)
        rows[name] = {
            "seconds": round(best[name], 4),
            "texts_per_second": round(len(texts) / best[name], 1),
            "ours_is_times_as_fast": round(best[name] / best["ours"], 2),
            "cosine_min": round(float(cosines.min()), 5),
            "cosine_mean": round(float(cosines.mean()), 5),
        }
    return {
        "texts": len(texts),
        "turns": turns,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "contestants": rows,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of a model in ONNX")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the Milvus documentation as a zip")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
