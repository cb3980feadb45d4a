"""Pages of other sites: allowed by name, and else neither answered nor charged to anybody."""

from typing import Any

import pytest

from milvus_rag.errors import SettingsError
from milvus_rag.server.origins import Origins
from milvus_rag.server.settings import ServerSettings
from milvus_rag.settings import load_settings
from support.asgi import application

QUESTION = {"input": "Where is data stored?"}
SITE = "https://docs.example.org"
PREFLIGHT = {
    "Origin": SITE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
}


async def test_a_browser_that_asks_first_is_told_without_a_key(index_uri: str) -> None:
    async with application(index_uri, server_key="right", allowed_origins=SITE) as client:
        for path in ("/v1/chat/completions", "/rag/stream", "/mcp", "/info"):
            told = await client.options(path, headers=PREFLIGHT)
            assert told.status_code == 204
            assert told.headers["Access-Control-Allow-Origin"] == SITE
            assert told.headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-stainless-os"
            assert told.headers["Access-Control-Allow-Methods"] == "GET, POST"
            assert "Access-Control-Allow-Credentials" not in told.headers
            assert "Origin" in told.headers["Vary"]
        refused = await client.options("/info", headers={**PREFLIGHT, "Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert not [name for name in refused.headers if name.startswith("access-control")]
        odd = await client.options("/info", headers={**PREFLIGHT, "Access-Control-Request-Headers": "a b, \x01"})
        assert "Access-Control-Allow-Headers" not in odd.headers
        near = await client.options("/info", headers={**PREFLIGHT, "Access-Control-Request-Private-Network": "true"})
        assert near.headers["Access-Control-Allow-Private-Network"] == "true"


async def test_an_allowed_page_reads_answers_and_errors(index_uri: str) -> None:
    async with application(index_uri, server_key="right", allowed_origins=f"{SITE}/") as client:
        key = {"Authorization": "Bearer right"}
        answer = await client.post("/rag/invoke", json=QUESTION, headers={"Origin": SITE, **key})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, SITE)
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        refused = await client.post("/rag/invoke", json=QUESTION, headers={"Origin": SITE})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, SITE)
        other = await client.post("/rag/invoke", json=QUESTION, headers={"Origin": "https://evil.example", **key})
        assert "Access-Control-Allow-Origin" not in other.headers
        assert other.headers["Vary"] == "Origin"


async def test_without_a_word_no_page_elsewhere_reads_anything(index_uri: str) -> None:
    async with application(index_uri) as client:
        answer = await client.options("/v1/chat/completions", headers=PREFLIGHT)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site, without an origin": {"Sec-Fetch-Site": "cross-site"},
    "another port": {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
    "an older browser": {"Origin": "https://evil.example"},
    "a page without an origin": {"Origin": "null"},
    "a name that begins alike": {"Origin": "http://server.evil.example"},
}
OWN: dict[str, dict[str, str]] = {
    "a program": {},
    "the page": {"Origin": "http://server", "Sec-Fetch-Site": "same-origin"},
    "the page behind a proxy that has another name for it": {"Origin": SITE, "Sec-Fetch-Site": "same-origin"},
    "an older browser": {"Origin": "http://server"},
    "an older browser, and a proxy that leaves out the port": {"Origin": "http://server:8443"},
    "somebody who typed the address": {"Sec-Fetch-Site": "none"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
async def test_without_a_key_a_page_of_another_site_is_refused(index_uri: str, headers: dict[str, str]) -> None:
    """Browsers send simple requests before they know that the page may not read the answer."""
    async with application(index_uri) as client:
        for path, body in (("/rag/invoke", QUESTION), ("/mcp", {}), ("/v1/chat/completions", {})):
            refused = await client.post(path, json=body, headers=headers)
            assert refused.status_code == 403
            assert "--allow-origin" in refused.json()["error"]["message"]


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN.keys())
async def test_the_own_page_and_programs_are_answered(index_uri: str, headers: dict[str, str]) -> None:
    async with application(index_uri) as client:
        assert (await client.post("/rag/invoke", json=QUESTION, headers=headers)).status_code == 200


async def test_an_allowed_page_is_no_stranger(index_uri: str) -> None:
    async with application(index_uri, allowed_origins="http://localhost:3000") as client:
        headers = {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"}
        assert (await client.post("/rag/invoke", json=QUESTION, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "origin", ["docs.example.org", "https://", "https://a.example/path", "https://*.example.org", "null", "https://a b"]
)
def test_what_is_no_origin_is_said(origin: str) -> None:
    with pytest.raises(SettingsError, match=r"--allow-origin cannot be used.*is no origin"):
        load_settings(ServerSettings, allowed_origins=(origin,))


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "https://[::1]:8", "app://obsidian.md", "HTTPS://A.Example/"]
)
def test_what_is_one_is_taken(origin: str) -> None:
    settings = load_settings(ServerSettings, allowed_origins=(origin,))
    assert isinstance(settings, ServerSettings)
    assert Origins(settings.allowed_origins).allow(origin.rstrip("/"))


def test_all_origins_and_a_key_have_to_be_meant() -> None:
    given: dict[str, Any] = {"allowed_origins": ("*",), "server_key": "right"}
    with pytest.raises(SettingsError, match="--allow-any-origin"):
        load_settings(ServerSettings, **given)
    meant = load_settings(ServerSettings, **given, allow_any_origin=True)
    assert isinstance(meant, ServerSettings)
    assert Origins(meant.allowed_origins).allow("https://anybody.example")
    load_settings(ServerSettings, allowed_origins=("*",))
