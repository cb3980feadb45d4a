"""The error for a question that cannot be asked, which a model is told of whose call of a tool brought it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from ..errors import InputError, InputTooLargeError, MilvusRagError


@contextmanager
def question_embedded() -> Iterator[None]:
    """While a question is embedded: that it is too long for the model is the question's fault."""
    try:
        yield
    except InputTooLargeError as exc:
        raise question_error(str(exc), InputTooLargeError) from exc


def question_error(message: str, kind: type[MilvusRagError] = InputError) -> MilvusRagError:
    """One of our errors, by default an `InputError`, that is also an error of LangChain's tools.

    So a tool with ``handle_tool_error`` hands it to the model. LangGraph's `ToolNode`, and with it `create_agent`,
    hands on nothing but its own error for wrong arguments, and a question is one: where that class is loaded, it is
    that too.
    """
    # mypy does not take a class for what has a hash.
    ours: Any = kind
    of_tool_node = getattr(sys.modules.get("langgraph.prebuilt.tool_node"), "ToolInvocationError", None)
    error: MilvusRagError = _error_class(ours, of_tool_node)(message)
    return error


@cache
def _error_class(kind: Any, of_tool_node: Any) -> Any:
    from langchain_core.tools import ToolException

    base: Any = of_tool_node or ToolException

    class QuestionError(kind, base):  # type: ignore[misc]  # the bases are known when it runs
        """A question that cannot be asked."""

        def __init__(self, message: str) -> None:
            # The attributes are those of LangGraph's error; of the tool nothing is known here.
            Exception.__init__(self, message)
            self.message = message
            self.tool_name, self.source, self.filtered_errors = "", self, None
            self.tool_kwargs: dict[str, Any] = {}

        def __reduce__(self) -> tuple[Any, ...]:
            return question_error, (self.message, kind)

    return QuestionError
