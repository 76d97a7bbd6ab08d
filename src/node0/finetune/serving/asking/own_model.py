# SPDX-License-Identifier: Apache-2.0
"""Ask a model of this process: the serving gateway without a server, for code that is not asynchronous."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Sequence
from typing import Any

from node0.finetune.chat.messages import Request, Tool
from node0.finetune.inference.reply import Answering, Reply
from node0.finetune.serving.answer_blocks import Piece
from node0.finetune.serving.gateway import Answer, Drawing, Gateway
from node0.finetune.serving.served_models import ServedModel

Open = Callable[[], Coroutine[Any, Any, Answer]]


class OwnModel:
    """A served model, asked by the thread that owns it; Ctrl-C in an answer ends that answer alone."""

    def __init__(self, gateway: Gateway, model: ServedModel, *, runner: asyncio.Runner) -> None:
        """Ask `model` through `gateway`, whose engine lives in the loop of `runner`."""
        self.name = model.ids[0]
        profile = model.renderer.profile
        role = f"role {profile.role}, " if profile else ""
        self.about = f"{role}{model.context} tokens of context"
        self.tools: Sequence[Tool] = profile.tool_list() if profile else []
        self._gateway = gateway
        self._model = model
        self._runner = runner

    def ask(self, request: Request, how: Answering, *, calls: bool = True) -> Reply:
        """Answer a conversation."""
        return self._reply(lambda: self._gateway.ask(self._model, request, _drawing(how), calls=calls))

    def continue_text(self, text: str, how: Answering) -> Reply:
        """Continue the text itself."""

        async def begin() -> Answer:
            ids = await self._model.text_ids(text)
            return await self._gateway.open(self._model, ids, _drawing(how))

        return self._reply(begin)

    def close(self) -> None:
        """Unload the model."""
        self._runner.run(self._gateway.engine.close())
        self._model.thread.shutdown()
        self._runner.close()

    def _reply(self, begin: Open) -> Reply:
        reply = Reply()
        reply.pieces = self._pieces(reply, begin)
        return reply

    def _pieces(self, reply: Reply, begin: Open) -> Generator[Piece, None, None]:
        answer = self._runner.run(begin())
        reply.prompt_tokens = len(answer.prompt_ids)
        pieces = answer.pieces()
        try:
            while (piece := self._runner.run(_next(pieces))) is not None:
                yield piece
            reply.ending = answer.ending
        finally:
            reply.answer_tokens = len(answer.ids)
            self._runner.run(_close(answer, pieces))


async def _next(pieces: AsyncGenerator[Piece, None]) -> Piece | None:
    return await anext(pieces, None)


async def _close(answer: Answer, pieces: AsyncGenerator[Piece, None]) -> None:
    await pieces.aclose()
    await answer.aclose()


def _drawing(how: Answering) -> Drawing:
    return Drawing(
        max_tokens=how.max_tokens,
        temperature=how.temperature,
        top_p=how.top_p,
        top_k=how.top_k,
        seed=how.seed,
        stop=how.stop,
    )
