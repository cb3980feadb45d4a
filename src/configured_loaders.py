"""Loaders and splitters, made as the settings say."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import InputError
from .settings import Settings

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from langchain_text_splitters import TextSplitter

    from .loaders.markdown import MarkdownLoader
    from .loaders.site import SiteLoader


def build_loader(
    settings: Settings, path: str, *, shard: tuple[int, int] | None = None
) -> "MarkdownLoader | SiteLoader":
    """A loader for a file, a folder, an archive, a URL of either, or a site.

    Raises:
        InputError: A part of a site is asked for.
    """
    from .loaders.addresses import is_site
    from .loaders.download import is_url
    from .loaders.markdown import MarkdownLoader

    if is_url(path) and is_site(path):
        from .loaders.page_cache import default_cache
        from .loaders.site import SiteLimits, SiteLoader

        if shard is not None:
            raise InputError("A site is loaded by one process, which asks slowly: leave out the shard (--shard).")
        limits = SiteLimits(pages=settings.max_pages)
        return SiteLoader(path, private=settings.private_addresses, limits=limits, cache=default_cache())
    return MarkdownLoader(path, settings.glob, exclude=settings.exclude, shard=shard)


def build_splitter(settings: Settings) -> "TextSplitter":
    """The splitter by its name."""
    from .loaders.splitters import MarkdownSplitter, MarkerSplitter

    if settings.splitter == "markdown":
        return MarkdownSplitter(chunk_size=settings.chunk_size)
    if "chunk_size" in settings.model_fields_set:
        logger.warning("chunk_size: no effect, since the splitter marker cuts at '# ' and nowhere else.")
    return MarkerSplitter()


def parse_shard(shard: str | None) -> tuple[int, int] | None:
    """Read ``"2/4"`` as the second of four.

    Raises:
        InputError: It is not of that form.
    """
    if shard is None:
        return None
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise InputError(f"A shard is written NUMBER/COUNT, e.g. 2/4 for the second of four, not {shard!r}.")
    return int(number), int(count)


def check_distinct(paths: Sequence[str], loaders: "Sequence[MarkdownLoader | SiteLoader]") -> None:
    """Refuse paths that have files of the same name, so that one would replace the other's.

    Raises:
        InputError: They have.
    """
    if len(paths) < 2:
        return
    from .loaders.download import public_path
    from .loaders.markdown import MarkdownLoader

    first: dict[str, tuple[str, Path | None]] = {}
    for path, loader in zip(paths, loaders, strict=True):
        if not isinstance(loader, MarkdownLoader):
            # Addresses are names of no files.
            continue
        base = loader.base.resolve() if loader.base is not None else None
        for source in loader.sources():
            other, other_base = first.setdefault(source, (path, base))
            if other != path and not _is_inside(base, other_base):
                raise InputError(
                    f"{public_path(other)} and {public_path(path)} both have {source}, so one would "
                    f"replace the other in the collection. Index the folder that holds both, or use two collections."
                )


def _is_inside(base: Path | None, other: Path | None) -> bool:
    """Whether one of two folders is in the other: then each file in both has one name, see docs/indexing.md."""
    if base is None or other is None:
        return False
    return base.is_relative_to(other) or other.is_relative_to(base)
