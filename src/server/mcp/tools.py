"""The tools: search, read, sources, and ask where there is a chat model."""

import fnmatch
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable
from langchain_core.runnables.config import run_in_executor
from pydantic import BaseModel

from ...chunk_keys import (
    END_LINE_KEY,
    POSITION_KEY,
    SOURCE_KEY,
    START_LINE_KEY,
    TITLE_KEY,
    are_only_nearest,
    other_language_note,
)
from ...stores.milvus import MilvusStore
from ..passages import passages_of
from ..request_record import current_record
from ..served_runnables import ServedRetriever
from ..settings import ServerSettings
from .arguments import (
    AskArguments,
    ReadArguments,
    SearchArguments,
    SourcesArguments,
    ToolInputError,
    read_arguments,
)
from .results import Answered, Found, Listed, ReadLines, Result, Source
from .source_text import SourceText, cut_to, one_folders, source_text

# Of an answer, so that one page does not fill a model's window.
_READ_CHARS = 40_000


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool.

    Attributes:
        name: What it is called by.
        title: For people.
        description: For the model that may call it.
        arguments: What it takes.
        result: What it gives.
        run: Does it.
    """

    name: str
    title: str
    description: str
    arguments: type[BaseModel]
    result: type[BaseModel]
    run: Callable[[Any], Awaitable[Result]]


class Tools:
    """The tools over one index.

    Args:
        retriever: Searches it.
        chain: Answers from it; None where no chat model is set, and so nothing to ask.
        settings: The limits, and how many passages are found by default.
    """

    def __init__(self, retriever: ServedRetriever, chain: Runnable[Any, Any] | None, settings: ServerSettings) -> None:
        self._retriever = retriever
        self._chain = chain
        self._settings = settings
        self.max_question_chars = settings.max_question_chars
        about = f"the documentation in the collection {settings.collection!r}"
        tools = [
            Tool(
                "search",
                "Search the documents",
                f"Find the passages of {about} that match a question best, each with its source, lines, headings and "
                f"score. Search before you answer from memory, and cite the sources.",
                SearchArguments,
                Found,
                self.search,
            ),
            Tool(
                "read",
                "Read a source",
                "Read a source that search or sources named, or some lines of it, for what stands around a passage.",
                ReadArguments,
                ReadLines,
                self.read,
            ),
            Tool(
                "sources",
                "List the sources",
                f"List the names and titles of the sources in {about}.",
                SourcesArguments,
                Listed,
                self.sources,
            ),
        ]
        if chain is not None:
            tools.append(
                Tool(
                    "ask",
                    "Ask the documents",
                    f"Have a question answered from {about} by the server's own chat model, with citations. It takes "
                    f"longer than search, which is enough where you write the answer yourself.",
                    AskArguments,
                    Answered,
                    self.ask,
                )
            )
        self.by_name: Mapping[str, Tool] = {tool.name: tool for tool in tools}

    async def call(self, name: str, given: Mapping[str, Any]) -> Result:
        """Call a tool.

        Raises:
            ToolInputError: There is no such tool, or it cannot be called so.
            MilvusRagError: It failed.
        """
        tool = self.by_name.get(name)
        if tool is None:
            raise ToolInputError(f"There is no tool {name[:100]!r} here. Call one of: {', '.join(self.by_name)}.")
        record = current_record.get()
        if record is not None:
            record.tool = name
        arguments = read_arguments(tool.arguments, given, max_question_chars=self.max_question_chars)
        if record is not None and isinstance(arguments, SearchArguments | AskArguments):
            record.questions = [arguments.question]
        return await tool.run(arguments)

    async def search(self, arguments: SearchArguments) -> Found:
        """Find passages."""
        documents = await self._retriever.search(arguments.question, k=arguments.k, filter=arguments.condition)
        return Found(
            passages=passages_of(documents),
            only_nearest=are_only_nearest(each.metadata for each in documents),
            note=other_language_note(each.metadata for each in documents) or None,
        )

    async def ask(self, arguments: AskArguments) -> Answered:
        """Answer a question."""
        if self._chain is None:
            raise ToolInputError("There is no chat model here that could be asked.")
        output = await self._chain.ainvoke({"question": arguments.question})
        return Answered(
            answer=output["answer"], passages=passages_of(output["context"]), citations=output.get("citations")
        )

    async def read(self, arguments: ReadArguments) -> ReadLines:
        """Read lines of a source."""
        chunks = one_folders(await self._in_store(lambda store: _chunks_of(store, arguments)))
        if not chunks:
            raise ToolInputError(await self._why_nothing(arguments))
        text = source_text(chunks)
        lines, has_more = cut_to(
            text, start_line=arguments.start_line, end_line=arguments.end_line, max_chars=_READ_CHARS
        )
        if not lines.lines:
            raise ToolInputError(_out_of_range(arguments, text))
        end = lines.start_line + len(lines.lines) - 1
        return ReadLines(
            source=arguments.source,
            title=_title(chunks[0]),
            start_line=lines.start_line,
            end_line=end,
            next_line=end + 1 if has_more else None,
            has_line_numbers=lines.is_numbered,
            original_places=[place for _, place in lines.places],
            content="\n".join(lines.lines),
        )

    async def sources(self, arguments: SourcesArguments) -> Listed:
        """List sources."""
        titles = await self._in_store(_titles)
        # Brackets are a part of names here, and no set of characters.
        pattern = arguments.pattern.replace("[", "[[]")
        names = sorted(name for name in titles if fnmatch.fnmatchcase(name, pattern))
        end = arguments.offset + arguments.limit
        return Listed(
            sources=[Source(source=name, title=titles[name]) for name in names[arguments.offset : end]],
            total=len(names),
            next_offset=end if end < len(names) else None,
        )

    async def _in_store(self, read: Callable[[MilvusStore], Any]) -> Any:
        return await self._retriever.using(lambda retriever: run_in_executor(None, read, retriever.store))

    async def _why_nothing(self, arguments: ReadArguments) -> str:
        any_of_it = ReadArguments(source=arguments.source)
        chunks = one_folders(await self._in_store(lambda store: _chunks_of(store, any_of_it)))
        if chunks:
            return _out_of_range(arguments, source_text(chunks))
        return f"There is no source {arguments.source!r}. The tool sources lists their names."


def _chunks_of(store: MilvusStore, arguments: ReadArguments) -> list[Document]:
    """The chunks that have the lines that are asked for; all of a source whose chunks do not say their lines."""
    chosen: dict[str, Any] = {SOURCE_KEY: arguments.source}
    if arguments.start_line > 1 or arguments.end_line is not None:
        chosen[END_LINE_KEY] = {"$gte": arguments.start_line}
        if arguments.end_line is not None:
            chosen[START_LINE_KEY] = {"$lte": arguments.end_line}
    found = store.find_all(chosen, roots=True)
    if not found and len(chosen) > 1:
        rest = {SOURCE_KEY: arguments.source, START_LINE_KEY: {"$exists": False}}
        found = store.find_all(rest, roots=True)
    return found


def _titles(store: MilvusStore) -> dict[str, str | None]:
    """The names of all sources, with their titles."""
    # A collection of another program's has chunks without numbers.
    found = store.find_all({POSITION_KEY: 0}) or store.find_all({SOURCE_KEY: {"$exists": True}})
    titles: dict[str, str | None] = {}
    for chunk in found:
        name = chunk.metadata.get(SOURCE_KEY)
        if name is not None:
            titles.setdefault(str(name), _title(chunk))
    return titles


def _title(chunk: Document) -> str | None:
    title = chunk.metadata.get(TITLE_KEY)
    return None if title is None else str(title)


def _out_of_range(arguments: ReadArguments, text: SourceText) -> str:
    last = text.start_line + len(text.lines) - 1
    return (
        f"{arguments.source!r} has no lines from {arguments.start_line} on: its lines are {text.start_line} to {last}."
    )
