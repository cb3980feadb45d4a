"""An agent that looks things up in the documents of a server, by the Model Context Protocol.

Before: ``pip install '.[openai,server,mcp]' langchain-mcp-adapters``, set the key of a provider, e.g.
``FIREWORKS_API_KEY``, and start ``milvus-rag serve --docs docs`` in another terminal.

    python examples/agent.py --llm fireworks
    python examples/agent.py --url https://docs.example.org/mcp --key … --question "How do I configure it?"

It prints the tools of the server, what the agent looked up, and its answer.
"""

import argparse
import asyncio
import sys

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import StreamableHttpConnection

from milvus_rag import MilvusRagError, chat_model


async def answer(url: str, key: str, llm: str, question: str) -> None:
    """The loop that every agent is: the model calls tools until it knows enough."""
    connection = StreamableHttpConnection(
        transport="streamable_http", url=url, headers={"Authorization": f"Bearer {key}"} if key else None
    )
    tools = {tool.name: tool for tool in await MultiServerMCPClient({"docs": connection}).get_tools()}
    print(f"Tools: {', '.join(tools)}")
    model = chat_model(llm).bind_tools(list(tools.values()))
    messages: list[BaseMessage] = [SystemMessage("Look things up before you answer."), HumanMessage(question)]
    while True:
        reply = await model.ainvoke(messages)
        messages.append(reply)
        if not reply.tool_calls:
            break
        for call in reply.tool_calls:
            print(f"The agent calls {call['name']}: {call['args']}")
            messages.append(await tools[call["name"]].ainvoke(call))
    print(f"Agent: {reply.text}")


def main() -> None:
    """Ask an agent."""
    parser = argparse.ArgumentParser(description="An agent over a server's documents.")
    parser.add_argument("--url", default="http://127.0.0.1:8000/mcp", help="the server's /mcp")
    parser.add_argument("--key", default="", help="the server's key, where it has one")
    parser.add_argument("--question", default="How is a file indexed again after it changed?")
    parser.add_argument("--llm", default="gemini", help="PROVIDER or PROVIDER:MODEL, of a model that can call tools")
    arguments = parser.parse_args()
    asyncio.run(answer(arguments.url, arguments.key, arguments.llm, arguments.question))


if __name__ == "__main__":
    try:
        main()
    except MilvusRagError as exc:
        sys.exit(str(exc))
