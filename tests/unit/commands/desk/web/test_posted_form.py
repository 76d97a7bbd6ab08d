# SPDX-License-Identifier: Apache-2.0
import asyncio

import pytest
from starlette.requests import Request
from starlette.types import Message

from node0.commands.desk.web.posted_form import KIND, MAX_BYTES, MAX_FIELDS, read_form
from node0.errors import ConfigError


def _read(body: bytes, kind: str = KIND) -> dict[str, str]:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", kind.encode())]
    return asyncio.run(read_form(Request({"type": "http", "headers": headers}, receive)))


def test_fields_are_read_by_name_and_the_last_one_of_a_name_counts() -> None:
    assert _read(b"a=1&b=&a=%C3%BC+x", f"{KIND}; charset=utf-8") == {"a": "ü x", "b": ""}


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"{}", "application/json", "a form is sent as"),
        (b"a=" + b"x" * MAX_BYTES, KIND, "more than"),
        (b"&".join(b"a=1" for _ in range(MAX_FIELDS + 1)), KIND, "cannot be read"),
        (b"a=\xff", KIND, "cannot be read"),
    ],
)
def test_what_is_no_form_of_ours_is_refused(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _read(body, kind)


def test_a_form_whose_sender_hangs_up_in_its_middle_is_refused() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    headers = [(b"content-type", KIND.encode())]
    with pytest.raises(ConfigError, match="ended in its middle"):
        asyncio.run(read_form(Request({"type": "http", "headers": headers}, receive)))
