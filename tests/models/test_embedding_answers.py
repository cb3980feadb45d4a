"""What servers answer to a request for embeddings: formats, numbers, errors where vectors should be."""

import asyncio
import base64
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.errors import ModelError, ModelNotFoundError, ModelResponseError, ProviderUnavailableError
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.embedding_requests import _is_of_64_bits, _places
from support.scripted_server import Script, ScriptedServer, scripted

TEXTS = ["one", "two", "three"]
VECTORS = [[0.6, 0.8, 0.0, 0.0], [0.0, 0.28, 0.96, 0.0], [-0.5, 0.5, -0.5, 0.5]]
SYNC_AND_ASYNC = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def embedded(server: ScriptedServer, *, is_async: bool = False, times: int = 1, **options: Any) -> list[list[float]]:
    model = embedding_model("openai:m", base_url=server.url, max_retries=1, backoff=0.0, **options)
    found = []
    for _ in range(times):
        found = asyncio.run(model.aembed_documents(TEXTS)) if is_async else model.embed_documents(TEXTS)
    return found


def entries(vectors: Any = VECTORS, numbers: Any = (0, 1, 2)) -> list[dict[str, Any]]:
    return [{"index": number, "embedding": vector} for number, vector in zip(numbers, vectors, strict=True)]


def encoded(vector: list[float], kind: str = "f") -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}{kind}", *vector)).decode()


def refusing(words: str, status: int, *values: str) -> Any:
    """Refuses some values of ``encoding_format``; "*" stands for any."""

    def answer(body: Any) -> Script:
        wanted = body.get("encoding_format")
        if wanted is not None and (wanted in values or "*" in values):
            return Script({"detail": words}, status)
        return Script({"data": entries()})

    return answer


