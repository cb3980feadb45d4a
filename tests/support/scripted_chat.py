"""A chat model of OpenAI's protocol that says what a test wrote down, over real HTTP: texts, and calls of tools."""

import json
from typing import Any

from .faults import Fault
from .model_server import Recorded, Reply
from .openai_server import OpenAIServer

# A text, or a call of a tool: its name and arguments, which are a text where they are to be no JSON.
Turn = str | tuple[str, dict[str, Any] | str]


class ScriptedChat(OpenAIServer):
    """Gives its turns one after the other, and the last one again. Its key is that of `OpenAIServer`.

    Args:
        *turns: What the model says.
    """

    def __init__(self, *turns: Turn) -> None:
        super().__init__()
        self._turns = list(turns)

    @property
    def chats(self) -> list[Any]:
        """The bodies of the requests for an answer."""
        return [request.body for request in self.requests if request.path.endswith("/chat/completions")]

    def told(self, request: int = -1) -> list[tuple[str, Any]]:
        """The messages of a request: each one's role and content."""
        return [(message["role"], message.get("content")) for message in self.chats[request]["messages"]]

    def reply(self, request: Recorded, fault: Fault | None) -> Reply:
        if fault is not None or not request.path.endswith("/chat/completions"):
            return super().reply(request, fault)
        self._check_key(request)
        turn = self._turns.pop(0) if len(self._turns) > 1 else self._turns[0]
        message: dict[str, Any] = {"role": "assistant", "content": turn}
        if not isinstance(turn, str):
            name, arguments = turn
            written = arguments if isinstance(arguments, str) else json.dumps(arguments)
            function = {"name": name, "arguments": written}
            calls = [{"index": 0, "id": f"call_{len(self.requests)}", "type": "function", "function": function}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        finish = "stop" if isinstance(turn, str) else "tool_calls"
        head = {"id": "chatcmpl-1", "created": 1, "model": request.body["model"]}
        if request.body.get("stream"):
            chunk = {**head, "object": "chat.completion.chunk"}
            choices = ({"index": 0, "delta": message}, {"index": 0, "delta": {}, "finish_reason": finish})
            return Reply(events=(*(json.dumps({**chunk, "choices": [choice]}) for choice in choices), "[DONE]"))
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return Reply({**head, "object": "chat.completion", "choices": [choice]})
