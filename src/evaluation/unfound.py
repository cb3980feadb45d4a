"""Questions whose passage is nowhere in a collection: they are missed whatever is done, and say nothing of a search."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from langchain_core.documents import Document

from ..chunk_keys import BODY_START_KEY, SOURCE_KEY
from .questions import Passage, Question, place_of


@dataclass(frozen=True)
class Unfound:
    """A question that cannot be hit.

    Attributes:
        question: What is asked.
        reason: What of it the collection has not.
    """

    question: str
    reason: str


def unfound(questions: Sequence[Question], chunks: Iterable[Document]) -> list[Unfound]:
    """Questions none of whose passages is in a collection.

    Args:
        questions: With their passages.
        chunks: All of the collection.

    Returns:
        Each with the reason for its first passage. A passage that the chunks cut in two is in the collection.
    """
    by_name: defaultdict[str, defaultdict[str, list[Document]]] = defaultdict(lambda: defaultdict(list))
    for chunk in chunks:
        source = str(chunk.metadata.get(SOURCE_KEY, ""))
        by_name[source.rpartition("/")[2]][source].append(chunk)
    texts: dict[str, str] = {}
    found = []
    for question in questions:
        reasons = [_reason(passage, by_name[passage.file.rpartition("/")[2]], texts) for passage in question.passages]
        if all(reasons):
            found.append(Unfound(question.text, str(reasons[0])))
    return found


def told(found: Sequence[Unfound], count: int) -> str:
    """What to tell whoever measures with them."""
    first = "; ".join(f"{each.question!r:.100} ({each.reason})" for each in found[:3])
    return (
        f"Note: {len(found)} of {count} questions name a passage that is not in the collection, and are missed by "
        f"every search: {first}{'; …' if len(found) > 3 else ''}. Mend or leave them out; files are named as "
        f"`source` says, or by the end of it."
    )


def _reason(passage: Passage, sources: Mapping[str, Sequence[Document]], texts: dict[str, str]) -> str | None:
    own = {source: chunks for source, chunks in sources.items() if passage.is_of(chunks[0])}
    if not own:
        return f"there is no {passage.file}"
    wanted = "".join(passage.text.split())
    for source, chunks in own.items():
        if source not in texts:
            texts[source] = _without_blanks(chunks)
    return None if any(wanted in texts[source] for source in own) else f"its text is nowhere in {passage.file}"


def _without_blanks(chunks: Sequence[Document]) -> str:
    """What the chunks of a source say, one after the other, and each as it is."""
    in_order = sorted(chunks, key=lambda chunk: place_of(chunk) or (0, 0))
    bodies = (chunk.page_content[chunk.metadata.get(BODY_START_KEY) or 0 :] for chunk in in_order)
    each = (chunk.page_content for chunk in in_order)
    return "\n".join("".join(text.split()) for text in ("".join(bodies), *each))
