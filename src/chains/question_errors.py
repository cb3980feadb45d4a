"""The error for a question that cannot be asked, which a model is told of whose call of a tool brought it."""

import sys
from functools import cache
from typing import Any

from ..errors import InputError


def question_error(message: str) -> InputError:
    """An `InputError` that is also an error of LangChain's tools.

    So a tool with ``handle_tool_error`` hands it to the model. LangGraph's `ToolNode`, and with it `create_agent`,
    hands on nothing but its own error for wrong arguments, and a question is one: where that class is loaded, it is
    that too.
    """
    made = _error_class(getattr(sys.modules.get("langgraph.prebuilt.tool_node"), "ToolInvocationError", None))
    error: InputError = made(message)
    return error


@cache
def _error_class(of_tool_node: type[Exception] | None) -> Any:
    from langchain_core.tools import ToolException

    base: Any = of_tool_node or ToolException

    class QuestionError(InputError, base):  # type: ignore[misc]  # the base is known when it runs
        """A question that cannot be asked."""

        def __init__(self, message: str) -> None:
            # The attributes are those of LangGraph's error; of the tool nothing is known here.
            Exception.__init__(self, message)
            self.message = message
            self.tool_name, self.source, self.filtered_errors = "", self, None
            self.tool_kwargs: dict[str, Any] = {}

        def __reduce__(self) -> tuple[Any, ...]:
            return question_error, (self.message,)

    return QuestionError
