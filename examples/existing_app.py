"""Our parts inside somebody else's LangChain app: a retriever in a chain of your own, and as a tool of an agent.

Before: ``pip install '.[gemini,openai]'``, and set the key of a provider, e.g. ``FIREWORKS_API_KEY``. Nothing
is embedded: the search is full-text, so a chat model is all that it needs. Run it on this project's documentation, or
on any folder of Markdown pages:

    python examples/existing_app.py --llm fireworks
    python examples/existing_app.py path/to/docs --llm gemini --question "How do I configure it?"

It prints the answer of the chain with its sources, then what the agent looked up, and the agent's answer.
"""

import argparse
import sys
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import create_retriever_tool

from milvus_rag import (
    MarkdownLoader,
    MarkdownSplitter,
    MilvusRagError,
    chat_model,
    milvus_retriever,
    open_store,
    sync,
)

DOCS = Path(__file__).resolve().parents[1] / "docs"


def in_your_chain(retriever: BaseRetriever, chat: BaseChatModel, question: str) -> None:
    """Your prompt, your output, our retriever: it is a Runnable like any other."""
    prompt = ChatPromptTemplate.from_template(
        "Answer in one sentence, from these notes only:\n<context>\n{notes}\n</context>\nQuestion: {question}"
    )
    chain = {"notes": retriever | as_notes, "question": RunnablePassthrough()} | prompt | chat | StrOutputParser()
    print(f"Chain: {chain.invoke(question)}")


def as_notes(documents: list[Document]) -> str:
    """Each passage below the file that it is from."""
    return "\n".join(f"[{document.metadata['source']}] {document.page_content}" for document in documents)


def as_an_agents_tool(retriever: BaseRetriever, chat: BaseChatModel, question: str) -> None:
    """LangChain makes the tool; any agent takes it. This one is a loop, to show that there is no magic."""
    search = create_retriever_tool(retriever, "search_docs", "Search the documentation for passages about a question.")
    model = chat.bind_tools([search])
    messages: list[BaseMessage] = [SystemMessage("Look things up before you answer."), HumanMessage(question)]
    while True:
        reply = model.invoke(messages)
        messages.append(reply)
        if not reply.tool_calls:
            break
        for call in reply.tool_calls:
            print(f"The agent looks up: {call['args']}")
            messages.append(search.invoke(call))
    print(f"Agent: {reply.text}")


def main() -> None:
    """Index the pages, then ask in both ways."""
    parser = argparse.ArgumentParser(description="A retriever in your chain, and as an agent's tool.")
    parser.add_argument("path", nargs="?", default=str(DOCS), help="folder, file, .zip or URL of Markdown pages")
    parser.add_argument("--question", default="How is a file indexed again after it changed?")
    parser.add_argument("--llm", default="gemini", help="PROVIDER or PROVIDER:MODEL, of a model that can call tools")
    parser.add_argument("--uri", default="./existing_app.db", help="Milvus: a .db path, or a server's URI")
    arguments = parser.parse_args()

    chat = chat_model(arguments.llm)
    with open_store(arguments.uri) as store:
        sync(MarkdownLoader(arguments.path), MarkdownSplitter(), store)
        retriever = milvus_retriever(store, k=3)
        in_your_chain(retriever, chat, arguments.question)
        as_an_agents_tool(retriever, chat, arguments.question)


if __name__ == "__main__":
    try:
        main()
    except MilvusRagError as exc:
        sys.exit(str(exc))
