"""How a model folder says that its model pools, as sentence-transformers writes it."""

from pathlib import Path
from typing import Any, Final

from ...errors import ModelError
from ..embedding_traits import Pooling
from .folder_files import read_json

_LEGACY_FOLDER: Final = "1_Pooling"
_NAMES: Final[dict[str, Pooling]] = {
    "mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls", "lasttoken": "lasttoken",
    "last_token": "lasttoken",
}  # fmt: skip
# Flags of the file that are no way of pooling.
_NO_MODES: Final = frozenset({"include_prompt"})
# What sentence-transformers takes where the file does not say.
_WITHOUT_A_MODE: Final[Pooling] = "mean"


def declared_pooling(folder: Path) -> Pooling | None:
    """How a folder says that it pools: in the place that ``modules.json`` names, or else in ``1_Pooling``.

    Returns:
        None where it does not say.

    Raises:
        ModelError: It pools in a way, or in several ways, that cannot be done here.
    """
    modules = read_json(folder / "modules.json", default=[])
    places = [
        str(module.get("path") or "")
        for module in modules
        if isinstance(module, dict) and str(module.get("type", "")).rpartition(".")[2] == "Pooling"
    ]
    for place in (*places, _LEGACY_FOLDER):
        file = folder / place / "config.json"
        if place and file.is_file():
            return _mode(folder, read_json(file))
    return _WITHOUT_A_MODE if places else None


def pooling_of_before(folder: Path) -> Pooling | None:
    """What version 0.2 took for the pooling of a folder: that of the file in ``1_Pooling``, or else the mean."""
    file = folder / _LEGACY_FOLDER / "config.json"
    try:
        return _mode(folder, read_json(file)) if file.is_file() else "mean"
    except ModelError:
        return None


def _mode(folder: Path, settings: dict[str, Any]) -> Pooling:
    # sentence-transformers writes one flag a mode, newer versions the mode's name.
    modes = [name.removeprefix("pooling_mode_") for name, on in settings.items() if on is True]
    named = settings.get("pooling_mode")
    modes = [named] if isinstance(named, str) else named if isinstance(named, list) else modes
    modes = [mode for mode in modes if mode not in _NO_MODES]
    if not modes:
        return _WITHOUT_A_MODE
    if len(modes) == 1 and modes[0] in _NAMES:
        return _NAMES[modes[0]]
    raise ModelError(
        f"The model folder {str(folder)!r} pools by {' and '.join(map(repr, modes))}, which cannot be done here: use a "
        f"model that pools by mean, first or last token."
    )
