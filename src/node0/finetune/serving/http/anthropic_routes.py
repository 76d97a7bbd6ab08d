# SPDX-License-Identifier: Apache-2.0
"""Anthropic's endpoints: messages, and the counting of their tokens."""

from starlette.requests import Request
from starlette.responses import Response

from node0.finetune.serving.gateway import Answer, Gateway
from node0.finetune.serving.http.answer_responses import EventStream, WholeAnswer, named_event, unless_gone
from node0.finetune.serving.http.error_responses import anthropic_event
from node0.finetune.serving.http.json_body import read_json
from node0.finetune.serving.http.request_report import report_of
from node0.finetune.serving.http.session_key import session_key
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
        name = await self._answering(request, body)
        answer = await unless_gone(request, self._ask(request, body, name))
        if body.stream:
            events = anthropic_answer.events(answer, name)
            return EventStream(events, [answer], encode=named_event, on_error=anthropic_event)
        return WholeAnswer(await unless_gone(request, anthropic_answer.message(answer, name)))

    async def count_tokens(self, request: Request) -> Response:
        """`POST /v1/messages/count_tokens`: the ids that the same request would send to the engine."""
        body = CountTokensBody.model_validate(await read_json(request, max_bytes=self._max_body))
        name = await self._answering(request, body)
        model = await self._gateway.models.find(name)
        report_of(request).model = name
        return WholeAnswer({"input_tokens": len(await model.prompt_ids(body.request()))})

    async def _answering(self, request: Request, body: CountTokensBody) -> str:
        """The id that answers: of a canary the version that this session has."""
        turns = [turn.model_dump() for turn in body.messages]
        return await self._gateway.models.answering(body.model, session_key(request, turns, body.metadata))

    async def _ask(self, request: Request, body: MessagesBody, name: str) -> Answer:
        model = await self._gateway.models.find(name)
        report = report_of(request)
        report.model, report.stream = name, body.stream
        answer = await self._gateway.ask(model, body.request(), body.drawing(), calls=body.offers_tools)
        report.answers.append(answer)
        return answer
