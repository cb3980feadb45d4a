"""Functions with the interfaces of pymilvus.model's, whose results can be worked out by hand."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array


class FakeBoth:
    """BGE-M3's interface: dense and sparse at once, answered as a dict."""

    model_name = "both"

    def __init__(self, **answers: Any) -> None:
        self.answers = answers or {
            "dense": [np.array([1.0, 2.0], dtype=np.float16)],
            "sparse": csr_array(([0.5, 0.25], ([0, 0], [7, 3])), shape=(1, 10)),
        }

    @property
    def dim(self) -> dict[str, int]:
        return {"dense": 2, "sparse": 10}

    def encode_documents(self, documents: list[str]) -> dict[str, Any]:
        return self.answers

    encode_queries = encode_documents


class FakeSplade:
    """SPLADE's interface: a weight for each letter of the alphabet."""

    model_name = "letters"
    query_instruction = ""
    doc_instruction = "doc: "
    dim = 26

    def encode_documents(self, documents: list[str]) -> Any:
        counts = [[text.lower().count(chr(ord("a") + letter)) for letter in range(26)] for text in documents]
        return csr_array(np.array(counts, dtype=np.float32))

    encode_queries = encode_documents
