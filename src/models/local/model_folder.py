"""A folder with a model in ONNX, as Hugging Face repositories and sentence-transformers lay it out."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ...errors import ModelError, ModelNotFoundError

Pooling = Literal["mean", "cls", "lasttoken"]

# Where exporters (optimum, fastembed, transformers.js) put the graph, the likeliest first.
_MODEL_FILES: Final = ("model.onnx", "onnx/model.onnx", "model_optimized.onnx", "onnx/model_quantized.onnx")
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer_config.json")
# Architectures have different words for it.
_DIMENSION_NAMES: Final = ("hidden_size", "dim", "d_model", "n_embd")
# The parts of a sentence-transformers model that are done here, outside the graph.
_KNOWN_MODULES: Final = frozenset({"Transformer", "Pooling", "Normalize"})
_DIGEST_CHARS: Final = 12


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What a folder says about its model.

    Attributes:
        path: The folder.
        model_file: The ONNX file, relative to the folder.
        dimension: Length of a token's vector, ``None`` where ``config.json`` does not say.
        pooling: How the tokens' vectors become the text's.
        query_prefix: What the model wants in front of a question.
        document_prefix: What the model wants in front of a document.
    """

    path: Path
    model_file: str
    dimension: int | None
    pooling: Pooling
    query_prefix: str = ""
    document_prefix: str = ""

    def identity(self) -> str:
        """The folder's name and a digest of the ONNX file: the same on every machine that has the same model.

        Raises:
            ModelError: The file cannot be read.
        """
        try:
            with (self.path / self.model_file).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as exc:
            raise ModelError(f"The model file {self.path / self.model_file} cannot be read: {exc.strerror}.") from exc
        return f"{self.path.resolve().name}@{digest[:_DIGEST_CHARS]}"


def is_folder(model: str) -> bool:
    """Whether a model's name means a folder: there is one, or it is written like a path."""
    return model.startswith(("/", ".", "~", "\\")) or Path(model).is_dir()


def read_model_folder(path: str | Path) -> ModelFolder:
    """Look at a folder, without loading the model.

    Pooling and prompts come from ``1_Pooling/config.json`` and ``config_sentence_transformers.json`` where these are;
    else the pooling is the mean, as for most sentence encoders.

    Args:
        path: The folder; ``~`` is understood.

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
    for module in _json(folder / "modules.json", default=[]):
        name = str(module.get("type", "")).rpartition(".")[2] if isinstance(module, dict) else ""
        if name not in _KNOWN_MODULES:
            raise ModelError(
                f"The model folder {str(path)!r} has a layer {name or module!r} outside its ONNX file, which cannot be "
                f"run here. Use a model whose modules.json lists only {', '.join(sorted(_KNOWN_MODULES))}."
            )
    prompts = _json(folder / "config_sentence_transformers.json").get("prompts") or {}
    config = _json(folder / "config.json")
    dimension = next((config[name] for name in _DIMENSION_NAMES if name in config), None)
    return ModelFolder(
        path=folder,
        model_file=model_file,
        dimension=dimension if isinstance(dimension, int) else None,
        pooling=_pooling(folder),
        query_prefix=str(prompts.get("query") or ""),
        document_prefix=str(prompts.get("document") or prompts.get("passage") or ""),
    )


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


def _pooling(folder: Path) -> Pooling:
    settings = _json(folder / "1_Pooling" / "config.json")
    # sentence-transformers writes one flag a mode, newer versions the mode's name.
    modes = [name.removeprefix("pooling_mode_") for name, on in settings.items() if on is True]
    if isinstance(settings.get("pooling_mode"), str):
        modes = [settings["pooling_mode"]]
    names: dict[str, Pooling] = {
        "mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls", "lasttoken": "lasttoken",
    }  # fmt: skip
    known = [names[mode] for mode in modes if mode in names]
    if known:
        return known[0]
    modes = [mode for mode in modes if mode.endswith("tokens")] or modes
    if modes and modes != ["include_prompt"]:
        raise ModelError(
            f"The model folder {str(folder)!r} pools by {modes[0]!r}, which cannot be done here: use a model that "
            f"pools by mean, first or last token."
        )
    return "mean"


def _json(file: Path, default: Any = None) -> Any:
    """A JSON file's content; the default, or else an empty object, where there is none."""
    if not file.is_file():
        return {} if default is None else default
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelError(f"The model's file {str(file)!r} cannot be read as JSON: {exc}") from exc
    if isinstance(content, type(default) if default is not None else dict):
        return content
    raise ModelError(f"The model's file {str(file)!r} does not hold what its name promises.")
