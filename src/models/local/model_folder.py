"""A folder with a model in ONNX, as Hugging Face repositories and sentence-transformers lay it out."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ...errors import ModelError, ModelNotFoundError
from ..embedding_traits import Pooling, embedding_traits, known_pooling
from .folder_files import digest_of, read_json
from .folder_pooling import declared_pooling, pooling_of_before
from .folder_tokenizer import limit_of_before, token_limit

# Where exporters (optimum, fastembed, transformers.js) put the graph, the likeliest first.
_MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx", "onnx/model_quantized.onnx")
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
# Architectures have different words for it.
_DIMENSION_NAMES: Final = ("hidden_size", "dim", "d_model", "n_embd")
# The parts of a sentence-transformers model that are done here, outside the graph.
_KNOWN_MODULES: Final = frozenset({"Transformer", "Pooling", "Normalize"})
_DIGEST_CHARS: Final = 12
# What changes a vector beside the graph: its weights, where they are in a file of their own, and what makes tokens.
_SHARING_FILES: Final = ("tokenizer.json", "special_tokens_map.json")
# Hugging Face's cache keeps a repository so, in folders named by digests.
_CACHED: Final = re.compile(r"models--(.+)")
# What sentence-transformers' configurations call the two sides; the first that has a text is taken.
_QUERY_PROMPTS: Final = ("query", "search_query", "s2p_query", "web_search_query", "retrieval.query", "Retrieval-query")
_DOCUMENT_PROMPTS: Final = (
    "document",
    "passage",
    "search_document",
    "retrieval.passage",
    "Retrieval-document",
    "corpus",
)


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says about its model.

    Attributes:
        path: The folder.
        model_file: The ONNX file, relative to the folder.
        dimension: Length of a token's vector, ``None`` where ``config.json`` does not say.
        pooling: How the tokens' vectors become the text's; None where nothing says. A graph may pool by itself.
        max_tokens: How many tokens of a text are read; None where nothing says.
        query_prefix: What the model wants in front of a question.
        document_prefix: What the model wants in front of a document.
    """

    path: Path
    model_file: str
    dimension: int | None
    pooling: Pooling | None
    max_tokens: int | None
    query_prefix: str = ""
    document_prefix: str = ""

    def identity(self) -> str:
        """The folder's name and a digest of the ONNX file: the same on every machine that has the same model.

        What is read of a folder otherwise than version 0.2 read it is behind it, since vectors differ then: a
        collection of before opens where its vectors were right.

        Raises:
            ModelError: The file cannot be read.
        """
        try:
            with (self.path / self.model_file).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise ModelError(f"The model file {self.path / self.model_file} cannot be read: {exc.strerror}.") from exc
        changed = []
        if self.pooling not in (None, pooling_of_before(self.path)):
            changed.append(f"+{self.pooling}")
        if self.max_tokens != limit_of_before(self.path):
            changed.append(f"+{self.max_tokens}")
        return f"{self.path.resolve().name}@{digest[:_DIGEST_CHARS]}{''.join(changed)}"

    def digest(self) -> str:
        """A digest of the files beside the graph that change a vector.

        Raises:
            ModelError: One cannot be read.
        """
        weights = sorted((self.path / self.model_file).parent.glob("*.onnx_data*"))
        weights += sorted((self.path / self.model_file).parent.glob("*.onnx.data*"))
        return digest_of([*weights, *(self.path / name for name in _SHARING_FILES)])[:_DIGEST_CHARS]

    def pooling_advice(self) -> str:
        """What to do where nothing says how the model pools."""
        return (
            f"The model folder {str(self.path)!r} does not say how its model pools, and its name is that of none that "
            f"is known. Copy modules.json and 1_Pooling/config.json there from the model's repository, or say it with "
            f"pooling= (--pooling): mean, cls or lasttoken, as the model's page says."
        )


def is_folder(model: str) -> bool:
    """Whether a model's name means a folder: there is one, or it is written like a path."""
    return model.startswith(("/", ".", "~", "\\")) or Path(model).is_dir()


