# SPDX-License-Identifier: Apache-2.0
import asyncio
import gzip
import json
from typing import Any

import pytest
from starlette.requests import Request

from node0.finetune.serving.http.json_body import MAX_DEPTH, read_json
from node0.finetune.serving.protocols.api_errors import RequestRefused


def read(
    *pieces: bytes, length: str | None = None, coding: str | None = None, max_bytes: int = 1 << 20
) -> dict[str, Any]:
    told = {b"content-length": length, b"content-encoding": coding}
    headers = [(name, value.encode()) for name, value in told.items() if value is not None]
    left = list(pieces)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)
    return asyncio.run(read_json(request, max_bytes=max_bytes))


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_a_body_that_comes_in_pieces_is_one_object() -> None:
    assert read(b'{"a": ', b'"\xc3', b'\xa9"}') == {"a": "é"}


def test_half_a_utf16_pair_is_replaced_as_in_the_corpus() -> None:
    assert read(json.dumps({"a": ["x\ud83d", "😀"]}).encode()) == {"a": ["x\N{REPLACEMENT CHARACTER}", "😀"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"[]", "no JSON object"),
        (b'{"a": "\xff\xfe"}', "not UTF-8"),
        (json.dumps({"a": "x\ud83d"}).encode("utf-16"), "not UTF-8"),
        (json.dumps({"a": "x"}).encode("utf-16-le"), "no JSON"),
        (nested(MAX_DEPTH + 1), "nested more than 100 deep"),
        (b"[" * 200_000, "nested more than 100 deep"),
    ],
)
def test_a_body_that_is_no_sound_json_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(RequestRefused, match=message) as caught:
        read(body)

    assert caught.value.status == 400


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate, identity"])
def test_a_body_that_is_packed_is_refused_by_the_name_of_its_coding(coding: str) -> None:
    with pytest.raises(RequestRefused, match=f"Content-Encoding '{coding}'") as caught:
        read(gzip.compress(b"{}"), coding=coding)

    assert caught.value.status == 415
    assert read(b"{}", coding="identity") == {}


def test_as_deep_as_may_be_is_read() -> None:
    assert read(nested(MAX_DEPTH))


@pytest.mark.parametrize("length", ["101", "1e9", "-5", None])
def test_a_body_over_the_limit_is_refused_whatever_its_header_says(length: str | None) -> None:
    with pytest.raises(RequestRefused, match="larger than 100 bytes") as caught:
        read(b"x" * 60, b"x" * 60, length=length, max_bytes=100)

    assert caught.value.status == 413


def test_a_body_that_comes_too_slowly_is_given_up() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.request", "body": b"{}", "more_body": False}

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    with pytest.raises(RequestRefused, match="did not come") as refused:
        asyncio.run(read_json(request, max_seconds=0.01))

    assert (refused.value.status, refused.value.closes) == (408, True)
