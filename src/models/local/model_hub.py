"""Models by name: found among those that fastembed knows, and downloaded once."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import httpx

from ...errors import ModelNotFoundError

# Seconds to wait for a sign of life. fastembed itself tries for more than half a minute before it gives up.
_HUB_TIMEOUT: Final = 10.0
_HUB: Final = "https://huggingface.co"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})


def default_cache_dir() -> Path:
    """Where models are kept: ``FASTEMBED_CACHE_PATH``, or a folder of the user's cache that outlives a restart.

    fastembed's own default is the system's folder for temporary files.
    """
    if chosen := os.environ.get("FASTEMBED_CACHE_PATH"):
        return Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "milvus-rag" / "models"


def find_model(name: str, known: Iterable[Mapping[str, Any]], *, kind: str) -> Mapping[str, Any]:
    """Look a model up, by its full name or the part after the slash.

    Args:
        name: E.g. ``"sentence-transformers/all-MiniLM-L6-v2"`` or ``"all-MiniLM-L6-v2"``.
        known: What fastembed lists.
        kind: What is looked for, for the message.

    Raises:
        ModelNotFoundError: No model or more than one has that name.
    """
    rows = list(known)
    wanted = name.lower()
    found = [row for row in rows if str(row["model"]).lower() == wanted]
    found = found or [row for row in rows if str(row["model"]).lower().rpartition("/")[2] == wanted]
    if len(found) == 1:
        return found[0]
    names = sorted(str(row["model"]) for row in found or rows)
    if not found:
        names = get_close_matches(name, names, n=5, cutoff=0.4) or names[:5]
    problem = "could be several models" if found else f"is no {kind} that can be run here by its name"
    raise ModelNotFoundError(
        f"{name!r} {problem}. Known ones are {', '.join(names)} and the others that fastembed lists. Any other is used "
        f"from a folder with model.onnx, tokenizer.json, tokenizer_config.json and config.json "
        f"('local:/path/to/folder')."
    )


def check_available(row: Mapping[str, Any], cache_dir: Path) -> bool:
    """Find out, before minutes of retries, whether a model can be had.

    Args:
        row: The model, as fastembed lists it.
        cache_dir: Where models are kept.

    Returns:
        Whether it is in the cache; else it can be downloaded.

    Raises:
        ModelNotFoundError: It is not in the cache, and the hub cannot be reached or is switched off.
    """
    from huggingface_hub import try_to_load_from_cache

    repository = str(row["sources"]["hf"])
    if isinstance(try_to_load_from_cache(repository, row["model_file"], cache_dir=cache_dir), str):
        return True
    if os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in _TRUE:
        raise _unavailable(row, cache_dir, "HF_HUB_OFFLINE is set")
    hub = os.environ.get("HF_ENDPOINT") or _HUB
    try:
        httpx.head(hub, timeout=_HUB_TIMEOUT)
    except httpx.HTTPError as exc:
        raise _unavailable(row, cache_dir, f"{hub} cannot be reached ({type(exc).__name__}: {exc})") from exc
    return False


def download_failed(row: Mapping[str, Any], cache_dir: Path, reason: object) -> ModelNotFoundError:
    """The error for a download that was begun."""
    return _unavailable(row, cache_dir, str(reason))


def _unavailable(row: Mapping[str, Any], cache_dir: Path, reason: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"The model {row['model']} is not in {cache_dir} and cannot be downloaded: {reason}. Download "
        f"https://huggingface.co/{row['sources']['hf']} elsewhere ({row['model_file']}, tokenizer.json, "
        f"tokenizer_config.json, special_tokens_map.json, config.json) and give its folder ('local:/path/to/folder'), "
        f"or set HF_ENDPOINT to a mirror."
    )
