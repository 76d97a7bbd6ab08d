# SPDX-License-Identifier: Apache-2.0
"""OpenAI's endpoints: chat completions, completions, models."""

from collections.abc import AsyncGenerator, Awaitable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from node0.finetune.serving.gateway import Answer, Gateway
from node0.finetune.serving.http.answer_responses import EventStream, WholeAnswer, data_event, unless_gone
from node0.finetune.serving.http.error_responses import openai_event
from node0.finetune.serving.http.json_body import read_json
from node0.finetune.serving.http.request_report import report_of
from node0.finetune.serving.http.session_key import session_key
from node0.finetune.serving.protocols import openai_answer
from node0.finetune.serving.protocols.openai_request import ChatBody, CompletionBody
from node0.finetune.serving.served_models import ServedModel

_DONE = b"data: [DONE]\n\n"


class OpenAIRoutes:
    """Handlers over one gateway."""

    def __init__(self, gateway: Gateway, *, max_body: int) -> None:
        self._gateway = gateway
        self._max_body = max_body

    async def chat(self, request: Request) -> Response:
        """`POST /v1/chat/completions`."""
        body = ChatBody.model_validate(await read_json(request, max_bytes=self._max_body))
        body.check()
        turns = [turn.model_dump() for turn in body.messages]
        name = await self._gateway.models.answering(body.model, session_key(request, turns))
        model = await self._model(request, name, stream=body.stream)
        asked, drawing, calls = body.request(), body.drawing(), body.offers_tools
        answers = await unless_gone(
            request,
            _open_all(
                request,
                (
                    self._gateway.ask(model, asked, drawing, calls=calls, number=number)
                    for number in range(body.n)
                ),
            ),
        )
        framing = openai_answer.Framing("chat", name)
        if body.stream:
            chunks = openai_answer.chat_chunks(answers, framing, with_usage=body.reports_usage)
            return _stream(chunks, answers)
        return WholeAnswer(await unless_gone(request, openai_answer.chat_completion(answers, framing)))

    async def completions(self, request: Request) -> Response:
        """`POST /v1/completions`: a text as it is, or token ids, without a chat template."""
        body = CompletionBody.model_validate(await read_json(request, max_bytes=self._max_body))
        body.check()
        name = await self._gateway.models.answering(body.model, session_key(request))
        model = await self._model(request, name, stream=body.stream)
        drawing, n, with_ids = body.drawing(), body.n, body.return_token_ids
        prompts = [
            await model.text_ids(prompt) if isinstance(prompt, str) else prompt for prompt in body.prompts()
        ]
        opening = (
            self._gateway.open(model, ids, drawing, number=number) for ids in prompts for number in range(n)
        )
        answers = await unless_gone(request, _open_all(request, opening))
        framing = openai_answer.Framing("text", name)
        if body.stream:
            usage = body.reports_usage
            chunks = openai_answer.text_chunks(answers, framing, n=n, with_ids=with_ids, with_usage=usage)
            return _stream(chunks, answers)
        whole = openai_answer.text_completion(answers, framing, n=n, with_ids=with_ids)
        return WholeAnswer(await unless_gone(request, whole))

    async def models(self, request: Request) -> Response:
        """`GET /v1/models`, in a form that both kinds of clients read."""
        del request
        data = [_card(name, model) for name, model in await self._gateway.models.listed()]
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return WholeAnswer({"object": "list", "data": data, "has_more": False, **ends})

    async def model(self, request: Request) -> Response:
        """`GET /v1/models/{id}`."""
        name = request.path_params["name"]
        return WholeAnswer(_card(name, await self._gateway.models.find(name)))

    async def _model(self, request: Request, name: str, *, stream: bool) -> ServedModel:
        model = await self._gateway.models.find(name)
        report = report_of(request)
        report.model, report.stream = name, stream
        return model


async def _open_all(request: Request, opening: Iterable[Awaitable[Answer]]) -> list[Answer]:
    """All answers, open; the report knows each at once, and so whoever must cancel it."""
    answers = report_of(request).answers
    for coming in opening:
        answers.append(await coming)
    return answers


def _stream(chunks: AsyncGenerator[Mapping[str, Any], None], answers: list[Answer]) -> Response:
    return EventStream(chunks, answers, encode=data_event, on_error=openai_event, end=_DONE)


def _card(name: str, model: ServedModel | None) -> dict[str, Any]:
    """What is told of a model; of a version that was not asked for yet, no more than its name."""
    created = model.created if model else 0
    known = {"root": model.ids[0], "max_model_len": model.context} if model else {}
    return {
        "id": name,
        "object": "model",
        "type": "model",
        "created": created,
        "created_at": datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "owned_by": "node0",
        "display_name": name,
        **known,
    }
