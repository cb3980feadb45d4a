"""Everything that touches Milvus."""
