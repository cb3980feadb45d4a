"""Where in a prompt in anybody's words the passages are: what is an instruction, what is marked, what is asked."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_MATERIAL = (
    r"(?:contexts?|documents?|docs?|passages?|notes?|sources?|results?|snippets?|excerpts?|extracts?|"
    r"knowledge(?:[ _-]base)?|information|references?|chunks?|articles?|pages?|material|texts?|data|evidence|facts?|"
    r"records?|content|background)"
)
_ASKED = r"(?:(?:user|human|customer)(?:'s)?[ _-])?(?:questions?|query|queries|input)|user|human"
_OPENING_TAG = re.compile(rf"<((?:\w+[_-])?{_MATERIAL})(?:\s[^<>\n]*)?>(?!\s+tags?\b)", re.IGNORECASE)
_QUESTION_TAG = re.compile(r"<((?:user[_-])?(?:question|query|input))>(?!\s+tags?\b)", re.IGNORECASE)
_SOURCE_TAG = re.compile(r"<(source|title|url|id)>[^<>\n]*</\1>", re.IGNORECASE)
_TAGS_ONLY = re.compile(r"\s*(?:</?[A-Za-z][\w-]*(?:\s[^<>\n]*)?>\s*)+")
# A label is a line of few words that ends with a colon or is a heading, or such words before a text. In the singular
# some of them begin sentences of documents ("Note: …").
_LABELLED = (
    r"(?:contexts?|documents?|docs|passages?|notes|sources?|results|snippets?|excerpts?|extracts?|"
    r"knowledge(?:[ _-]base)?|information|references|chunks?|articles?|pages|material|texts|data|evidence|facts|"
    r"records|content|background)"
)
_BEFORE = (
    r"(?:(?:the|here|are|is|relevant|retrieved|provided|search|following|background|supporting|source|useful)[ \t]+)"
)
_LABELS = tuple(
    re.compile(
        rf"[ \t]*(?:#{{1,6}}[ \t]+)?(?:\*\*)?{words}(?:(?:\*\*)?:?(?:\*\*)?$|(?:\*\*)?[ \t]*:(?:\*\*)?)", re.IGNORECASE
    )
    for words in (
        rf"{_BEFORE}{{0,4}}{_LABELLED}",
        rf"(?:the[ \t]+)?(?:{_ASKED})",
        r"(?:(?:the|your|helpful|final|short|concise)[ \t]+){0,2}(?:answer|response|reply|assistant|ai)",
        r"(?:the[ \t]+)?(?:instructions?|rules?|tasks?|role|format|guidelines?|output format)",
    )
)
_KINDS = ("context", "question", "answer", "instruction")
_RULE = re.compile(r"[ \t]*(-{3,}|={3,}|\*{3,}|_{3,}|#{3,}|~{3,})[ \t]*$")
# What an instruction speaks of, and what a document hardly ever does: who asks, what is answered, what from.
_ROLE = re.compile(
    r"\b(?:(you are|you're|act as|your (?:job|task|role))|(questions?|asked|asks)|(users?|customers?|asker|reader)|"
    r"(assistant|bot|chatbot|expert|clerk|helper)|(answers?|respond|reply|replies)|"
    r"(contexts?|passages?|notes|excerpts?|snippets?|documents?|sources?|leaflets?|manual|material)|"
    r"(say so|say that you|do(?: not|n't) know|admit|make (?:it|things|anything) up|invent)|"
    r"(concise|brief|short|sentences?|polite|friendly|helpful)|(below|following|provided|given|above)|"
    r"(rely|only from|based on|stick to|use only|ground))\b",
    re.IGNORECASE,
)


class Shape(NamedTuple):
    """What a prompt marks; None for what it does not."""

    question: str | None
    context: str | None


def marked(prompt: str) -> Shape:
    """Read the marks of a prompt: tags first, then labels and headings, then a rule of dashes."""
    if (opening := _OPENING_TAG.search(prompt)) is not None:
        closing = prompt.lower().rfind(f"</{opening[1].lower()}>")
        if closing >= opening.end():
            rest = f"{prompt[: opening.start()]}\n\n{prompt[closing + len(opening[1]) + 3 :]}"
            return Shape(_asked_in(rest), _untagged(prompt[opening.end() : closing]))
    return _labelled(prompt)


def material_of(text: str, *, is_system: bool) -> str:
    """The passages of a text that may begin with an instruction, which is left out; empty for an instruction alone.

    Args:
        text: A system message, or what stands before a question.
        is_system: Whether it is a system message: its first paragraph, of several, is an instruction however it reads.
    """
    shape = marked(text)
    if shape.context is not None:
        return shape.context
    paragraphs = [part for part in re.split(r"\n[ \t]*\n", text.strip()) if part.strip()]
    if len(paragraphs) > 1 and is_system:
        paragraphs = paragraphs[1:]
    # Line by line: an instruction and the first passage may stand in one paragraph.
    lines = "\n\n".join(paragraphs).split("\n")
    first, last = 0, len(lines)
    while first < last and (not lines[first].strip() or is_instruction(lines[first])):
        first += 1
    while last > first and (not lines[last - 1].strip() or is_instruction(lines[last - 1])):
        last -= 1
    return "\n".join(lines[first:last])


def is_instruction(line: str) -> bool:
    """Whether a line tells a model what to do, and is no document's: it speaks of two things that only prompts do."""
    found = {match.lastindex for match in _ROLE.finditer(line)}
    return 1 in found or len(found) > 1


