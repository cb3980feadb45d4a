"""The question that is searched for, where a question goes on with a conversation."""

import logging
import re

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ..follow_ups import standalone_question
from ..message_keys import STANDALONE_KEY
from .conversation import Conversation

logger = logging.getLogger(__name__)

REWRITING_PROMPT = (
    "You are given a conversation and the question that follows it. Write that question so that it can be understood "
    "without the conversation: put what its pronouns mean, and what it leaves out, into it. Keep its language and its "
    "meaning, and add nothing else. Where it can be understood by itself already, write it as it is. Write the "
    "question alone, in one line, and do not answer it."
)
# Of an answer, its beginning tells what it was about.
_ANSWER_CHARS = 500
# A question is not much longer than what it was made of, and has two sentences at most. What has more is chatter.
_SHORTEST_LIMIT = 200
_MOST_SENTENCES = 2
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[\u3002\uff01\uff1f]")
# What some models put before it, such as "Sure! Here is the standalone question:".
_LABEL = re.compile(r"^[^?:]{0,80}\b(?:question|query)\b[^?:\w]*(?:is\b[^?:\w]*)?:\W*", re.IGNORECASE)
_THOUGHT = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
_QUOTES = "\"'`\u201c\u201d\u2018\u2019\u00ab\u00bb*_ "


def rewriting_messages(conversation: Conversation) -> list[BaseMessage]:
    """Write the request for a chat model: a system and a human message."""
    lines = [f"{_speaker(message)}: {_opening(str(message.text))}" for message in conversation.history]
    text = (
        f"<conversation>\n{_escaped(chr(10).join(lines))}\n</conversation>\n"
        f"<question>\n{_escaped(conversation.question)}\n</question>"
    )
    for_words = {"question": conversation.question, "earlier": conversation.earlier_questions}
    return [SystemMessage(REWRITING_PROMPT), HumanMessage(text, additional_kwargs={STANDALONE_KEY: for_words})]


def rewritten(answer: str, conversation: Conversation) -> str | None:
    """Read the question that a model wrote.

    Returns:
        None where it wrote none: nothing, several lines, or a paragraph.
    """
    lines = [line.strip() for line in _THOUGHT.sub("", answer).splitlines() if line.strip()]
    if len(lines) == 2 and lines[0].endswith(":"):
        # "Here is the question:", and the question.
        del lines[0]
    if len(lines) != 1:
        return None
    question = _LABEL.sub("", lines[0]).strip(_QUOTES)
    given = len(conversation.question) + max(map(len, conversation.earlier_questions), default=0)
    is_short = (
        len(question) <= max(_SHORTEST_LIMIT, 2 * given) and len(_SENTENCE_END.findall(question)) <= _MOST_SENTENCES
    )
    return question if question and is_short else None


def by_words(conversation: Conversation, language: str) -> str:
    """The question with what it leaves out, from the words of the questions before it."""
    return standalone_question(conversation.question, conversation.earlier_questions, language)


def after_failure(reason: object, conversation: Conversation, language: str) -> str:
    """The question by its words, where the model wrote none; says why it did not."""
    logger.warning("The chat model wrote no question to search for: %s. It is made from the words before.", reason)
    return by_words(conversation, language)


def _speaker(message: BaseMessage) -> str:
    return "Assistant" if isinstance(message, AIMessage) else "User"


def _opening(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _ANSWER_CHARS else f"{text[:_ANSWER_CHARS]} …"


def _escaped(text: str) -> str:
    return re.sub(r"<(\s*/?\s*(?:conversation|question)\b[^<>]*)>", r"&lt;\1&gt;", text, flags=re.IGNORECASE)
