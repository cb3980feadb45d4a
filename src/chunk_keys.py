"""Keys of a chunk's metadata, and of its row, that more than one part knows.

One a line, with what it holds, in the order in which a chunk gets them. Whatever is not here is a user's own.
"""

from typing import Final

# --- by the loader
SOURCE_KEY: Final = "source"  # name of the file or other source, which `sync` replaces as a whole
TITLE_KEY: Final = "title"  # the document's title
FRONT_MATTER_KEY: Final = "front_matter"  # fields of a Markdown file's front matter, by name

# --- by the splitter
HEADINGS_KEY: Final = "headings"  # list of the headings that the chunk stands under, outermost first
START_LINE_KEY: Final = "start_line"  # the chunk's first line in the source, from 1
END_LINE_KEY: Final = "end_line"  # its last
START_INDEX_KEY: Final = "start_index"  # where its own text begins in the source, in characters
BODY_START_KEY: Final = "body_start"  # where its own text begins in the chunk, behind the titles; only of Markdown
WITHIN_KEY: Final = "within"  # what opened the block or the list that its own text begins in the middle of, as Markdown

# --- by `sync`
POSITION_KEY: Final = "chunk"  # the chunk's number in its source, from 0
ORIGINAL_POSITION_KEY: Final = "original_chunk"  # what a document's own metadata had under "chunk"
ROOT_KEY: Final = "sync_root"  # in a row, beside the metadata: names of the loaders that have it
DIGEST_KEY: Final = "sync_digest"  # in a row, beside the metadata: digest of what its vector was made of
PART_KEY: Final = "sync_part"  # in a row, beside the metadata: which part its source falls into, see `source_parts`

# --- by Milvus
DYNAMIC_KEY: Final = "$meta"  # in a request for rows: all keys that have no field of their own

# --- by the store, when it is asked for them; a user's own keys never begin like that there
ROOTS_KEY: Final = "$roots"  # names of the loaders that have the chunk
VECTOR_KEY: Final = "$vector"  # its vector

# --- by retrieval
SCORE_KEY: Final = "score"  # what the hits are ordered by, higher is better
RETRIEVAL_SCORE_KEY: Final = "retrieval_score"  # the search's score, where a reranker's took its place
RERANK_SCORE_KEY: Final = "rerank_score"  # a reranker's score, higher is better
RELEVANCE_SCORE_KEY: Final = "relevance_score"  # the same, as rerankers of LangChain's packages call it
RERANK_ERROR_KEY: Final = "rerank_error"  # why a reranker left the order as it was
POSITIONS_KEY: Final = "chunks"  # numbers of the chunks that were made one


def leg_score_key(leg: str) -> str:
    """Where a hit of a hybrid search has the score that one of the searches gave it."""
    return f"{leg}_score"


def leg_rank_key(leg: str) -> str:
    """Where a hit of a hybrid search has its rank in one of the searches, from 1."""
    return f"{leg}_rank"
