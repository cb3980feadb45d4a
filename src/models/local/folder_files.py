"""The files beside a model: JSON that may be missing, and what a digest of them is."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ...errors import ModelError

# Of larger files, the weights beside a graph, so much of the beginning, the middle and the end is looked at.
_WHOLE: Final = 64 * 2**20
_PART: Final = 2**20


def read_json(file: Path, default: Any = None) -> Any:
    """A JSON file's content; the default, or else an empty object, where there is none.

    Raises:
        ModelError: It cannot be read, or is of another type than the default.
    """
    if not file.is_file():
        return {} if default is None else default
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as exc:
        raise ModelError(f"The model's file {str(file)!r} cannot be read as JSON: {exc}") from exc
    if isinstance(content, type(default) if default is not None else dict):
        return content
    raise ModelError(f"The model's file {str(file)!r} does not hold what its name promises.")


def digest_of(files: Sequence[Path]) -> str:
    """A digest of those of some files that are there.

    Raises:
        ModelError: One cannot be read.
    """
    found = hashlib.sha256()
    for path in files:
        if not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                size = path.stat().st_size
                found.update(f"{path.name}:{size}:".encode())
                for start in (0,) if size <= _WHOLE else (0, size // 2, size - _PART):
                    file.seek(start)
                    found.update(file.read(size if size <= _WHOLE else _PART))
        except OSError as exc:
            raise ModelError(f"The model file {path} cannot be read: {exc.strerror}.") from exc
    return found.hexdigest()
