# SPDX-License-Identifier: Apache-2.0
"""Read a request's body as JSON: bounded in size, depth and time."""

import asyncio
import json
from typing import Any

from starlette.requests import Request

from node0.documents.json_document import MAX_DEPTH, depth_exceeds
from node0.finetune.corpus.transcript.messages_form import plain
from node0.finetune.serving.protocols.api_errors import RequestRefused

MAX_BYTES = 32 << 20
"What Anthropic's API takes."

MAX_SECONDS = 120.0
"From the head of a request to the end of its body."


async def read_json(
    request: Request, *, max_bytes: int = MAX_BYTES, max_seconds: float = MAX_SECONDS
) -> dict[str, Any]:
    """The body's object.

    Raises:
        RequestRefused: it is packed, too large, too slow, no JSON, no object, or nested too deeply.
    """
    _refuse_coded(request)
    try:
        async with asyncio.timeout(max_seconds):
            body = await _read(request, max_bytes)
    except TimeoutError:
        message = f"the body did not come within {max_seconds:.0f} s"
        raise RequestRefused(message, status=408, closes=True) from None
    try:
        # From bytes json.loads would also read UTF-16, in which half a pair is not found below.
        value = json.loads(body.decode("utf-8-sig"))
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise RequestRefused("the body is not UTF-8 text") from None
    except ValueError:
        raise RequestRefused("the body is no JSON") from None
    if not isinstance(value, dict):
        raise RequestRefused("the body is no JSON object")
    if depth_exceeds(value):
        raise _too_deep()
    # Half a UTF-16 pair, as harnesses cut texts, is in no vocabulary; the corpus has it replaced likewise.
    return dict(plain(value)) if b"\\ud" in body.lower() else value


def _refuse_coded(request: Request) -> None:
    """A small body may unpack to any size, so none is unpacked."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        message = f"a body with Content-Encoding {coding[:40]!r} is not read here; send it as it is"
        raise RequestRefused(message, status=415, closes=True)


async def _read(request: Request, max_bytes: int) -> bytes:
    told = request.headers.get("content-length", "0")
    if not told.isdecimal() or int(told) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> RequestRefused:
    return RequestRefused(f"the body is larger than {max_bytes} bytes", status=413, closes=True)


def _too_deep() -> RequestRefused:
    return RequestRefused(f"the body is nested more than {MAX_DEPTH} deep")
