# SPDX-License-Identifier: Apache-2.0
from collections.abc import Mapping

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from node0.commands.desk.web.desk_access import HEADERS, DeskAccess, form_token, may_change

TOKEN, COOKIE = "a-token-that-was-printed", "node0-desk-8643"
HOST = "http://127.0.0.1:8643"


@pytest.fixture
def client() -> TestClient:
    access = DeskAccess(PlainTextResponse("a page"), token=TOKEN, port=8643)
    return TestClient(access, base_url=HOST, follow_redirects=False)


def _known(client: TestClient) -> TestClient:
    client.cookies.set(COOKIE, TOKEN)
    return client


@pytest.mark.parametrize(
    "path", ["/", "/corpus", "/static/desk.css", "/nothing", "/?token=", "/?token=wrong"]
)
@pytest.mark.parametrize("cookie", [None, "", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_without_the_token_nothing_is_told(client: TestClient, path: str, cookie: str | None) -> None:
    if cookie is not None:
        client.cookies.set(COOKIE, cookie)

    answer = client.get(path)

    assert answer.status_code == 401
    assert "a page" not in answer.text
    assert "set-cookie" not in answer.headers


def test_the_token_becomes_a_cookie_and_leaves_the_address(client: TestClient) -> None:
    answer = client.get(f"/review?token={TOKEN}&role=mayor")

    assert (answer.status_code, answer.headers["location"]) == (303, "/review?role=mayor")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert client.get("/review").text == "a page"


@pytest.mark.parametrize("path", ["//elsewhere.org", "/\\elsewhere.org"])
def test_the_token_leads_to_no_other_site(client: TestClient, path: str) -> None:
    location = client.get(f"{HOST}{path}?token={TOKEN}").headers["location"]

    assert not location.startswith(("//", "/\\", "http"))


@pytest.mark.parametrize("host", ["elsewhere.org", "127.0.0.1.elsewhere.org:8643", "192.168.1.2", ""])
def test_a_name_that_is_not_this_machine_is_refused_with_the_token_too(client: TestClient, host: str) -> None:
    assert _known(client).get("/", headers={"host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8643", "[::1]:8643", "127.0.0.1"])
def test_loopback_by_any_name_is_served(client: TestClient, host: str) -> None:
    answer = _known(client).get("/", headers={"host": host, "cookie": f"{COOKIE}={TOKEN}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": HOST, "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://elsewhere.org"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9000"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
    ],
)
def test_a_change_is_taken_from_our_own_pages_only(
    client: TestClient, headers: Mapping[str, str], status: int
) -> None:
    assert _known(client).post("/review", headers=dict(headers)).status_code == status


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for answer in (client.get("/"), _known(client).get("/")):
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    policy = HEADERS["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_a_form_is_known_by_a_token_that_is_not_the_address(client: TestClient) -> None:
    assert may_change({"form_token": form_token(TOKEN)}, TOKEN)
    assert not may_change({"form_token": TOKEN}, TOKEN)
    assert not may_change({"form_token": form_token("another")}, TOKEN)
    assert not may_change({"form_token": "é"}, TOKEN)
    assert not may_change({}, TOKEN)
