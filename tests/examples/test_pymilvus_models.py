"""The blog post's examples, run as a user does."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from support.jina_server import JinaServer
from support.tiny_onnx import make_dense_model

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pymilvus_models.py"
# What the post shows, by the beginning of each document.
SCORES = {"In 1950": 0.349866, "The Dartmouth": 0.937096, "In 1951": 0.272896, "The invention": 0.354210}


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, str(EXAMPLE), *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"local:{make_dense_model(tmp_path_factory.mktemp('models') / 'dense', dimension=128)}"


def test_it_prints_the_posts_results(dense: str) -> None:
    def score(query: str, text: str) -> float:
        return next(value for beginning, value in SCORES.items() if text.startswith(beginning))

    with JinaServer(models=["jina-reranker-v1-base-en"], score=score) as server:
        done = _run("--dense", dense, **server.environment)
        assert server.violations == []

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "Dim: 128 " in lines
    bm25 = [(float(line.split()[1]), line) for line in lines if line.startswith("BM25")]
    assert "Born in Maida Vale" in max(bm25)[1]
    assert [line for line in lines if line.startswith(("Index", "Score"))] == [
        "Index: 1", "Score: 0.937096", "Index: 3", "Score: 0.354210",
        "Index: 0", "Score: 0.349866", "Index: 2", "Score: 0.272896",
    ]  # fmt: skip
    hybrid = [line for line in lines if line.startswith("Hybrid")]
    assert len(hybrid) == 2
    assert "Born in Maida Vale" in hybrid[0]
    assert "dense" in hybrid[0]
    assert "full_text" in hybrid[0]
    assert Path("bm25_params.json").is_file()


def test_a_key_that_is_missing_ends_it_before_anything_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE)])
    with pytest.raises(SystemExit, match=r"^The provider jina needs a key: .*JINA_API_KEY"):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
