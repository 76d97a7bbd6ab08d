# SPDX-License-Identifier: Apache-2.0
"""The gateway: a request becomes ids, an engine answers with ids, and these become words and calls."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from node0.errors import ConfigError
from node0.finetune.chat.messages import Request
from node0.finetune.chat.tool_names import offered_call
from node0.finetune.inference.generator import sampling_params
from node0.finetune.inference.text import TextStream
from node0.finetune.serving.answer_blocks import AnswerBlocks, Piece
from node0.finetune.serving.constraint import Constraint
from node0.finetune.serving.engines.token_engine import (
    HELD_BACK,
    Engine,
    GeneratedToken,
    GenerationRequest,
    TokenStream,
)
from node0.finetune.serving.served_models import ModelCatalogue, ServedModel
from node0.pipeline.protocol import SamplingParams

Ending = Literal["end", "length", "stop_string"]


@dataclass(frozen=True, slots=True)
class Drawing:
    """How an answer is drawn and where it ends."""

    max_tokens: int | None = None
    "None is the model's own."

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    constraint: Constraint = field(default_factory=Constraint)
    logprobs: int | None = None
    "How many of the likeliest ids are told with each id; None tells nothing."

    def sampling(self, number: int = 0) -> SamplingParams:
        """The engine's settings for the answer of this number; each has a seed of its own.

        Raises:
            ConfigError: one is out of its range.
        """
        seed = None if self.seed is None else (self.seed + number) % (1 << 62)
        return sampling_params(self.temperature, self.top_p, self.top_k, seed)


@dataclass(slots=True)
class Answer:
    """An answer that is being computed: iterate it, then read how it ended. Closing it cancels."""

    prompt_ids: tuple[int, ...]
    limit: int
    stop_ids: frozenset[int]
    stream: TokenStream
    text: TextStream
    blocks: AnswerBlocks | None
    "None leaves calls as text."

    tokens: list[GeneratedToken] = field(default_factory=list)
    "Without the stop id."

    ending: Ending = "end"
    called: bool = False
    "Whether the answer holds a call."

    @property
    def ids(self) -> list[int]:
        """The ids so far, without the stop id."""
        return [token.id for token in self.tokens]

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """Words and calls as they become certain."""
        async with aclosing(self.stream):
            async for token in self.stream:
                if token.id in self.stop_ids:
                    break
                self.tokens.append(token)
                for piece in self._certain(self._spelled(token)):
                    yield piece
                if self.text.stopped or len(self.tokens) >= self.limit:
                    self.ending = "stop_string" if self.text.stopped else "length"
                    break
                if self.blocks is not None and self.blocks.complete:
                    break
        rest = self._certain("" if self.text.stopped else self.text.finish())
        for piece in [*rest, *(self.blocks.finish() if self.blocks else ())]:
            self.called = self.called or not isinstance(piece, str)
            yield piece

    async def aclose(self) -> None:
        """Cancel what is still computed."""
        await self.stream.aclose()

    def _spelled(self, token: GeneratedToken) -> str:
        """The text that has become certain with this token."""
        if token.id == HELD_BACK:
            return ""
        return self.text.push(token.id) if token.text is None else self.text.push_text(token.text)

    def _certain(self, text: str) -> list[Piece]:
        if not text:
            return []
        return self.blocks.push(text) if self.blocks else [text]


class Gateway:
    """Renders with our renderer, parses with our parser, whatever engine computes."""

    def __init__(self, models: ModelCatalogue, engine: Engine, *, follows_masks: bool = True) -> None:
        """Serve these models by an engine, which follows masks of ids or makes its own of a form."""
        self.models = models
        self.engine = engine
        self._follows_masks = follows_masks

    async def ask(
        self, model: ServedModel, request: Request, drawing: Drawing, *, calls: bool = True, number: int = 0
    ) -> Answer:
        """Open an answer to a request in Messages form; `calls` says whether calls are read out of it.

        Raises:
            ConfigError: the prompt does not fit, or a setting is out of its range.
            EngineBusy: too many wait.
            EngineUnavailable: the engine does not answer.
        """
        profile = model.renderer.profile
        as_offered = partial(offered_call, tools=request["tools"], profile=profile) if profile else None
        ids = await model.prompt_ids(request)
        blocks = AnswerBlocks(one_call=drawing.constraint.one_call, as_offered=as_offered) if calls else None
        return await self.open(model, ids, drawing, blocks=blocks, number=number)

    async def open(
        self,
        model: ServedModel,
        ids: Sequence[int],
        drawing: Drawing,
        *,
        blocks: AnswerBlocks | None = None,
        number: int = 0,
    ) -> Answer:
        """Open an answer to a prompt of ids."""
        sampling = drawing.sampling(number)
        limit = self._limit(model, ids, drawing.max_tokens)
        stop_ids = model.renderer.stop_ids
        request = GenerationRequest(
            model.engine_name, tuple(ids), limit, stop_ids, sampling, drawing.logprobs
        )
        if drawing.constraint.binds:
            request = await self._bound(model, request, drawing.constraint)
        return Answer(
            prompt_ids=request.prompt,
            limit=limit,
            stop_ids=frozenset(stop_ids),
            stream=await self.engine.open(request),
            text=TextStream(model.decode, drawing.stop),
            blocks=blocks,
        )

    async def _bound(
        self, model: ServedModel, request: GenerationRequest, constraint: Constraint
    ) -> GenerationRequest:
        """The request for an answer that the constraint allows."""
        if self._follows_masks:
            return replace(request, mask=await model.mask(constraint))
        return replace(request, form=await model.form(constraint))

    def _limit(self, model: ServedModel, ids: Sequence[int], wanted: int | None) -> int:
        room = model.context - len(ids)
        if not ids:
            raise ConfigError("the prompt is empty; give at least one token")
        if room <= 0:
            raise ConfigError(
                f"prompt is too long: {len(ids)} tokens, the model's context is {model.context}; shorten it"
            )
        if not all(0 <= token_id < model.vocab_size for token_id in ids):
            raise ConfigError(
                f"a token id is not in 0..{model.vocab_size - 1}; use the model's own tokenizer"
            )
        return min(room, model.default_max_tokens if wanted is None else wanted)
