"""What a prompt asks, and the passages it gives to answer from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from ...chunk_keys import (
    BODY_START_KEY,
    END_LINE_KEY,
    SOURCE_KEY,
    START_LINE_KEY,
    original_place,
    path_of,
)
from ...markdown.within import lead_in_of, markdown_start, within_of
from ...message_keys import CITATIONS_KEY, DOCUMENTS_KEY, SEARCH_QUESTION_KEY
from .prompt_shapes import marked, material_of

# A tag is a line of its own, so that "enclosed in <context> tags" in the instruction is none. Three patterns, and no
# one for all: it would look from each opening tag to the prompt's end.
_OPENING = re.compile(r"^[ \t]*<context>[ \t]*\n", re.MULTILINE)
_BETWEEN = re.compile(r"^[ \t]*</context>\s*^[ \t]*<question>[ \t]*\n", re.MULTILINE)
_CLOSING = re.compile(r"^[ \t]*</question>", re.MULTILINE)
_INLINE = {
    name: re.compile(rf"<{name}>(?!\s+tags\b)((?:(?!<{name}>).)*)</{name}>", re.DOTALL)
    for name in ("context", "question")
}
_LABEL = re.compile(r"^[ \t]*(question|context|answer|helpful answer)[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)
# Blanks are read in one way only: with two ways, one bracket and a page of blanks take a minute.
_ESCAPED_TAG = re.compile(
    r"(?:<|&lt;)\\?(\s*(?:/\s*)?(?:context|question)(?:[^\w.:<>&-][^<>&]*)?)(?:>|&gt;)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document, and where it comes from as far as that is known.

    Attributes:
        text: Its text.
        source: The document.
        headings: Those above it, the outermost first.
        start_line: Its first line in the document, from 1.
        end_line: Its last.
        place: Where in the file it was converted from it stands, such as a page; empty where it has lines.
        start: Where in its text the Markdown begins, behind titles that are none.
        within: What it stands in, see `milvus_rag.markdown.within`.
        number: Its own among all that came with the question, from 1.
        lead_in: What leads to it: the list item above it, say.
        is_one: Whether it is one passage as it was retrieved. Of a context that is text, nobody knows how many it has.
    """

    text: str
    source: str | None = None
    headings: tuple[str, ...] = ()
    start_line: int | None = None
    end_line: int | None = None
    place: str = ""
    start: int = 0
    within: str = ""
    number: int = 1
    lead_in: str = ""
    is_one: bool = False

    @property
    def citation(self) -> str:
        """File, lines and innermost heading, e.g. ``faq/a.md, lines 3-9: Storage``; empty when nothing is known."""
        place = self.source or ""
        if self.source and self.place:
            place += f", {self.place}"
        elif self.source and self.start_line is not None:
            end = self.end_line if self.end_line is not None else self.start_line
            place += f", line {end}" if end == self.start_line else f", lines {self.start_line}-{end}"
        heading = self.headings[-1] if self.headings else ""
        return ": ".join(part for part in (place, heading) if part)


@dataclass(frozen=True, slots=True)
class Enquiry:
    """A question and the passages that came with it, the most relevant first.

    Attributes:
        question: The question, as it was searched for.
        passages: What it is to be answered from.
        citations: Whether the passages are to be cited by their numbers.
    """

    question: str
    passages: tuple[Passage, ...]
    citations: bool = False


def read_enquiry(messages: Sequence[BaseMessage]) -> Enquiry:
    """Find the question and its passages in a prompt.

    The tutorials' ``<context>`` and ``<question>`` blocks are understood, the last ones when there are several, and
    so are prompts that mark them with ``Context:`` and ``Question:``, or with tags, labels, headings or a line of
    dashes in other words. Without any, the last human message's last paragraph is the question. It is asked about what
    tools gave after it; else about the rest of the message; else about the system messages and what was sent just
    before it; else about what tools gave earlier. Lines that tell a model what to do are left out, and so is what was
    said before.

    The message may carry the passages themselves, as ``additional_kwargs={"documents": [...]}``: mappings with the
    ``text``, and as far as they are known ``source``, ``title``, ``headings``, ``start_line`` and ``end_line``, and
    ``body_start`` and ``within`` as `MarkdownSplitter` writes them. They are used in place of the context's text.
    Beside them may be ``search_question``, in place of a question that goes on with a conversation, and ``citations``.

    Args:
        messages: A prompt.

    Returns:
        The enquiry; its question is empty when the prompt has no human message with text.
    """
    last = next((i for i in range(len(messages) - 1, -1, -1) if isinstance(messages[i], HumanMessage)), None)
    if last is None:
        return Enquiry("", ())
    asked = messages[last]
    question, context = _split_prompt(_text_of(asked), _earlier(messages[:last]))
    documents = asked.additional_kwargs.get(DOCUMENTS_KEY)
    passages = _passages_of(documents) if isinstance(documents, Sequence) else ()
    if not passages:
        passages = _of_tools(messages[last:])
    if not passages and context.strip():
        passages = (Passage(_unescape(context)),)
    if not passages:
        passages = _of_tools(messages[:last])
    searched = asked.additional_kwargs.get(SEARCH_QUESTION_KEY)
    question = searched if isinstance(searched, str) and searched.strip() else _unescape(question)
    return Enquiry(question.strip(), passages, citations=bool(asked.additional_kwargs.get(CITATIONS_KEY)))


