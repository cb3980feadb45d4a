"""`milvus-rag chat`: a conversation in the terminal."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import typer

from ..errors import MilvusRagError
from ..setting_fields import Group
from . import options as o
from .asking import print_answer, read_filter
from .kept_conversation import KeptConversation
from .output import print_sources, printable, say
from .setting_options import takes_settings

if TYPE_CHECKING:
    from ..settings import Settings
    from ..stores.milvus import MilvusStore

_HELP = """/sources      the passages of the last answer
/new          begin a new conversation
/model SPEC   answer with another chat model, e.g. /model gemini
/help         this
/exit         end, as Ctrl-D does; Ctrl-C stops an answer"""
_PROMPT = "> "


@takes_settings(Group.CHAT, Group.EMBEDDING, Group.RETRIEVAL, Group.RERANKING, Group.FILES, Group.MILVUS)
def chat(*, docs: o.Docs = None, filter: o.Filter = None, settings: "Settings") -> None:
    """Talk about the indexed files: each question goes on with those before it.

    Questions are read from the terminal, or a line each from stdin.
    """
    from ..configured_store import build_store

    if docs:
        from .indexing import index_before

        index_before(settings, docs)
    with build_store(settings, must_exist=True) as store:
        talk = _Talk(settings, store, read_filter(filter))
        for line in _lines():
            if not line.strip():
                continue
            if line.strip() in ("/exit", "/quit"):
                break
            try:
                talk.take(line.strip())
            except KeyboardInterrupt:
                say("\nStopped.")
            except MilvusRagError as exc:
                # The next question may be another matter.
                say(f"Error: {exc}")


class _Talk:
    """One conversation.

    Args:
        settings: What answers.
        store: What is asked.
        filter: Bounds what is read.
    """

    def __init__(self, settings: "Settings", store: "MilvusStore", filter: Any) -> None:
        self._settings = settings
        self._store = store
        self._filter = filter
        self._kept = KeptConversation.of_folder()
        self._history: list[tuple[str, str]] = []
        self._last: Any = None
        self._chain = self._made(settings)

    def take(self, line: str) -> None:
        """Answer a question, or do what is asked for by a slash."""
        if not line.startswith("/"):
            self._answer(line)
            return
        word, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], None]] = {
            "/sources": self._sources,
            "/new": self._new,
            "/model": self._model,
            "/help": lambda _: typer.echo(_HELP),
        }
        if word not in commands:
            say(f"There is no {printable(word)}. /help lists what there is.")
            return
        commands[word](rest.strip())

    def _answer(self, question: str) -> None:
        asked = {"question": question, "chat_history": list(self._history)}
        said: list[str] = []
        try:
            self._last = print_answer(_heard(self._chain.stream(asked), said))
        finally:
            # Also of an answer that was stopped: the next question may be about what it said.
            if said:
                self._history += [("human", question), ("ai", "".join(said))]
                self._kept.write(self._history)

    def _sources(self, _: str) -> None:
        if not self._last or not self._last["context"]:
            say("There is no answer yet that has sources.")
            return
        print_sources(self._last["context"], self._last.get("citations"))
        for number, document in enumerate(self._last["context"], start=1):
            typer.echo(f"\n[{number}]")
            typer.echo("\n".join(printable(text) for text in document.page_content.strip().splitlines()))

    def _new(self, _: str) -> None:
        self._history.clear()
        self._last = None
        say("A new conversation.")

    def _model(self, spec: str) -> None:
        if not spec:
            say(f"{self._settings.chat_spec} answers. /model SPEC chooses another.")
            return
        settings = self._settings.model_copy(update={"llm": spec})
        self._chain = self._made(settings)
        self._settings = settings
        say(f"{spec} answers from now on.")

    def _made(self, settings: "Settings") -> Any:
        from ..pipeline import build_chain

        return build_chain(settings, self._store, filter=self._filter)


def _heard(parts: Iterator[Any], said: list[str]) -> Iterator[Any]:
    for part in parts:
        said += [part["answer"]] if part.get("answer") else []
        yield part


def _lines() -> Iterator[str]:
    """What is typed, or stdin where that is no terminal."""
    if not sys.stdin.isatty():
        # What is no UTF-8 is shown as such, and can be kept.
        yield from (line.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for line in sys.stdin)
        return
    say("Ask about the indexed files. /help lists what else there is, Ctrl-D ends.")
    ask = _line_editor()
    while True:
        try:
            yield ask()
        except KeyboardInterrupt:
            # What was typed is thrown away.
            continue
        except EOFError:
            return


def _line_editor() -> Callable[[], str]:
    """Line editing and history."""
    # Imported where there is a terminal.
    from prompt_toolkit import PromptSession

    session: PromptSession[str] = PromptSession()
    return lambda: session.prompt(_PROMPT)
