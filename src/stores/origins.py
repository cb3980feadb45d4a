"""Names for what brings documents, and for what cuts them, by which a collection remembers them."""

import hashlib
import os

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

# Where loaders of other packages keep what they load.
_PLACES = ("path", "file_path", "web_paths", "web_path", "urls", "url")


def root_of(loader: BaseLoader) -> tuple[str, bool]:
    """Names a loader by what it loads, and says whether that could be found out."""
    own = getattr(loader, "root", None)
    if isinstance(own, str) and own:
        return own, True
    for name in _PLACES:
        place = getattr(loader, name, None)
        if isinstance(place, str | os.PathLike) and "://" not in str(place):
            place = os.path.abspath(place)  # noqa: PTH100 - not resolved: the link's name is what was asked for
        if isinstance(place, str | list | tuple) and place:
            return f"{type(loader).__name__}:{hashlib.sha256(str(place).encode()).hexdigest()[:16]}", True
    return type(loader).__name__, False


def splitter_fingerprint(splitter: BaseDocumentTransformer) -> str:
    """Says which splitter with which parameters this is."""
    own = getattr(splitter, "fingerprint", None)
    if own:
        return str(own)
    sizes = [
        f"{name}={getattr(splitter, f'_{name}')}"
        for name in ("chunk_size", "chunk_overlap")
        if hasattr(splitter, f"_{name}")
    ]
    return f"{type(splitter).__name__}({', '.join(sizes)})"
