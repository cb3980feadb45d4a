"""Questions that a chat model writes from one's own chunks, each with the words that answer it."""

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from ..chunk_keys import BODY_START_KEY, POSITION_KEY, SOURCE_KEY, START_INDEX_KEY
from ..errors import InputTooLargeError, ModelResponseError, ModelTimeoutError
from .questions import normal

PROMPT = (
    "You are given a passage of some documents. Write one question that a reader of these documents may ask, that this "
    "passage answers and that can be understood without seeing it: name what it is about, and do not speak of a "
    "passage, a text or a document. Use other words than the passage where you can. Keep its language. Then copy from "
    "the passage, character by character, the shortest run of words that answers the question. Answer with this JSON "
    'object alone: {"question": "…", "quote": "…"}'
)
# Of a chunk with less text there is mostly nothing to ask.
_LEAST_CHARACTERS = 150
_LONGEST_QUESTION = 300
# A shorter quote stands in other chunks too.
_SHORTEST_QUOTE = 8
_MOST_SENTENCES = 2
# Chunks are asked of so many times as many as questions are wanted: a model that cannot do it comes to an end.
_CHUNKS_A_QUESTION = 3
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f]")
_LABELLED = re.compile(r"^\W*(question|quote|answer)\W*?:\s*(.+)$", re.IGNORECASE | re.MULTILINE)
_MARKS = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb*_ \t"
# Who asks this has the passage before him, and so has no need to search for it.
_SEEING = re.compile(
    r"\b(?:(?:this|the|above|given|following|provided)\s+(?:passage|text|excerpt|snippet|paragraph)"
    r"|(?:in|to|by|from)\s+(?:this|the)\s+(?:document|section|context|article))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class MadeQuestion:
    """A question that a model wrote.

    Attributes:
        question: What is asked.
        file: The source of the chunk.
        text: Words of the chunk that answer it.
        made_by: The model.
    """

    question: str
    file: str
    text: str
    made_by: str

    def as_dict(self) -> dict[str, Any]:
        """As it stands in a file of questions, marked as made."""
        return {"question": self.question, "file": self.file, "text": self.text, "made_by": self.made_by}

    def as_line(self) -> str:
        """The same as JSON in one line."""
        return json.dumps(self.as_dict(), ensure_ascii=False)


@dataclass(frozen=True)
class Refused:
    """A chunk of which there is no question.

    Attributes:
        place: Source and number of the chunk.
        reason: What is wrong with what the model wrote.
    """

    place: str
    reason: str


def make_questions(
    chat: BaseChatModel, chunks: Iterable[Document], n: int, *, made_by: str, seed: int = 0
) -> Iterator[MadeQuestion | Refused]:
    """Have a chat model write questions, one a chunk, in an order that the seed alone decides.

    Args:
        chat: The model.
        chunks: Of which to choose; the files take turns.
        n: Questions that are wanted.
        made_by: Name of the model, for the mark.
        seed: Another one chooses other chunks.

    Yields:
        Questions and what was refused, as they come; fewer than `n` questions, where the chunks are used up or three
        times as many as wanted were asked of.

    Raises:
        ModelError: The model cannot be asked at all. What it wrote before has been handed out.
    """
    made: set[str] = set()
    for chunk in chosen(chunks, seed)[: _CHUNKS_A_QUESTION * n]:
        if len(made) == n:
            return
        place = f"{chunk.metadata.get(SOURCE_KEY)}, chunk {chunk.metadata.get(POSITION_KEY, '?')}"
        try:
            answer = chat.invoke(_request(chunk)).text
        except (ModelResponseError, ModelTimeoutError, InputTooLargeError) as exc:
            # These concern this chunk; whatever else goes wrong would go wrong with the next one too.
            yield Refused(place, str(exc))
            continue
        read = _read(str(answer), chunk)
        if isinstance(read, str):
            yield Refused(place, read)
        elif read[0].casefold() in made:
            yield Refused(place, f"the question was asked before: {read[0]}")
        else:
            made.add(read[0].casefold())
            question, quote = read
            yield MadeQuestion(question, file=str(chunk.metadata[SOURCE_KEY]), text=quote, made_by=made_by)


def chosen(chunks: Iterable[Document], seed: int) -> list[Document]:
    """Chunks that a question can be about, in the order in which they are asked of: file by file in turn.

    The same seed has the same order, however the chunks come.
    """
    by_file: dict[str, list[Document]] = {}
    for chunk in sorted(chunks, key=_order):
        if len(normal(_body(chunk))) >= _LEAST_CHARACTERS and isinstance(chunk.metadata.get(SOURCE_KEY), str):
            by_file.setdefault(chunk.metadata[SOURCE_KEY], []).append(chunk)
    # The choice is for no secret.
    choice = random.Random(seed)  # noqa: S311
    files = list(by_file.values())
    choice.shuffle(files)
    for file in files:
        choice.shuffle(file)
    turns = [chunk for turn in zip_longest(*files) for chunk in turn]
    return [chunk for chunk in turns if chunk is not None]


def _order(chunk: Document) -> tuple[str, int, str]:
    metadata = chunk.metadata
    at = next((n for key in (POSITION_KEY, START_INDEX_KEY) if isinstance(n := metadata.get(key), int)), 0)
    return str(metadata.get(SOURCE_KEY)), at, chunk.page_content


def _body(chunk: Document) -> str:
    start = chunk.metadata.get(BODY_START_KEY)
    return chunk.page_content[start if isinstance(start, int) else 0 :]


def _request(chunk: Document) -> Sequence[BaseMessage]:
    text = re.sub(r"<(\s*/?\s*passage\b[^<>]*)>", r"&lt;\1&gt;", chunk.page_content, flags=re.IGNORECASE)
    return [SystemMessage(PROMPT), HumanMessage(f"<passage>\n{text}\n</passage>")]


def _read(answer: str, chunk: Document) -> tuple[str, str] | str:
    """Question and quote; or what is wrong with them."""
    found = _fields(_THOUGHT.sub("", answer))
    question, quote = (normal(found.get(name, "")).strip(_MARKS) for name in ("question", "quote"))
    if not question or not quote:
        return f"no question with a quote: {_shown(answer)}"
    if len(question) > _LONGEST_QUESTION or len(_SENTENCE_END.findall(question)) > _MOST_SENTENCES:
        return f"no question but chatter: {_shown(question)}"
    if _SEEING.search(question):
        return f"the question cannot be understood without its passage: {_shown(question)}"
    if len(quote) < min(_SHORTEST_QUOTE, len(normal(_body(chunk)))) or quote not in normal(_body(chunk)):
        return f"the quote is not of the passage, or too short: {_shown(quote)}"
    if normal(question).casefold() in normal(chunk.page_content).casefold():
        return f"the question stands in the passage itself: {_shown(question)}"
    return question, quote


def _fields(answer: str) -> dict[str, str]:
    """The first JSON object with a question, wherever it stands, or the lines that are labelled."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\{", answer):
        try:
            found, _ = decoder.raw_decode(answer, match.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "question" in found:
            return {name: value for name, value in found.items() if isinstance(value, str)}
    return {name.lower().replace("answer", "quote"): value for name, value in _LABELLED.findall(answer)}


def _shown(text: str) -> str:
    text = normal(text)
    return repr(text if len(text) <= 120 else f"{text[:120]} …")
