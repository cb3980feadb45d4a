"""Embeddings on this machine, without a key."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from ...errors import InputError, MilvusRagError, ModelError, ModelNotFoundError
from ...extras import require
from ...vectors import usable
from ..embedding_traits import Pooling, embedding_traits
from ..travelling import MadeAtFirstUse
from .folder_tokenizer import read_tokenizer
from .model_folder import ModelFolder, is_folder, read_model_folder
from .model_hub import check_available, default_cache_dir, download_failed, find_model
from .parallel_runs import Slots, cores, run_each

DEFAULT_MODEL: Final = "all-MiniLM-L6-v2"
_EXTRA: Final = "local"


class LocalEmbeddings(MadeAtFirstUse, Embeddings):
    """Sentence embeddings with ONNX on the CPU, through fastembed.

    Texts are run one at a time, each on one core, the longest first, as many at once as there are cores. Nothing is
    padded, which is what makes it faster than batches (`benchmarks/embeddings.py` measures it), and a text's vector
    never depends on what it is embedded with: int8 models scale their activations by the batch.

    Nothing is read or downloaded before the first use, and a folder is never looked for on a hub. It can be used from
    any number of threads.

    Args:
        model: A model that fastembed knows (``"all-MiniLM-L6-v2"``, ``"BAAI/bge-small-en-v1.5"``), or a folder with
            ``model.onnx``, ``tokenizer.json``, ``tokenizer_config.json`` and ``config.json``.
        cache_dir: Where downloaded models are kept; see `milvus_rag.models.local.model_hub.default_cache_dir`.
        threads: How many texts are run at once, by all threads that use this object together; by default as many as
            this process may use cores.
        query_prefix: Put in front of a question; by default what the model is known to want.
        document_prefix: Put in front of a document; by default what the model is known to want.
        pooling: How a model in a folder makes one vector of those of a text's tokens, by default what the folder says.
    """

    # Texts and characters that a caller that reports progress does well to send at once; there is no limit.
    max_batch: Final = 64
    max_batch_chars: Final = 200_000
    _stays = frozenset({"_lock", "_loaded", "_found"})

    def __init__(
        self,
        model: str | Path = DEFAULT_MODEL,
        *,
        cache_dir: str | Path | None = None,
        threads: int | None = None,
        query_prefix: str | None = None,
        document_prefix: str | None = None,
        pooling: Pooling | None = None,
    ) -> None:
        self.model = str(model)
        self._cache_dir = Path(cache_dir).expanduser() if cache_dir is not None else None
        self._slots = Slots(threads or cores())
        self._prefixes = (query_prefix, document_prefix)
        self._pooling = pooling
        self._lock = threading.Lock()
        self._found: _Found | None = None
        self._loaded: Any = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a collection remembers of this embedding. The model is looked up, not loaded.

        Raises:
            MissingExtraError: fastembed is not installed.
            ModelNotFoundError: There is no such model or folder, or the folder lacks files.
        """
        found = self._find()
        return {
            "provider": "local",
            "model": found.identity,
            "dimension": found.dimension,
            "query_prefix": found.query_prefix,
            "document_prefix": found.document_prefix,
            "normalised": True,
            **({"digest": found.folder.digest()} if found.folder else {}),
        }

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts.

        Args:
            texts: Any number; what is longer than the model's limit is cut off there.

        Returns:
            One vector of length 1 a text, in order.

        Raises:
            MissingExtraError: fastembed is not installed.
            ModelError: The model cannot be found, downloaded or loaded, or does not answer vectors.
        """
        prefix = self._find().document_prefix
        return self._embed([prefix + text for text in texts], is_query=False)

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; see `embed_documents`."""
        return self._embed([self._find().query_prefix + text], is_query=True)[0]

    def _embed(self, texts: list[str], *, is_query: bool) -> list[list[float]]:
        if not texts:
            return []
        model = self._load()
        run = model.query_embed if is_query else model.passage_embed
        try:
            vectors = run_each(lambda text: _first(run([text])), texts, slots=self._slots)
        except Exception as exc:  # onnxruntime's errors have no class in common
            raise ModelError(f"The model {self.model} fails: {exc}") from exc
        who, dimension = f"The model {self.model}", self._find().dimension
        rows: list[list[float]] = usable(
            vectors, count=len(texts), dimension=dimension, normalise=True, who=who
        ).tolist()
        return rows

    def _find(self) -> "_Found":
        if self._found is None:
            found = _find_folder(self.model, self._pooling) if is_folder(self.model) else self._find_by_name()
            self._found = found.with_prefixes(*self._prefixes)
        return self._found

    def _find_by_name(self) -> "_Found":
        if self._pooling is not None:
            raise InputError(f"pooling= is for models in folders: how {self.model} pools is known.")
        return _find_named(self.model)

    def _load(self) -> Any:
        found = self._find()
        with self._lock:
            if self._loaded is None:
                try:
                    self._loaded = found.load(self._cache_dir or default_cache_dir())
                except MilvusRagError:
                    raise
                except Exception as exc:  # tokenizers and onnxruntime raise Exception itself
                    raise ModelNotFoundError(f"The model {self.model} cannot be loaded: {exc}") from exc
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Found:
    """A model that is known to exist, not loaded yet: of a folder or of a name."""

    identity: str
    dimension: int | None
    query_prefix: str
    document_prefix: str
    folder: ModelFolder | None
    row: dict[str, Any] | None

    def with_prefixes(self, query: str | None, document: str | None) -> "_Found":
        return _Found(
            self.identity,
            self.dimension,
            self.query_prefix if query is None else query,
            self.document_prefix if document is None else document,
            self.folder,
            self.row,
        )

    def load(self, cache_dir: Path) -> Any:
        if self.folder is not None:
            return _load_folder(self.folder)
        return _load_named(self.row or {}, cache_dir)


