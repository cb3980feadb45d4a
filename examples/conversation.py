"""A conversation with a server's documents, by OpenAI's own client: each question goes on with those before it.

Before: ``pip install openai``, and start ``milvus-rag serve --docs docs`` in another terminal.

    python examples/conversation.py
    python examples/conversation.py --url https://docs.example.org/v1 --key … "How do I install it?" "And on a Mac?"

It prints each question, its answer as it comes, what was searched for, and the passages that the answer cites.
"""

import argparse
from typing import Any

from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

QUESTIONS = ["How is a file indexed again after it changed?", "And if it was removed?"]


def ask(client: OpenAI, model: str, messages: list[ChatCompletionMessageParam]) -> tuple[str, dict[str, Any]]:
    """Stream one answer; returns it, and what it stands on."""
    parts: list[str] = []
    grounds: dict[str, Any] = {}
    for chunk in client.chat.completions.create(model=model, messages=messages, stream=True):
        for choice in chunk.choices:
            parts.append(choice.delta.content or "")
            print(parts[-1], end="", flush=True)
        # A field of this server's own; others do not have it.
        grounds = (chunk.model_extra or {}).get("milvus_rag", grounds)
    print()
    return "".join(parts), grounds


def main() -> None:
    """Ask one question after the other."""
    parser = argparse.ArgumentParser(description="A conversation with a server's documents.")
    parser.add_argument("questions", nargs="*", default=QUESTIONS)
    parser.add_argument("--url", default="http://127.0.0.1:8000/v1", help="the server's /v1")
    parser.add_argument("--key", default="none", help="the server's key, where it has one")
    parser.add_argument("--model", default="milvus-rag", help="a model of those that the server lists")
    arguments = parser.parse_args()

    with OpenAI(base_url=arguments.url, api_key=arguments.key) as client:
        messages: list[ChatCompletionMessageParam] = []
        for question in arguments.questions:
            print(f"> {question}")
            messages.append({"role": "user", "content": question})
            answer, grounds = ask(client, arguments.model, messages)
            messages.append({"role": "assistant", "content": answer})
            if grounds.get("search_question"):
                print(f"Searched for: {grounds['search_question']}")
            for citation in grounds.get("citations") or ():
                print(f"[{citation['number']}] {citation['source']}, line {citation['start_line']}")


if __name__ == "__main__":
    main()
