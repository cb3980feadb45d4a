"""A part of what a loader gives, also of one that knows nothing of parts."""

from langchain_core.document_loaders import BaseLoader

from .loader_protocols import ShardableLoader


def of_shard(loader: BaseLoader, shard: tuple[int, int] | None) -> tuple[BaseLoader, tuple[int, int] | None]:
    """Have a loader give a part of its sources, if it can.

    Args:
        loader: Gives documents.
        shard: Which part, see `source_parts`; None for all.

    Returns:
        What to load from, and by which shard its documents are still to be chosen.

    Raises:
        InputError: The loader is for another part already.
    """
    if shard is None or not isinstance(loader, ShardableLoader):
        return loader, shard
    return loader.in_shard(*shard), None
