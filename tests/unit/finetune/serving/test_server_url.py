# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import ConfigError
from node0.finetune.serving.server_url import server_url


@pytest.mark.parametrize(
    "text",
    ["http://127.0.0.1:9", "https://xn--bcher-kva.example/v1", "http://bücher.example", "http://[::1]:9"],
)
def test_an_address_loses_the_slash_at_its_end_alone(text: str) -> None:
    assert server_url(text) == server_url(f"{text}/") == text


@pytest.mark.parametrize(
    "text",
    [
        *("http://localhost:abc", "http://[::1", "http://a..b", "http://a\n", "http://a/\ud800"),
        *("localhost:8000", "127.0.0.1:8000", "//a", "ftp://a", "http://", "http:///v1"),
    ],
)
def test_what_can_be_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"is no URL .*; give one such as") as refusal:
        server_url(text)

    assert str(refusal.value).encode().count(b"\n") == 0
