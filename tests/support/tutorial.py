"""What the Milvus RAG tutorials send to a chat model, copied from them and from nothing of ours."""

SYSTEM_PROMPT = (
    "\nHuman: You are an AI assistant. You are able to find answers to the questions from the contextual passage "
    "snippets provided.\n"
)
QUESTION = "How is data stored in milvus?"

# Two pages in the manner of the tutorials' FAQ: cut at "# ", they are five chunks.
PAGES = {
    "operational.md": (
        "# Operational FAQ\n\nHow to run Milvus day by day.\n\n### Where does Milvus store data?\n\n"
        "Milvus stores inserted data as incremental log in object storage; metadata are stored in etcd.\n"
    ),
    "product.md": (
        "# Product FAQ\n\n### Which GPUs are supported?\n\nThose with compute capability 7.0.\n\n"
        "### How much does it cost?\n\nIt is open source.\n"
    ),
}


def user_prompt(texts: list[str], question: str = QUESTION) -> str:
    """The user's message about some retrieved texts, best first."""
    context = "\n".join(texts)
    return (
        "\nUse the following pieces of information enclosed in <context> tags to provide an answer to the question "
        f"enclosed in <question> tags.\n<context>\n{context}\n</context>\n<question>\n{question}\n</question>\n"
    )