class TestTheFormat:
    @SYNC_AND_ASYNC
    @pytest.mark.parametrize(
        ("words", "status"),
        [
            ("encoding_format: Input should be 'float'", 422),
            ("Only floats: base64 is not implemented here", 400),
            ("Unsupported encoding format", 501),
        ],
    )
    def test_is_floats_from_then_on_where_base64_is_refused(self, words: str, status: int, is_async: bool) -> None:
        with scripted(refusing(words, status, "base64")) as server:
            assert np.allclose(embedded(server, is_async=is_async, times=2), VECTORS)
            assert [body["encoding_format"] for _, body in server.requests] == ["base64", "float", "float"]

    @SYNC_AND_ASYNC
    def test_is_left_out_where_it_is_not_known(self, is_async: bool) -> None:
        with scripted(refusing("Unknown field: encoding_format", 400, "*")) as server:
            assert np.allclose(embedded(server, is_async=is_async, times=2), VECTORS)
            assert [body.get("encoding_format") for _, body in server.requests] == ["base64", "float", None, None]
            assert server.requests[2][1] == {"input": TEXTS, "model": "m"}

    def test_a_refusal_of_something_else_is_one(self) -> None:
        with scripted(Script({"error": "too many spaces"}, 400)) as server:
            with pytest.raises(ModelError, match="too many spaces"):
                embedded(server)
            assert len(server.requests) == 1

    @SYNC_AND_ASYNC
    @pytest.mark.parametrize("kind", ["f", "d"])
    @pytest.mark.parametrize("obeys", [True, False])
    def test_base64_may_be_of_64_bits(self, kind: str, obeys: bool, is_async: bool) -> None:
        vectors = [[0.1, 0.2, 0.3, 0.4], [0.5, 0.25, 0.125, 1.0], [-0.9, 0.7, 0.33, 0.21]]

        def answer(body: Any) -> Script:
            plain = obeys and body.get("encoding_format") != "base64"
            return Script({"data": entries([vector if plain else encoded(vector, kind) for vector in vectors])})

        with scripted(answer) as server:
            found = embedded(server, is_async=is_async, normalise=False)
            assert np.allclose(found, vectors, atol=1e-6)
            assert len(server.requests) == (1 if kind == "f" else 2)

    def test_what_is_no_base64_is_said_to_be_none(self) -> None:
        body = Script({"data": entries(["?"] * 3)})
        with scripted(body) as server, pytest.raises(ModelResponseError, match="neither numbers nor base64"):
            embedded(server)

    @given(st.lists(st.floats(-1, 1, width=32).filter(lambda value: abs(value) > 1e-6), min_size=8, max_size=32))
    def test_vectors_of_either_width_are_told_apart(self, values: list[float]) -> None:
        values = values[: len(values) // 2 * 2]
        assert _is_of_64_bits(struct.pack(f"<{len(values)}d", *values))
        irregular = [value + 1e-3 * (place + 1) / 7 for place, value in enumerate(values)]
        assert _is_of_64_bits(struct.pack(f"<{len(values)}d", *irregular))
        assert not _is_of_64_bits(struct.pack(f"<{len(values)}f", *irregular))

    def test_a_sparse_vector_is_no_wider_one(self) -> None:
        assert not _is_of_64_bits(struct.pack("<8f", 0, 1, 0, 0, 0, 0, 0, 0))


class TestTheNumbers:
    @pytest.mark.parametrize(
        ("numbers", "order"),
        [
            ((2, 0, 1), (1, 2, 0)),
            ((3, 1, 2), (1, 2, 0)),
            (("1", "0", "2"), (1, 0, 2)),
            ((1.0, 0.0, 2.0), (1, 0, 2)),
            ((None, None, None), (0, 1, 2)),
            ((0, 0, 0), (0, 1, 2)),
            ((7, 8, 9), (0, 1, 2)),
            ((0, None, 1), (0, 1, 2)),
            (("a", "b", "c"), (0, 1, 2)),
        ],
    )
    def test_say_which_text_a_vector_is_of(self, numbers: tuple[Any, ...], order: tuple[int, ...]) -> None:
        with scripted(Script({"data": entries(numbers=numbers)})) as server:
            assert np.allclose(embedded(server), [VECTORS[place] for place in order])

    def test_that_say_nothing_are_an_error(self) -> None:
        body = Script({"data": entries(numbers=(1, 1, 0))})
        with scripted(body) as server, pytest.raises(ModelResponseError, match="some have the same number"):
            embedded(server)

    @given(st.permutations(range(6)), st.integers(0, 3), st.sampled_from([int, str, float]))
    def test_any_order_from_anywhere(self, order: list[int], first: int, kind: Any) -> None:
        places = _places([kind(number + first) for number in order])
        assert [order[place] for place in places] == sorted(order)


class TestNoVectors:
    @SYNC_AND_ASYNC
    @pytest.mark.parametrize(
        ("body", "kind", "words", "requests"),
        [
            ({"error": {"message": "GPU is gone", "code": 503}}, ProviderUnavailableError, "GPU is gone", 2),
            ({"error": {"message": "none of them", "code": 404}}, ModelNotFoundError, "does not serve this model", 1),
            ({"error": "no such thing"}, ModelResponseError, "no such thing", 1),
            ({"object": "error", "message": "GPU is gone", "code": 502}, ProviderUnavailableError, "GPU is gone", 2),
            ({"embeddings": VECTORS}, ModelResponseError, "has 'embeddings', and no list", 1),
            ({"data": [1, 2, 3]}, ModelResponseError, "no list of embeddings", 1),
            (VECTORS, ModelResponseError, "a JSON list, and no object", 1),
            ("<title>Portal</title>", ModelResponseError, "begins with: Portal", 1),
            (b"", ModelResponseError, "it is empty", 1),
        ],
    )
    def test_is_an_error_with_what_came(
        self, body: Any, kind: type[ModelError], words: str, requests: int, is_async: bool
    ) -> None:
        with scripted(Script(body)) as server:
            with pytest.raises(kind, match=words) as caught:
                embedded(server, is_async=is_async)
            assert type(caught.value) is kind
            assert len(server.requests) == requests

    def test_a_refused_dimension_says_what_to_leave_out(self) -> None:
        body = Script({"error": {"message": "model has a fixed dimension"}}, 400)
        with scripted(body) as server, pytest.raises(ModelError, match=r"Leave dimension= \(--dimension\) out"):
            embedded(server, dimension=4)