def _earlier(messages: Sequence[BaseMessage]) -> str:
    """What the messages before the question give to answer from."""
    answered = max((i for i, message in enumerate(messages) if isinstance(message, AIMessage)), default=-1)
    return "\n\n".join(
        text
        for i, message in enumerate(messages)
        if isinstance(message, SystemMessage) or (isinstance(message, HumanMessage) and i > answered)
        if (text := material_of(_text_of(message), is_system=isinstance(message, SystemMessage)).strip())
    )


def _of_tools(messages: Sequence[BaseMessage]) -> tuple[Passage, ...]:
    """What tools gave; what they failed with is no document's."""
    texts = [
        _text_of(message) for message in messages if isinstance(message, ToolMessage) and message.status != "error"
    ]
    return tuple(Passage(text, number=number) for number, text in enumerate(filter(str.strip, texts), start=1))


def _text_of(message: BaseMessage) -> str:
    return str(message.text)


def _split_prompt(prompt: str, earlier: str) -> tuple[str, str]:
    """The question and the context of one human message."""
    if (tagged := _split_tagged(prompt)) is not None:
        return tagged
    found = {name: list(pattern.finditer(prompt)) for name, pattern in _INLINE.items()}
    if found["context"] or found["question"]:
        rest = _INLINE["question"].sub("\n\n", _INLINE["context"].sub("\n\n", prompt))
        question = found["question"][-1][1] if found["question"] else _split_untagged(rest, "")[0]
        if found["context"]:
            return question, found["context"][-1][1]
        return question, "\n\n".join(part for part in (material_of(rest, is_system=False), earlier) if part.strip())
    return _split_untagged(prompt, earlier)


def _split_tagged(prompt: str) -> tuple[str, str] | None:
    """The tutorials' blocks: the question is the last one, the context all before it, other blocks' tags included."""
    opening = _OPENING.search(prompt)
    closings = [closing.start() for closing in _CLOSING.finditer(prompt)]
    if opening is None or not closings:
        return None
    boundaries = [between for between in _BETWEEN.finditer(prompt, opening.end()) if between.end() <= closings[-1]]
    if not boundaries:
        return None
    begin = boundaries[-1].end()
    end = next(closing for closing in closings if closing >= begin)
    return prompt[begin:end], prompt[opening.end() : boundaries[-1].start()]


def _split_untagged(prompt: str, earlier: str) -> tuple[str, str]:
    """``Context: ... Question: ...`` in either order, ``Answer:`` at the end; else the question is what comes last."""
    labels = list(_LABEL.finditer(prompt))
    if labels and "answer" in labels[-1][1].lower() and not prompt[labels[-1].end() :].strip():
        prompt = prompt[: labels.pop().start()]
    names = [label[1].lower() for label in labels]
    shape = marked(prompt)
    if shape.context is not None and "context" not in names:
        if shape.question is not None:
            return shape.question, shape.context
        question = _last_paragraph(prompt)
        return question, shape.context.rstrip().removesuffix(question)
    if "question" not in names:
        paragraphs = [part for part in re.split(r"\n[ \t]*\n", prompt.strip()) if part.strip()]
        own = material_of("\n\n".join(paragraphs[:-1]), is_system=False)
        return paragraphs[-1] if paragraphs else "", own if own.strip() else earlier
    if names[0] == "question" and "context" in names:
        given = labels[names.index("context")]
        return prompt[labels[0].end() : given.start()], prompt[given.end() :]
    # A passage may hold such labels too: the prompt's own ones are the first and the last.
    asked = labels[len(names) - 1 - names[::-1].index("question")]
    if "context" in names:
        context = prompt[labels[names.index("context")].end() : asked.start()]
    else:
        context = material_of(prompt[: asked.start()], is_system=False)
    return prompt[asked.end() :], context if context.strip() else earlier


def _last_paragraph(prompt: str) -> str:
    return re.split(r"\n[ \t]*\n", prompt.strip())[-1]


def _unescape(text: str) -> str:
    """The text as it was before a chain kept it from closing its block."""
    return _ESCAPED_TAG.sub(r"<\1>", text)


def _passages_of(documents: Sequence[Any]) -> tuple[Passage, ...]:
    return tuple(
        _passage_of(document, number)
        for number, document in enumerate(documents, start=1)
        if isinstance(document, Mapping) and document.get("text")
    )


def _passage_of(document: Mapping[str, Any], number: int) -> Passage:
    text = str(document["text"])
    body_start = _line_of(document.get(BODY_START_KEY))
    return Passage(
        text=text,
        source=str(document[SOURCE_KEY]) if document.get(SOURCE_KEY) else None,
        headings=tuple(path_of(document)),
        start_line=_line_of(document.get(START_LINE_KEY)),
        end_line=_line_of(document.get(END_LINE_KEY)),
        place=original_place(document) or "",
        start=markdown_start(text, body_start) if body_start else 0,
        within=within_of(document),
        number=number,
        lead_in=lead_in_of(document),
        is_one=True,
    )


def _line_of(value: object) -> int | None:
    return value if isinstance(value, int) else None
