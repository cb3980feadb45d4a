"""The tokenizer of a model folder, and how many tokens of a text the model reads."""

from pathlib import Path
from typing import Any, Final

from .folder_files import read_json

# transformers writes 1e30 where it does not know.
_MOST: Final = 10_000_000
# Architectures whose positions begin behind the one of the padding.
_SHIFTED: Final = frozenset({"roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl", "longformer"})


def token_limit(folder: Path) -> int | None:
    """Tokens that are read of a text: what sentence-transformers' file says, or else the tokenizer's own limit.

    Neither is taken beyond the positions that the model has. None where nothing says.
    """
    own = [read_json(file).get("max_seq_length") for file in sorted(folder.glob("sentence_*_config.json"))]
    config = read_json(folder / "config.json")
    positions = _count(config.get("max_position_embeddings"))
    if positions and config.get("model_type") in _SHIFTED:
        positions -= 2
    limit = next((found for value in own if (found := _count(value))), None) or limit_of_before(folder)
    if limit is None or positions is None:
        return limit or positions
    return min(limit, positions)


def limit_of_before(folder: Path) -> int | None:
    """What version 0.2 took for the limit: that of ``tokenizer_config.json``."""
    config = read_json(folder / "tokenizer_config.json")
    limits = [found for name in ("model_max_length", "max_length") if (found := _count(config.get(name)))]
    return min(limits, default=None)


def read_tokenizer(folder: Path, limit: int) -> Any:
    """The tokenizer of a folder, which cuts texts at a limit of tokens, and does not pad.

    Raises:
        ModelError: A file beside it cannot be read.
        Exception: It cannot be read itself; tokenizers has no class for it.
    """
    from tokenizers import AddedToken, Tokenizer

    settings = read_json(folder / "tokenizer_config.json")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    side = settings.get("truncation_side") or (tokenizer.truncation or {}).get("direction", "right")
    tokenizer.enable_truncation(max_length=limit, direction=side)
    for value in read_json(folder / "special_tokens_map.json").values():
        for token in value if isinstance(value, list) else [value]:
            if isinstance(token, dict):
                tokenizer.add_special_tokens([AddedToken(**token)])
            elif isinstance(token, str):
                tokenizer.add_special_tokens([token])
    tokenizer.no_padding()
    return tokenizer


def _count(value: object) -> int | None:
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= _MOST
    return int(value) if is_count and isinstance(value, int | float) else None
