"""Keys of a chunk's metadata, and of its row, that more than one part knows.

One a line, with what it holds, in the order in which a chunk gets them. Whatever is not here is a user's own.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

# --- by the loader
SOURCE_KEY: Final = "source"  # name of the file or other source, which `sync` replaces as a whole
TITLE_KEY: Final = "title"  # the document's title
FRONT_MATTER_KEY: Final = "front_matter"  # fields of a Markdown file's front matter, by name
PLACES_KEY: Final = "places"  # of a converted file, from which line on which place of the original is read

# --- by the splitter
HEADINGS_KEY: Final = "headings"  # list of the headings that the chunk stands under, outermost first
START_LINE_KEY: Final = "start_line"  # the chunk's first line in the source, from 1
END_LINE_KEY: Final = "end_line"  # its last
START_INDEX_KEY: Final = "start_index"  # where its own text begins in the source, in characters
BODY_START_KEY: Final = "body_start"  # where its own text begins in the chunk, behind the titles; only of Markdown
LEAD_IN_KEY: Final = "lead_in"  # what leads to a piece that was cut: the list item above it, say, or a table's header
WITHIN_KEY: Final = "within"  # what opened the block or the list that its own text begins in the middle of, as Markdown
# Of a converted file, where in the original its own text begins, numbers from 1; `end_page` and so on where it ends in
# another one. A cell is a notebook's, a part one of a book's spine. Such a chunk has no lines.
PLACE_KEYS: Final = ("page", "slide", "cell", "sheet", "part")

# --- by `sync`
POSITION_KEY: Final = "chunk"  # the chunk's number in its source, from 0
ORIGINAL_POSITION_KEY: Final = "original_chunk"  # what a document's own metadata had under "chunk"
ROOT_KEY: Final = "sync_root"  # in a row, beside the metadata: names of the loaders that have it
DIGEST_KEY: Final = "sync_digest"  # in a row, beside the metadata: digest of what its vector was made of
PART_KEY: Final = "sync_part"  # in a row, beside the metadata: which part its source falls into, see `source_parts`
VERSION_KEY: Final = "sync_version"  # in a row, beside the metadata: of which version of its source it was written
RECORD_KEY: Final = "sync_record"  # in a source's first row: which version its rows are of, and which rows they are

# --- by Milvus
DYNAMIC_KEY: Final = "$meta"  # in a request for rows: all keys that have no field of their own

# --- by the store, when it is asked for them; a user's own keys never begin like that there
ROOTS_KEY: Final = "$roots"  # names of the loaders that have the chunk
VECTOR_KEY: Final = "$vector"  # its vector
TERMS_KEY: Final = "$terms"  # the words that full-text search finds it by, analysed, joined by blanks

# --- by retrieval
SCORE_KEY: Final = "score"  # what the hits are ordered by, higher is better
RETRIEVAL_SCORE_KEY: Final = "retrieval_score"  # the search's score, where a reranker's took its place
RERANK_SCORE_KEY: Final = "rerank_score"  # a reranker's score, higher is better
RELEVANCE_SCORE_KEY: Final = "relevance_score"  # the same, as rerankers of LangChain's packages call it
RERANK_ERROR_KEY: Final = "rerank_error"  # why a reranker left the order as it was
ONLY_NEAREST_KEY: Final = "only_nearest"  # true where no passage answers the question, and this is one of the nearest
QUESTION_LANGUAGE_KEY: Final = "question_language"  # beside it, that of a question that is in another than the passages
POSITIONS_KEY: Final = "chunks"  # numbers of the chunks that were made one
END_INDEX_KEY: Final = "end_index"  # where the last of them ends in the source, in characters


def leg_score_key(leg: str) -> str:
    """Where a hit of a hybrid search has the score that one of the searches gave it."""
    return f"{leg}_score"


def leg_rank_key(leg: str) -> str:
    """Where a hit of a hybrid search has its rank in one of the searches, from 1."""
    return f"{leg}_rank"


def original_place(metadata: Mapping[str, Any]) -> str | None:
    """Where in a converted file a chunk is from, in words: ``cell 3``, ``pages 4-5``; None for one that has lines."""
    for key in PLACE_KEYS:
        begin, end = metadata.get(key), metadata.get(f"end_{key}")
        if begin is not None and not isinstance(begin, dict | list):
            return f"{key} {begin}" if end is None else f"{key}s {begin}-{end}"
    return None


def headings_of(metadata: Mapping[str, Any]) -> list[str]:
    """The headings that a chunk stands under, the outermost first; none where nobody noted them.

    Args:
        metadata: The chunk's, of ours or of anybody's, or as a client sent it.
    """
    given = metadata.get(HEADINGS_KEY)
    headings = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
    return [str(heading) for heading in headings if heading]


def path_of(metadata: Mapping[str, Any]) -> list[str]:
    """Where in its document a chunk stands: the document's title, where no heading says it, and its headings."""
    title, headings = metadata.get(TITLE_KEY), headings_of(metadata)
    return headings if not title or str(title) in headings else [str(title), *headings]


def are_only_nearest(metadatas: Iterable[Mapping[str, Any]]) -> bool:
    """Whether passages with these metadata are all marked as the nearest to a question that none of them answers."""
    marks = [metadata.get(ONLY_NEAREST_KEY) is True for metadata in metadatas]
    return bool(marks) and all(marks)


def question_language(metadatas: Iterable[Mapping[str, Any]]) -> str:
    """The language of a question, where it is another than that of the passages, and they do not answer it."""
    return next((str(language) for each in metadatas if (language := each.get(QUESTION_LANGUAGE_KEY))), "")


def other_language_note(metadatas: Iterable[Mapping[str, Any]]) -> str:
    """What is to be said about the language of a question that nothing answers; empty where that is not why."""
    language = question_language(metadatas)
    if not language:
        return ""
    return (
        f"It seems to be in {language}, and the documents are not; only words are compared here. Ask in the language "
        f"of the documents, or search by meaning too, with an embedding that knows both."
    )
