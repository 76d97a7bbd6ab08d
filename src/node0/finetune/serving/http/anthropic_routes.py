# SPDX-License-Identifier: Apache-2.0
"""Anthropic's endpoints: messages, and the counting of their tokens."""

from starlette.requests import Request
from starlette.responses import Response

from node0.finetune.serving.gateway import Answer, Gateway
from node0.finetune.serving.http.answer_responses import EventStream, WholeAnswer, named_event, unless_gone
from node0.finetune.serving.http.error_responses import anthropic_event
from node0.finetune.serving.http.json_body import read_json
from node0.finetune.serving.http.request_report import report_of
from node0.finetune.serving.protocols import anthropic_answer
from node0.finetune.serving.protocols.anthropic_request import CountTokensBody, MessagesBody


class AnthropicRoutes:
    """Handlers over one gateway."""

    def __init__(self, gateway: Gateway, *, max_body: int) -> None:
        self._gateway = gateway
        self._max_body = max_body

    async def messages(self, request: Request) -> Response:
        """`POST /v1/messages`."""
        body = MessagesBody.model_validate(await read_json(request, max_bytes=self._max_body))
        answer = await unless_gone(request, self._ask(request, body))
        if body.stream:
            events = anthropic_answer.events(answer, body.model)
            return EventStream(events, [answer], encode=named_event, on_error=anthropic_event)
        return WholeAnswer(await unless_gone(request, anthropic_answer.message(answer, body.model)))

    async def count_tokens(self, request: Request) -> Response:
        """`POST /v1/messages/count_tokens`: the ids that the same request would send to the engine."""
        body = CountTokensBody.model_validate(await read_json(request, max_bytes=self._max_body))
        model = await self._gateway.models.find(body.model)
        report_of(request).model = body.model
        return WholeAnswer({"input_tokens": len(await model.prompt_ids(body.request()))})

    async def _ask(self, request: Request, body: MessagesBody) -> Answer:
        model = await self._gateway.models.find(body.model)
        report = report_of(request)
        report.model, report.stream = body.model, body.stream
        answer = await self._gateway.ask(model, body.request(), body.drawing(), calls=body.offers_tools)
        report.answers.append(answer)
        return answer
