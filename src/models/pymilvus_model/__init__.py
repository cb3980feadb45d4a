"""The models of `pymilvus.model`, as in its blog post, behind LangChain's interfaces."""
