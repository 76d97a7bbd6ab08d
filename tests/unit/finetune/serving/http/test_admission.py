# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from starlette.requests import Request

from node0.errors import ConfigError
from node0.finetune.serving.http.admission import Admission, is_loopback, read_tokens
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
    Admission(["another-token-here", TOKEN]).check(request(host="example.org", **headers))


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
        Admission([TOKEN]).check(request(host="127.0.0.1", **headers))

    assert caught.value.status == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost", "[::1]:8642", "LOCALHOST:1"])
def test_without_tokens_loopback_names_are_answered(host: str) -> None:
    Admission().check(request(host=host))


@pytest.mark.parametrize("host", ["evil.example:8642", "192.168.0.4", "", "127.0.0.1.evil.example"])
def test_a_page_that_bound_its_name_to_loopback_is_refused(host: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        Admission().check(request(host=host))

    assert caught.value.status == 403


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_whether_the_server_lives_is_told_to_all(path: str) -> None:
    Admission([TOKEN]).check(request(path))


def test_tokens_are_read_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n\n  {TOKEN}2\n")
    path.chmod(0o600)

    assert read_tokens(path) == [TOKEN, f"{TOKEN}2"]


@pytest.mark.parametrize(
    ("text", "mode", "message"),
    [
        (TOKEN, 0o644, "chmod 600"),
        ("", 0o600, "one token a line"),
        ("short\n", 0o600, "16 characters"),
        (f"{TOKEN}é", 0o600, "no header can carry"),
    ],
)
def test_a_file_that_gives_no_safe_token_is_refused(
    tmp_path: Path, text: str, mode: int, message: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(text)
    path.chmod(mode)

    with pytest.raises(ConfigError, match=message):
        read_tokens(path)


def test_a_file_of_tokens_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read tokens from .*nowhere"):
        read_tokens(tmp_path / "nowhere")


def test_loopback_is_an_address_or_localhost() -> None:
    assert [is_loopback(host) for host in ("127.8.8.8", "::1", "localhost", "0.0.0.0", "::", "x")] == [
        True,
        True,
        True,
        False,
        False,
        False,
    ]
