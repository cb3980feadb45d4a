"""What a collection can be called."""

import re

from ..errors import InputError

# https://milvus.io/docs/limitations.md; Milvus Lite would take any, and its collections could not move to a server.
LONGEST_NAME = 255
_NAME = re.compile(rf"[A-Za-z_][A-Za-z0-9_]{{0,{LONGEST_NAME - 1}}}")


def check_name(name: str) -> None:
    """Raise an `InputError` for what cannot be the name of a collection."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a collection: use at most {LONGEST_NAME} letters, digits and "
            f"underscores, and no digit at the start."
        )
