"""What a user is told of a run beside its counts."""

from collections.abc import Callable, Collection, Mapping

from ..text_analysis import DEFAULT_LANGUAGE, NO_STEMS
from .pruning import Leftovers
from .scope import Fate

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


def of_other_shards(documents: int) -> list[str]:
    """What to tell a user whose loader gave documents of other shards."""
    if not documents:
        return []
    return [
        f"{documents:,} documents of other shards were loaded and left out: the loader knows no parts, so each shard "
        f"loads all that it loads."
    ]


def of_language(language: str) -> list[str]:
    """What to tell a user of the language that a new collection's texts were taken to be in."""
    if language == DEFAULT_LANGUAGE:
        return []
    taken = (
        f"Full-text search takes words as they are (language {NO_STEMS}): it has no stems of the language that the "
        f"texts are in."
        if language == NO_STEMS
        else f"Full-text search knows the words of {language.title()}, which the texts seem to be in."
    )
    return [f"{taken} For another language, rebuild the index with --language (language= of open_store)."]


def why_nothing_is_pruned(*, hidden: bool, undecided: bool, gave_any: bool) -> list[str]:
    """What to tell a user whose sources stay although they may be gone.

    Args:
        hidden: Whether there was something that could not be read, and behind which there may be more sources.
        undecided: Whether there are sources that were not given.
        gave_any: Whether anything was given.
    """
    if hidden:
        return ["Nothing was pruned, since not all folders or pages could be read: there may be more sources in them."]
    return ["Nothing was pruned: the loader gave nothing."] if undecided and not gave_any else []


def why_some_stay(undecided: Mapping[str, Fate], *, gave_any: bool) -> list[str]:
    """What to tell a user of sources that were not given, and stay."""
    there = [source for source, fate in undecided.items() if fate is Fate.THERE]
    unknown = [source for source, fate in undecided.items() if fate is Fate.UNKNOWN]
    notes = []
    if there:
        notes.append(
            f"{len(there)} sources were not given although their files are there, and stay in the index: "
            f"{examples(there)}. Delete what is not to be found any more with store.delete(filter={{'source': …}})."
        )
    if unknown and gave_any:
        notes.append(
            f"Nothing was pruned of {len(unknown)} sources that were not given, since they may have failed, or it is "
            f"not known that they are this loader's: {examples(unknown)}. If all that it loads is to be in the index "
            f"and nothing else, say so by a name that stays the same: sync(..., scope='NAME')."
        )
    return notes


def of_what_is_left_out(sources: Collection[str]) -> list[str]:
    """What to tell a user of files that were indexed, are there, and are not chosen this time."""
    if not sources:
        return []
    return [
        f"{len(sources)} files that glob and exclude leave out this time were indexed before, and stay in the index: "
        f"{examples(sources)}. To have them out of it, build it anew without them (--rebuild --drop-others), or delete "
        f"them with store.delete(filter={{'source': …}})."
    ]


def of_another_place(place: str, gone: Collection[str]) -> list[str]:
    """What to tell a user who gave the name of one folder to another, both of which are there."""
    return [
        f"By its name this is what was indexed from {place}, which is still there: {len(gone)} files that are not here "
        f"were removed from the index, {examples(gone)}. Two folders that are to be searched both need two names."
    ]


def of_leftovers(left: Leftovers, place_of: Callable[[str], str | None], *, former: Collection[str] = ()) -> list[str]:
    """What to tell a user of rows that other roots have.

    Args:
        left: What was found.
        place_of: Where another root's files were.
        former: Roots that a user gave another name: nothing is to be told of these.
    """
    notes = []
    for root, gone in left.relocated.items():
        if root in former:
            continue
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
