"""What the processes of a pool do in tests: they import it by this name."""

from langchain_core.documents import Document

from milvus_rag import MilvusStore


def found(store: MilvusStore, name: str) -> list[str]:
    """Store something, and find what others have stored."""
    store.add_documents([Document(f"The kettle of {name} is descaled in May.", id=name)])
    return [document.page_content for document in store.similarity_search("kettle descaled in May", k=9)]
