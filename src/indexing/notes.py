"""What a user is told of a run beside its counts."""

from collections.abc import Callable, Collection

from .pruning import Leftovers

_EXAMPLES = 3


def examples(names: Collection[str]) -> str:
    """Some of many names."""
    return ", ".join(sorted(names)[:_EXAMPLES]) + (", …" if len(names) > _EXAMPLES else "")


def what_is_not_found(cut: Collection[str]) -> list[str]:
    """What to tell a user of sources with chunks of which not all terms are kept."""
    if not cut:
        return []
    return [
        f"{len(cut)} sources have chunks with more different words than full-text search keeps, and are not found by "
        f"all of them: {examples(cut)}. Split them into smaller chunks."
    ]


def why_nothing_is_pruned(*, is_known: bool, unreadable: bool) -> list[str]:
    """What to tell a user whose sources stay although they may be gone.

    Args:
        is_known: Whether it is known what the loader would give.
        unreadable: Whether there was something that it could not read.
    """
    if unreadable:
        return ["Nothing was pruned, since not all files could be read."]
    if not is_known:
        return ["Nothing was pruned: the loader gave nothing, or tells by no 'root' or 'path' what it loads."]
    return []


def of_leftovers(left: Leftovers, place_of: Callable[[str], str | None]) -> list[str]:
    """What to tell a user of rows that other roots have.

    Args:
        left: What was found.
        place_of: Where another root's files were.
    """
    notes = []
    for root, gone in left.relocated.items():
        removed = f"{len(gone)} files that are gone from it were removed: {examples(gone)}." if gone else ""
        notes.append(
            f"Taken for the folder {place_of(root) or root} at another place, since at least half of it is the "
            f"same. {removed or 'No file was removed because of it.'}"
        )
    if left.namesakes:
        notes.append(
            f"{len(left.namesakes)} sources have names that were indexed from elsewhere too, and both are kept: "
            f"{examples(left.namesakes)}."
        )
    return notes