def _find_folder(path: str, pooling: Pooling | None) -> _Found:
    require("fastembed", _EXTRA, "LocalEmbeddings")
    folder = read_model_folder(path, pooling=pooling)
    return _Found(folder.identity(), folder.dimension, folder.query_prefix, folder.document_prefix, folder, None)


def _find_named(name: str) -> _Found:
    fastembed = require("fastembed", _EXTRA, "LocalEmbeddings")
    row = find_model(name, fastembed.TextEmbedding.list_supported_models(), kind="embedding model")
    traits = embedding_traits(row["model"])
    return _Found(row["model"], row["dim"], traits.query_prefix, traits.document_prefix, None, dict(row))


def _load_named(row: dict[str, Any], cache_dir: Path) -> Any:
    from fastembed import TextEmbedding

    in_cache = check_available(row, cache_dir)
    try:
        return TextEmbedding(row["model"], cache_dir=str(cache_dir), threads=1, local_files_only=in_cache)
    except (ValueError, OSError) as exc:
        raise download_failed(row, cache_dir, exc) from exc


def _load_folder(folder: ModelFolder) -> Any:
    from fastembed.common.model_description import DenseModelDescription, ModelSource, PoolingType
    from fastembed.text.custom_text_embedding import CustomTextEmbedding

    class FolderEmbedding(CustomTextEmbedding):
        # fastembed keeps custom models in a registry of the class, under names that must be unique: a class of its own
        # keeps two folders, or one folder twice, apart.
        SUPPORTED_MODELS: list[Any] = []  # noqa: RUF012 - declared so in the base class
        POSTPROCESSING_MAPPING: dict[str, Any] = {}  # noqa: RUF012 - declared so in the base class

        def _pool(self, embeddings: Any, attention_mask: Any = None) -> Any:
            # Some exports pool inside the graph.
            if embeddings.ndim == 2:
                return embeddings
            if folder.pooling is None:
                raise ModelError(folder.pooling_advice())
            return super()._pool(embeddings, attention_mask)

        def _load_tokenizer(self, model_dir: Path) -> None:
            # fastembed's knows one limit, that of tokenizer_config.json, and pads, which a text alone does not need.
            if folder.max_tokens is None:
                super()._load_tokenizer(model_dir)
                return
            self.tokenizer = read_tokenizer(folder.path, folder.max_tokens)
            added = self.tokenizer.get_added_tokens_decoder().items()
            self.special_token_to_id = {token.content: number for number, token in added if token.special}

    name = folder.path.name
    description = DenseModelDescription(
        model=name,
        sources=ModelSource(url="file:"),
        model_file=folder.model_file,
        dim=folder.dimension or 0,
        description="",
        license="",
        size_in_GB=0,
    )
    poolings = {"mean": PoolingType.MEAN, "cls": PoolingType.CLS, "lasttoken": PoolingType.LAST_TOKEN}
    FolderEmbedding.add_model(description, pooling=poolings[folder.pooling or "mean"], normalization=False)
    # The cache folder is only made, never used: without one fastembed makes one for temporary files.
    path = str(folder.path)
    model = FolderEmbedding(name, cache_dir=path, threads=1, specific_model_path=path)
    if folder.pooling is None:
        # Said before the first text, not about it.
        list(model.embed(["a"]))
    return model


def _first(vectors: Iterable[Any]) -> list[float]:
    vector: list[float] = next(iter(vectors)).tolist()
    return vector
