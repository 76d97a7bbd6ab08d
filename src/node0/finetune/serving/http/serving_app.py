# SPDX-License-Identifier: Apache-2.0
"""The HTTP application: Anthropic's and OpenAI's endpoints over one gateway."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.http.admission import Admission
from node0.finetune.serving.http.answer_responses import ClientGone, EventStream, close_all, too_long
from node0.finetune.serving.http.anthropic_routes import AnthropicRoutes
from node0.finetune.serving.http.error_responses import error_response
from node0.finetune.serving.http.json_body import MAX_BYTES
from node0.finetune.serving.http.key_quotas import KeyQuotas
from node0.finetune.serving.http.openai_routes import OpenAIRoutes
from node0.finetune.serving.http.request_report import (
    ReportingMiddleware,
    RequestReport,
    ServingMetrics,
    report_of,
)
from node0.finetune.serving.http.serving_state import ServingState
from node0.finetune.serving.protocols.api_errors import RequestRefused

logger = logging.getLogger(__name__)

MAX_SECONDS = 1800.0
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """How the application is set up."""

    admission: Admission = field(default_factory=Admission)
    max_body: int = MAX_BYTES
    "Bytes."

    max_seconds: float | None = MAX_SECONDS
    "From the head of a request to the end of its answer."

    quotas: KeyQuotas = field(default_factory=KeyQuotas)


def serving_app(gateway: Gateway, options: ServingOptions, state: ServingState) -> FastAPI:
    """The application. Every error leaves it in the form that the client of its path expects."""
    # No pages of its own: they would load scripts from elsewhere.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    metrics = ServingMetrics(gateway.engine)
    anthropic = AnthropicRoutes(gateway, max_body=options.max_body)
    openai = OpenAIRoutes(gateway, max_body=options.max_body)

    async def health(request: Request) -> Response:
        del request
        return JSONResponse({"status": "ok"})

    async def ready(request: Request) -> Response:
        del request
        reason = "draining" if state.draining else await gateway.engine.ready()
        return JSONResponse({"status": reason or "ready"}, 503 if reason else 200)

    async def figures(request: Request) -> Response:
        del request
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    routes: Mapping[tuple[str, str], Handler] = {
        ("POST", "/v1/messages"): anthropic.messages,
        ("POST", "/v1/messages/count_tokens"): anthropic.count_tokens,
        ("POST", "/v1/chat/completions"): openai.chat,
        ("POST", "/v1/completions"): openai.completions,
        ("GET", "/v1/models"): openai.models,
        ("GET", "/v1/models/{name:path}"): openai.model,
        ("GET", "/health"): health,
        ("GET", "/ready"): ready,
        ("GET", "/metrics"): figures,
    }
    for (method, path), handler in routes.items():
        # Whoever answers GET answers HEAD (RFC 9110, 9.1): probes and proxies ask so.
        methods = [method, "HEAD"] if method == "GET" else [method]
        app.add_api_route(path, _guarded(handler, path, options), methods=methods, response_model=None)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_middleware(ReportingMiddleware, metrics=metrics)
    return app


def _guarded(handler: Handler, route: str, options: ServingOptions) -> Handler:
    async def guarded(request: Request) -> Response:
        report = report_of(request)
        report.route = route
        limit = asyncio.timeout(options.max_seconds)
        try:
            _admit(request, report, options)
            async with limit:
                response = await handler(request)
        except ClientGone:
            response = Response(status_code=499)
        except Exception as error:  # noqa: BLE001  # the border between the server and a client
            response = error_response(request, too_long() if limit.expired() else error)
        if isinstance(response, EventStream):
            response.deadline = limit.when()
        else:
            await close_all(report.answers)
        return response

    return guarded


def _admit(request: Request, report: RequestReport, options: ServingOptions) -> None:
    """Refuse who may not ask, or not now."""
    key = options.admission.check(request)
    if key is not None:
        report.key = key.name
        if request.method == "POST":
            report.leave = options.quotas.enter(key)


async def _no_route(request: Request, error: Exception) -> Response:
    status: Any = getattr(error, "status_code", 404)
    message = f"no {request.method} endpoint here; see docs/serving.md"
    response = error_response(request, RequestRefused(message, status=status))
    # Of a method that a path does not have: which it has (RFC 9110, 15.5.6).
    response.headers.update(getattr(error, "headers", None) or {})
    return response
