"""The kinds of failures that are counted: few, and each class and status of ours has one."""

import re

import pytest
from starlette.exceptions import HTTPException

from milvus_rag import errors
from milvus_rag.server.failure_kinds import kind_of
from milvus_rag.server.failures import ERROR_RESPONSES, RefusedRequestError, failure_of
from milvus_rag.server.limits import ClientGoneError
from support.asgi import application

ALL = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, errors.StoreError | errors.ModelError)
]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RefusedRequestError(401, "k"), "no_key"),
        (RefusedRequestError(503, "k"), "busy"),
        (RefusedRequestError(418, "k"), "refused"),
        (HTTPException(404), "not_found"),
        (HTTPException(405), "wrong_method"),
        (ClientGoneError(), "client_gone"),
        (TimeoutError(), "timeout"),
        (errors.StoreUnavailableError("k"), "store_unavailable"),
        (errors.EmbeddingMismatchError("k"), "store"),
        (errors.RateLimitError("k"), "model_rate_limit"),
        (errors.QuotaExceededError("k"), "model_quota"),
        (errors.ModelNotFoundError("k"), "model"),
        (ZeroDivisionError(), "internal"),
    ],
)
def test_each_has_its_name(error: BaseException, kind: str) -> None:
    assert kind_of(error) == kind


@pytest.mark.parametrize("error", ALL, ids=lambda one: one.__name__)
def test_what_a_part_raises_is_counted_as_of_that_part(error: type[Exception]) -> None:
    assert kind_of(error("k")).startswith("store" if issubclass(error, errors.StoreError) else "model")


def test_every_refusal_that_is_documented_has_a_name_of_its_own() -> None:
    statuses = [int(status) for status in ERROR_RESPONSES if status not in (500, 502, 504)]
    kinds = [kind_of(RefusedRequestError(status, "k")) for status in statuses]
    assert len(set(kinds)) == len(statuses)
    assert all(re.fullmatch(r"[a-z_]+", kind) for kind in kinds)
    assert "refused" not in kinds


async def test_they_are_counted_and_logged(index_uri: str) -> None:
    async with application(index_uri, server_key="k" * 20) as client:
        await client.get("/info")
        await client.post("/rag/invoke", json={"input": ""}, headers={"Authorization": f"Bearer {'k' * 20}"})
        text = (await client.get("/metrics", headers={"Authorization": f"Bearer {'k' * 20}"})).text
    assert 'milvus_rag_errors_total{error="RefusedRequestError",kind="no_key"} 1.0' in text
    assert 'milvus_rag_errors_total{error="RequestValidationError",kind="invalid"} 1.0' in text
    assert failure_of(RefusedRequestError(401, "k")).status == 401
