"""A pass opens the playground and nothing else, to nobody but its own pages, until its time is over."""

import time
from typing import Any

import httpx
import pytest

from milvus_rag.server.playground_passes import COOKIE, SECONDS
from support.asgi import application

KEY = "correct-horse-battery-staple"
BEARER = {"Authorization": f"Bearer {KEY}"}
QUESTION = {"input": "Where is data stored?"}
OWN = {"Sec-Fetch-Site": "same-origin"}


async def pass_of(client: httpx.AsyncClient, chain: str = "rag", **headers: str) -> dict[str, str]:
    """A pass, as a header: the client itself would mind the cookie's path."""
    signed_in = await client.post(f"/{chain}/sign-in", headers={**BEARER, **headers})
    assert signed_in.status_code == 204
    client.cookies.clear()
    return {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}


@pytest.mark.filterwarnings("ignore:astream_log is deprecated")
async def test_a_pass_opens_what_the_playground_asks_and_nothing_else(index_uri: str) -> None:
    async with application(index_uri, server_key=KEY) as client:
        given = {**await pass_of(client), **OWN}
        for path in ("/rag/playground/", "/answer/playground/", "/rag/input_schema", "/rag/config_schema"):
            assert (await client.get(path, headers=given)).status_code == 200, path
        answered = await client.post("/rag/stream_log", json=QUESTION, headers=given)
        assert "object storage" in answered.text
        for path in (
            "/info",
            "/metrics",
            "/openapi.json",
            "/v1/models",
            "/readyz",
            "/starters",
            "/rag/playground/../../info",
        ):
            assert (await client.get(path, headers=given)).status_code in (401, 404), path
        for path in ("/rag/invoke", "/rag/stream", "/rag/sign-in", "/mcp", "/v1/chat/completions", "/answer/batch"):
            assert (await client.post(path, json=QUESTION, headers=given)).status_code == 401, path
        # A key beside it is what counts.
        wrong = {**given, "Authorization": "Bearer wrong"}
        assert (await client.get("/rag/playground/", headers=wrong)).status_code == 401


async def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(index_uri: str) -> None:
    async with application(index_uri, server_key=KEY, allowed_origins="http://neighbour.example") as client:
        signed_in = await client.post("/rag/sign-in", headers=BEARER)
        cookie = signed_in.headers["Set-Cookie"]
        assert {"HttpOnly", "SameSite=strict", f"Max-Age={SECONDS}"} <= set(cookie.split("; "))
        assert "Path" not in cookie
        assert "Secure" not in cookie
        assert KEY not in cookie
        secure = await client.post("https://server/rag/sign-in", headers=BEARER)
        assert "Secure" in secure.headers["Set-Cookie"].split("; ")
        given = await pass_of(client)
        for headers in (
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site", "Origin": "http://neighbour.example"},
            {"Origin": "http://neighbour.example"},
        ):
            refused = await client.post("/rag/stream_log", json=QUESTION, headers={**given, **headers})
            assert refused.status_code == 401


@pytest.mark.parametrize(
    "forged",
    ["", "x", "9999999999", "9999999999.", "9999999999.0000", "9999999999.\xe9", "9" * 40 + ".0", "٣.0", "=;=", '"'],
)
async def test_a_forged_pass_opens_nothing(index_uri: str, forged: str) -> None:
    async with application(index_uri, server_key=KEY) as client:
        headers = {"Cookie": f"{COOKIE}={forged}".encode()}
        assert (await client.get("/rag/playground/", headers=headers)).status_code == 401


async def test_a_pass_ends_with_its_hour_and_with_the_key(index_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with application(index_uri, server_key="another") as client:
        signed_in = await client.post("/rag/sign-in", headers={"Authorization": "Bearer another"})
        others = {"Cookie": signed_in.headers["Set-Cookie"].partition(";")[0]}
    async with application(index_uri, server_key=KEY) as client:
        assert (await client.get("/rag/playground/", headers=others)).status_code == 401
        given = await pass_of(client)
        assert (await client.get("/rag/playground/", headers=given)).status_code == 200
        now = time.time
        monkeypatch.setattr(time, "time", lambda: now() + SECONDS + 1)
        assert (await client.get("/rag/playground/", headers=given)).status_code == 401


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/rag/playground/", "/#playground=rag"),
        ("/answer/playground/", "/#playground=answer"),
        ("/rag/c/abc/playground/", "/#playground=rag"),
        ("/rag/playground", "/#playground=rag"),
    ],
)
async def test_who_opens_it_without_one_is_led_to_the_page(index_uri: str, path: str, place: str) -> None:
    async with application(index_uri, server_key=KEY, root_path="/chat") as client:
        led = await client.get(f"/chat{path}", headers={"Accept": "text/html,*/*"})
        assert led.status_code == 303
        assert str(led.next_request.url) == f"http://server/chat{place}"  # type: ignore[union-attr]  # it is one
        assert (await client.get(f"/chat{path}assets/x.js", headers={"Accept": "text/html"})).status_code == 401


async def test_without_a_key_there_is_nothing_to_sign_in_to(index_uri: str) -> None:
    async with application(index_uri) as client:
        answer: Any = await client.post("/rag/sign-in")
        assert (answer.status_code, "Set-Cookie" in answer.headers) == (204, False)