def read_model_folder(path: str | Path, *, pooling: Pooling | None = None) -> ModelFolder:
    """Look at a folder, without loading the model.

    Pooling and prompts come from ``modules.json``, ``1_Pooling/config.json`` and ``config_sentence_transformers.json``
    where these say, else from what is known of a model of this name: that of the folder, or the one in ``config.json``.

    Args:
        path: The folder; ``~`` is understood.
        pooling: In place of what the folder says.

    Raises:
        ModelNotFoundError: There is no folder, or files are missing in it.
        ModelError: A file cannot be read, or the model does what cannot be done here.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise ModelNotFoundError(f"There is no model folder {str(path)!r}.")
    model_file = _model_file(folder)
    missing = [name for name in _TOKENIZER_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelNotFoundError(
            f"The model folder {str(path)!r} lacks {' and '.join(missing)}. Copy {', '.join(_TOKENIZER_FILES)} (and "
            f"config.json) there from the model's repository."
        )
    for module in read_json(folder / "modules.json", default=[]):
        name = str(module.get("type", "")).rpartition(".")[2] if isinstance(module, dict) else ""
        if name not in _KNOWN_MODULES:
            raise ModelError(
                f"The model folder {str(path)!r} has a layer {name or module!r} outside its ONNX file, which cannot be "
                f"run here. Use a model whose modules.json lists only {', '.join(sorted(_KNOWN_MODULES))}."
            )
    config = read_json(folder / "config.json")
    names = list(_names(folder, config))
    prompts = read_json(folder / "config_sentence_transformers.json").get("prompts")
    query, document = _prefixes(prompts if isinstance(prompts, dict) else {}, names)
    dimension = next((config[name] for name in _DIMENSION_NAMES if name in config), None)
    known = next((found for name in names if (found := known_pooling(name))), None)
    return ModelFolder(
        path=folder,
        model_file=model_file,
        dimension=dimension if isinstance(dimension, int) else None,
        pooling=pooling or declared_pooling(folder) or known,
        max_tokens=token_limit(folder),
        query_prefix=query,
        document_prefix=document,
    )


def _names(folder: Path, config: Mapping[str, Any]) -> Iterator[str]:
    """What the model may be called, the likeliest first."""
    for part in reversed(folder.resolve().parts):
        if cached := _CACHED.fullmatch(part):
            yield cached[1].replace("--", "/")
            break
    yield folder.resolve().name
    if isinstance(origin := config.get("_name_or_path"), str):
        yield origin


def _prefixes(prompts: Mapping[str, Any], names: list[str]) -> tuple[str, str]:
    """What the model wants in front of a question and of a document: by its prompts, or else by its name."""
    query = next((text for name in _QUERY_PROMPTS if isinstance(text := prompts.get(name), str) and text), "")
    document = next((text for name in _DOCUMENT_PROMPTS if isinstance(text := prompts.get(name), str) and text), "")
    if query or document:
        return query, document
    traits = next((traits for name in names if (traits := embedding_traits(name)) != embedding_traits("")), None)
    return (traits.query_prefix, traits.document_prefix) if traits else ("", "")


def _model_file(folder: Path) -> str:
    for name in _MODEL_FILES:
        if (folder / name).is_file():
            return name
    files = (*folder.glob("*.onnx"), *folder.glob("onnx/*.onnx"))
    found = sorted(file.relative_to(folder).as_posix() for file in files)
    if len(found) == 1:
        return found[0]
    if found:
        raise ModelNotFoundError(
            f"The model folder {str(folder)!r} has several ONNX files ({', '.join(found)}), and none is named "
            f"model.onnx. Rename the one that is meant."
        )
    raise ModelNotFoundError(
        f"The model folder {str(folder)!r} has no ONNX file. It needs model.onnx, {', '.join(_TOKENIZER_FILES)} and "
        f"config.json, as in the ONNX repositories on Hugging Face."
    )