def _asked_in(text: str) -> str | None:
    """The question that is marked in what is no passage."""
    if (opening := list(_QUESTION_TAG.finditer(text))) and (
        end := text.lower().find(f"</{opening[-1][1].lower()}>", opening[-1].end())
    ) >= 0:
        return text[opening[-1].end() : end].strip()
    asked = [text for kind, text in _sections(text, within_context=False) if kind == "question" and text.strip()]
    return asked[-1].strip() if asked else None


def _untagged(text: str) -> str:
    """Passages without the tags that mark each of them."""
    lines = (_SOURCE_TAG.sub("", line) for line in text.split("\n"))
    return "\n".join("" if _TAGS_ONLY.fullmatch(line) else line for line in lines).strip("\n")


def _labelled(prompt: str) -> Shape:
    sections = list(_sections(prompt))
    first = next((at for at, (kind, _) in enumerate(sections) if kind == "context"), None)
    if first is not None and not _is_document("\n".join(text for kind, text in sections[:first] if not kind)):
        questions = [text for kind, text in sections if kind == "question" and text.strip()]
        context = "\n\n".join(text.strip("\n") for kind, text in sections if kind == "context")
        return Shape(questions[-1].strip() if questions else None, context)
    lines = prompt.split("\n")
    for at, line in enumerate(lines):
        # Below a rule, or below a line that introduces what follows, if what is above tells a model what to do.
        if at and _RULE.match(line):
            return Shape(None, "\n".join(line for line in lines[at + 1 :] if not _RULE.match(line)))
        if at + 1 < len(lines) and line.rstrip().endswith(":") and is_instruction(line):
            return Shape(None, "\n".join(lines[at + 1 :]))
    return Shape(None, None)


def _is_document(text: str) -> bool:
    """Whether text before a label is a document itself, in which the label is a heading like others."""
    return len(re.findall(r"\n[ \t]*\n", text.strip())) > 0 and not any(map(is_instruction, text.split("\n")))


def _sections(prompt: str, *, within_context: bool = True) -> Iterator[tuple[str, str]]:
    """What stands below each label. Passages may hold labels too: in them only a question or an answer is one."""
    kind, text = "", list[str]()
    for line in prompt.split("\n"):
        found = next(
            ((k, m) for k, pattern in zip(_KINDS, _LABELS, strict=True) if (m := pattern.match(line.rstrip()))), None
        )
        if found is None or (kind == "context" and within_context and found[0] not in ("question", "answer")):
            text.append(line)
            continue
        yield kind, "\n".join(text)
        kind, text = found[0], [line[found[1].end() :]]
    yield kind, "\n".join(text)
