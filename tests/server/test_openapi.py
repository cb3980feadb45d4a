"""The server does what its own description says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error

from milvus_rag.server import create_app
from milvus_rag.server.settings import ServerSettings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.huge,
    # LangServe calls what LangChain calls deprecated.
    pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainDeprecationWarning"),
]


CHAIN_ROUTES = [
    *[("POST", route) for route in ("invoke", "batch", "stream", "stream_events", "stream_log")],
    *[("GET", route) for route in ("input_schema", "output_schema", "config_schema")],
]
OPERATIONS = [
    *[(method, f"/{chain}/{route}") for chain in ("rag", "answer") for method, route in CHAIN_ROUTES],
    *[("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/info", "/starters")],
    *[("GET", path) for path in ("/v1/models", "/v1/models/{model}")],
    ("POST", "/v1/chat/completions"),
]
EXAMPLES = 60


@pytest.fixture(scope="module")
def api(index_uri: str) -> Iterator[Any]:
    app = create_app(ServerSettings(uri=index_uri))
    yield schemathesis.openapi.from_asgi("/openapi.json", app)
    app.state.index.close()


def test_every_operation_is_tried(api: Any) -> None:
    described = {(result.ok().method.upper(), result.ok().path) for result in api.get_all_operations()}
    assert described == set(OPERATIONS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_nothing_that_is_sent_makes_it_fail(api: Any, method: str, path: str) -> None:
    strategy = api[path][method].as_strategy(generation_mode=GenerationMode.POSITIVE)
    if method == "POST":
        strategy |= api[path][method].as_strategy(generation_mode=GenerationMode.NEGATIVE)

    @given(case=strategy)
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    def check(case: Any) -> None:
        response = case.call()
        case.validate_response(response, checks=[not_a_server_error])
        assert response.headers["x-request-id"]
        assert b"event: error" not in response.content
        if response.status_code >= 400:
            # OpenAI's clients know errors of another shape.
            error = response.json()["error"]
            assert error["message"]
            assert error["type"] if path.startswith("/v1") else error["status"] == response.status_code

    check()
