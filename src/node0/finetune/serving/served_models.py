# SPDX-License-Identifier: Apache-2.0
"""The models that a server offers: their ids, and what stands between each and text."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field

from node0.errors import ConfigError, NotFound
from node0.finetune.chat.messages import Request
from node0.finetune.chat.render import Renderer
from node0.finetune.inference.text import Decode


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

    thread: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, "node0-render"), repr=False)
    "A renderer works for one thread at a time."

    @property
    def default_max_tokens(self) -> int:
        """Tokens of an answer whose length the client leaves open."""
        profile = self.renderer.profile
        return profile.max_output_tokens if profile else 1024

    async def prompt_ids(self, request: Request) -> list[int]:
        """The ids of a request, rendered as training renders it; other requests go on meanwhile."""
        return await self._in_thread(lambda: self.renderer.prompt_ids(request))

    async def text_ids(self, text: str) -> list[int]:
        """The ids of a text as it is: special tokens are read as such."""
        return await self._in_thread(lambda: list(self.renderer.tokenizer(text, verbose=False)["input_ids"]))

    async def _in_thread(self, work: Callable[[], list[int]]) -> list[int]:
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)


class ModelCatalogue:
    """Served models by id."""

    def __init__(self, models: Iterable[ServedModel]) -> None:
        """Offer these.

        Raises:
            ConfigError: two of them have the same id.
        """
        self._models = tuple(models)
        self._by_id: dict[str, ServedModel] = {}
        for model in self._models:
            for name in model.ids:
                if name in self._by_id:
                    raise ConfigError(f"two models are called {name}; name one with --model ID=NAME")
                self._by_id[name] = model

    def __iter__(self) -> Iterator[tuple[str, ServedModel]]:
        return iter(self._by_id.items())

    def require(self, name: str) -> ServedModel:
        """The model with this id.

        Raises:
            NotFound: there is none; the message names those there are.
        """
        if name not in self._by_id:
            known = ", ".join(list(self._by_id)[:5])
            raise NotFound(f"no model {name[:80]!r} is served here; ask for one of: {known}")
        return self._by_id[name]

    def label(self, name: str) -> str:
        """The id if it is served, else a word that a log or a metric may hold."""
        return name if name in self._by_id else "unknown"
