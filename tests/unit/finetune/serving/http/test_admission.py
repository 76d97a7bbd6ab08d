# SPDX-License-Identifier: Apache-2.0
import pytest
from starlette.requests import Request

from node0.finetune.serving.http.admission import Admission, is_loopback
from node0.finetune.serving.http.api_keys import ApiKey
from node0.finetune.serving.protocols.api_errors import RequestRefused

TOKEN = "0123456789abcdef"


def request(path: str = "/v1/messages", **headers: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": path, "headers": pairs, "query_string": b""})


@pytest.mark.parametrize(
    "headers",
    [{"authorization": f"Bearer {TOKEN}"}, {"authorization": f"bearer {TOKEN}"}, {"x_api_key": TOKEN}],
)
def test_a_token_opens_the_door_in_either_header(headers: dict[str, str]) -> None:
    keys = [ApiKey("another-token-here", "first"), ApiKey(TOKEN, "second")]

    assert Admission(keys).check(request(host="example.org", **headers)) == keys[1]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_api_key": ""},
        {"x_api_key": TOKEN[:-1]},
        {"authorization": f"Basic {TOKEN}"},
        {"x_api_key": "é"},
    ],
)
def test_without_the_right_token_nobody_gets_in(headers: dict[str, str]) -> None:
    with pytest.raises(RequestRefused, match="API key") as caught:
        Admission([ApiKey(TOKEN, "rig")]).check(request(host="127.0.0.1", **headers))

    assert caught.value.status == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost", "[::1]:8642", "LOCALHOST:1"])
def test_without_tokens_loopback_names_are_answered(host: str) -> None:
    assert Admission().check(request(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example:8642", "192.168.0.4", "", "127.0.0.1.evil.example"])
def test_a_page_that_bound_its_name_to_loopback_is_refused(host: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        Admission().check(request(host=host))

    assert caught.value.status == 403


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_whether_the_server_lives_is_told_to_all(path: str) -> None:
    Admission([ApiKey(TOKEN, "rig")]).check(request(path))


def test_a_body_whose_length_is_told_in_two_ways_is_refused_and_its_connection_closed() -> None:
    with pytest.raises(RequestRefused, match="not both") as caught:
        Admission().check(request(host="localhost", content_length="2", transfer_encoding="chunked"))

    assert (caught.value.status, caught.value.closes) == (400, True)


def test_loopback_is_an_address_or_localhost() -> None:
    assert [is_loopback(host) for host in ("127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "x")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
