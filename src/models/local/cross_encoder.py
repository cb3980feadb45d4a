"""Reranking on this machine, without a key: a cross-encoder in ONNX, through fastembed."""

import math
import threading
import time
from pathlib import Path
from typing import Any, Final

from ...errors import MilvusRagError, ModelError, ModelNotFoundError, ModelTimeoutError
from ...extras import require
from ..travelling import MadeAtFirstUse
from .model_folder import ModelFolder, is_folder, read_model_folder
from .model_hub import check_available, default_cache_dir, download_failed, find_model
from .parallel_runs import Slots, cores, run_each

DEFAULT_MODEL: Final = "Xenova/ms-marco-MiniLM-L-6-v2"


class CrossEncoderScorer(MadeAtFirstUse):
    """Scores texts by a cross-encoder on the CPU. Nothing is read or downloaded before the first use.

    Args:
        model: A cross-encoder that fastembed knows, or a folder with ``model.onnx``, ``tokenizer.json``,
            ``tokenizer_config.json`` and ``config.json``.
        timeout: Seconds that the scoring may take, without the loading. A text that is begun is finished.
        cache_dir: Where downloaded models are kept; see `milvus_rag.models.local.model_hub.default_cache_dir`.
        threads: How many texts are scored at once, by all threads that use this object together; by default as many as
            this process may use cores.
    """

    _stays = frozenset({"_lock", "_loaded"})

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        timeout: float | None = None,
        cache_dir: str | Path | None = None,
        threads: int | None = None,
    ) -> None:
        self._model = model
        self._timeout = timeout
        self._cache_dir = Path(cache_dir).expanduser() if cache_dir is not None else None
        self._slots = Slots(threads or cores())
        self._lock = threading.Lock()
        self._loaded: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"

    @property
    def name(self) -> str:
        """The spec."""
        return f"local:{self._model}"

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        """Score texts, from 0 to 1; see `milvus_rag.models.reranking.Scorer`.

        Raises:
            MissingExtraError: fastembed is not installed.
            ModelError: The model cannot be found, downloaded or loaded, fails, or takes too long.
        """
        model = self._load()
        deadline = time.monotonic() + self._timeout if self._timeout is not None else math.inf

        def run(text: str) -> float:
            if time.monotonic() > deadline:
                raise ModelTimeoutError(
                    f"{self.name} did not score {len(texts)} texts within {self._timeout:g} s. Give it fewer texts, or "
                    f"raise timeout=."
                )
            return float(next(iter(model.rerank_pairs([(query, text)], batch_size=1))))

        try:
            logits = run_each(run, texts, slots=self._slots)
        except MilvusRagError:
            raise
        except Exception as exc:  # onnxruntime's errors have no class in common
            raise ModelError(f"The model {self.name} fails: {exc}") from exc
        return [(place, _sigmoid(logit)) for place, logit in enumerate(logits)]

    def _load(self) -> Any:
        with self._lock:
            if self._loaded is None:
                require("fastembed", "local", "A reranker on this machine")
                try:
                    self._loaded = self._load_folder() if is_folder(self._model) else self._load_named()
                except MilvusRagError:
                    raise
                except Exception as exc:  # tokenizers and onnxruntime raise Exception itself
                    raise ModelNotFoundError(f"The model {self.name} cannot be loaded: {exc}") from exc
            return self._loaded

    def _load_folder(self) -> Any:
        return _load_folder(read_model_folder(self._model))

    def _load_named(self) -> Any:
        from fastembed.rerank.cross_encoder import TextCrossEncoder

        row = find_model(self._model, TextCrossEncoder.list_supported_models(), kind="cross-encoder")
        cache_dir = self._cache_dir or default_cache_dir()
        in_cache = check_available(row, cache_dir)
        try:
            return TextCrossEncoder(row["model"], cache_dir=str(cache_dir), threads=1, local_files_only=in_cache)
        except (ValueError, OSError) as exc:
            raise download_failed(row, cache_dir, exc) from exc


def _load_folder(folder: ModelFolder) -> Any:
    from fastembed.common.model_description import BaseModelDescription, ModelSource
    from fastembed.rerank.cross_encoder.custom_text_cross_encoder import CustomTextCrossEncoder

    class FolderCrossEncoder(CustomTextCrossEncoder):
        # A registry of its own, see milvus_rag.models.local.embeddings.
        SUPPORTED_MODELS: list[Any] = []  # noqa: RUF012 - declared so in the base class

    name = folder.path.name
    FolderCrossEncoder.add_model(
        BaseModelDescription(
            model=name,
            sources=ModelSource(url="file:"),
            model_file=folder.model_file,
            description="",
            license="",
            size_in_GB=0,
        )
    )
    path = str(folder.path)
    return FolderCrossEncoder(name, cache_dir=path, threads=1, specific_model_path=path)


def _sigmoid(logit: float) -> float:
    # In two halves, since exp() of a large number overflows.
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
