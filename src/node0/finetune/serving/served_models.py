# SPDX-License-Identifier: Apache-2.0
"""The models that a server offers: their ids, and what stands between each and text."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.chat.render import Renderer
from node0.finetune.chat.tool_names import named_request
from node0.finetune.inference.text import Decode
from node0.finetune.serving.constraint import MARKS, AnswerForm, Constraint, call_form, grammar
from node0.finetune.serving.grammar_masks import GrammarMask, GrammarMasks, check_grammar

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model as clients see it."""

    ids: tuple[str, ...]
    "Model ids under which it answers; the first is its own."

    engine_name: str
    "What the engine calls it."

    renderer: Renderer
    decode: Decode
    context: int
    "Most tokens that a prompt and its answer may have together."

    vocab_size: int
    created: int = 0
    "Unix time."

    masks: GrammarMasks = field(init=False, repr=False)
    context_of: Callable[[Request], str] | None = field(default=None, repr=False)
    "Retrieves what is put behind a request's last turn; None puts nothing there."

    thread: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "node0-render"), repr=False)
    "A renderer works for one thread at a time."

    def __post_init__(self) -> None:
        masks = GrammarMasks(
            self.renderer.tokenizer, vocab_size=self.vocab_size, stop_ids=self.renderer.stop_ids
        )
        object.__setattr__(self, "masks", masks)

    @property
    def default_max_tokens(self) -> int:
        """Tokens of an answer whose length the client leaves open."""
        profile = self.renderer.profile
        return profile.max_output_tokens if profile else 1024

    async def prompt_ids(self, request: Request) -> list[int]:
        """The ids of a request, rendered as training renders it; other requests go on meanwhile."""
        return await self._in_thread(lambda: self._rendered(request))

    async def text_ids(self, text: str) -> list[int]:
        """The ids of a text as it is: special tokens are read as such."""
        return await self._in_thread(lambda: list(self.renderer.tokenizer(text, verbose=False)["input_ids"]))

    def _rendered(self, request: Request) -> list[int]:
        if self.renderer.profile is not None:
            request = named_request(request, self.renderer.profile)
        context = self.context_of(request) if self.context_of else ""
        ids = self.renderer.prompt_ids(request, context=context)
        if context and len(ids) + self.default_max_tokens > self.context:
            # What was retrieved never takes the room of an answer.
            logger.warning(
                "asked without retrieved context: with it the prompt has %d tokens, "
                "and %d of the %d of %s are kept for an answer; retrieve fewer",
                *(len(ids), self.default_max_tokens, self.context, self.ids[0]),
            )
            return self.renderer.prompt_ids(request)
        return ids

    async def mask(self, constraint: Constraint) -> GrammarMask:
        """What an answer under this constraint may be; one for each answer.

        Raises:
            ConfigError: it cannot be followed.
        """
        return await self._in_thread(lambda: self.masks.mask(grammar(self._form(constraint))))

    async def form(self, constraint: Constraint) -> AnswerForm:
        """What an answer under this constraint may be, for an engine that makes masks of its own.

        Raises:
            ConfigError: no engine can follow it.
        """
        return await self._in_thread(lambda: self._checked_form(constraint))

    def _checked_form(self, constraint: Constraint) -> AnswerForm:
        form = self._form(constraint)
        check_grammar(grammar(form))
        return form

    def _form(self, constraint: Constraint) -> AnswerForm:
        added = self.renderer.tokenizer.added_tokens_decoder
        marks = {token.content: number for number, token in added.items() if token.content in MARKS}
        return AnswerForm(constraint, call_form(self.renderer.template), marks)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)


class Versions(Protocol):
    """Versions that can be served besides those that were named at the start."""

    def version_of(self, name: str) -> str | None:
        """What an id stands for at this moment, as `NAME:VER`; None where it is none of theirs.

        Raises:
            NotFound: the id is theirs, and stands for nothing.
        """
        ...

    def answering(self, name: str, session: str) -> str | None:
        """The version that answers a session, of an id for which sessions are split; None of any other id.

        Raises:
            EngineUnavailable: the registry cannot be asked.
        """
        ...

    def make(self, version: str) -> ServedModel:
        """That version, which the engine can be asked for from now on.

        Raises:
            EngineUnavailable: its files cannot be used.
        """
        ...

    def names(self) -> list[str]:
        """Every id."""
        ...


class ModelCatalogue:
    """Served models by id; an id that moves is followed at each request."""

    def __init__(self, models: Iterable[ServedModel], versions: Versions | None = None) -> None:
        """Offer these, and whichever version is asked for.

        Raises:
            ConfigError: two of them have the same id.
        """
        self._by_id: dict[str, ServedModel] = {}
        self._versions = versions
        self._making = asyncio.Lock()
        for model in models:
            for name in model.ids:
                if name in self._by_id:
                    raise ConfigError(f"two models are called {name}; name one with --model ID=NAME")
                self._by_id[name] = model

    async def listed(self) -> list[tuple[str, ServedModel | None]]:
        """Every id, with its model where that was ever asked for."""
        if self._versions is None:
            return list(self._by_id.items())
        names = dict.fromkeys([*self._by_id, *await asyncio.to_thread(self._versions.names)])
        return [(name, self._by_id.get(name)) for name in names]

    async def answering(self, name: str, session: str) -> str:
        """The id that answers a session: a version where sessions are split between two, else the id itself.

        Raises:
            EngineUnavailable: it cannot be found out.
        """
        if self._versions is None or name in self._by_id:
            return name
        return await asyncio.to_thread(self._versions.answering, name, session) or name

    async def find(self, name: str) -> ServedModel:
        """The model that this id stands for now.

        Raises:
            NotFound: there is none; the message names those there are.
            EngineUnavailable: its files cannot be used.
        """
        if name in self._by_id:
            return self._by_id[name]
        if self._versions is None:
            raise self._unknown(name)
        version = await asyncio.to_thread(self._versions.version_of, name)
        if version is None:
            raise self._unknown(name)
        async with self._making:
            if version not in self._by_id:
                self._by_id[version] = await asyncio.to_thread(self._versions.make, version)
        return self._by_id[version]

    def _unknown(self, name: str) -> NotFound:
        known = ", ".join(list(self._by_id)[:5])
        return NotFound(f"no model {name[:80]!r} is served here; ask for one of: {known}")
