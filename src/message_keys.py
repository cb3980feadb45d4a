"""What a chain puts beside a message, in its ``additional_kwargs``, for models on this side; no provider gets it."""

from typing import Final

DOCUMENTS_KEY: Final = "documents"  # the passages: dicts of their metadata, and "text"
CITATIONS_KEY: Final = "citations"  # whether the passages are to be cited by their numbers
SEARCH_QUESTION_KEY: Final = "search_question"  # what was searched for, where that is not the question
STANDALONE_KEY: Final = "standalone_question"  # of a request for what to search for: the question, and those before it
