# SPDX-License-Identifier: Apache-2.0
"""Error responses in the form that the client which asked expects."""

import json
import logging

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from node0.finetune.serving.protocols.api_errors import ApiError, api_error

logger = logging.getLogger(__name__)


def error_response(request: Request, error: Exception) -> Response:
    """Status and body for an error; one that nobody foresaw is logged by its kind and place."""
    told = told_error(error)
    status, body = told.anthropic() if is_anthropic(request) else told.openai()
    headers = {"Retry-After": str(told.retry_after)} if told.retry_after else {}
    if told.closes:
        headers["Connection"] = "close"
    return JSONResponse(body, status, headers)


def told_error(error: Exception) -> ApiError:
    """What a client is told of an error, after the log was told more."""
    told = api_error(error)
    if told.status == 500:
        logger.error("a request failed: %s at %s", type(error).__name__, _place(error))
        logger.debug("the same with its trace", exc_info=error)
    elif told.status > 500:
        logger.warning("a request failed: %s", told.message)
    return told


def anthropic_event(error: Exception) -> bytes:
    """An error in the middle of a stream of Anthropic's events."""
    _, body = told_error(error).anthropic()
    return f"event: error\ndata: {json.dumps(body)}\n\n".encode()


def openai_event(error: Exception) -> bytes:
    """An error in the middle of a stream of OpenAI's chunks."""
    _, body = told_error(error).openai()
    return f"data: {json.dumps(body)}\n\n".encode()


def is_anthropic(request: Request) -> bool:
    """Whether the request speaks Anthropic's protocol."""
    return request.url.path.startswith("/v1/messages") or "anthropic-version" in request.headers


def _place(error: BaseException) -> str:
    """File and line where it was raised; the words of an unforeseen error may be a prompt's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_name}:{trace.tb_lineno}" if trace else "unknown"
