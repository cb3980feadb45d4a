"""A document of LangChain's, of what a converter made."""

from typing import Any

from langchain_core.documents import Document

from ..chunk_keys import FRONT_MATTER_KEY, SOURCE_KEY, TITLE_KEY
from ..markdown.page import page_title, read_page
from .text_places import Converted, places_metadata


def document_of(converted: Converted, source: str) -> Document:
    """The document, with its source, its title, its front matter, and the places that the splitter reads."""
    page = read_page(converted.text)
    metadata: dict[str, Any] = {SOURCE_KEY: source, TITLE_KEY: page_title(page, source, converted.title)}
    if page.fields:
        metadata[FRONT_MATTER_KEY] = dict(page.fields)
    return Document(page_content=converted.text, metadata=metadata | places_metadata(converted))
