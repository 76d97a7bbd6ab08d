# SPDX-License-Identifier: Apache-2.0
"""Answer tasks with a model that is loaded here: a registered version, a run, an adapter or a base."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.errors import NotFound
from node0.files import sha256_of
from node0.finetune.chat.messages import Block, Message, Request
from node0.finetune.chat.parse import parse_answer
from node0.finetune.chat.render import Renderer
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.task import Task
from node0.finetune.inference.loading import LoadedModel, find_source, load_model
from node0.finetune.inference.measured_model import MeasuredModel


class ModelAnswerer:
    """A loaded model. A task brings its role's card and tools along, so no profile is laid over it."""

    def __init__(self, loaded: LoadedModel, *, digest: str) -> None:
        if loaded.tokenizer is None:
            raise NotFound(f"model {loaded.name} has no tokenizer; put its tokenizer.json beside the weights")
        self._loaded, self._renderer = loaded, Renderer(loaded.tokenizer)
        self.name, self.digest = loaded.name, digest
        # One sequence at a time: what runs beside it is the sandbox.
        self._alone = threading.Lock()

    def replaying(self) -> "ReplayAnswerer":
        """The same model for a replay."""
        return ReplayAnswerer(MeasuredModel(self._loaded), digest=self.digest, alone=self._alone)

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """What it generates; nothing where the request does not fit its context."""
        with self._alone:
            prompt = self._renderer.prompt_ids(request)
            if len(prompt) >= self._loaded.context:
                return []
            ids = self._loaded.generator().generate(
                prompt, sampling.max_tokens, sampling.temperature, 1.0, seed=sampling.seed
            )
            text = self._loaded.decode(list(ids))
        turn = sum(message["role"] == "assistant" for message in request["messages"])
        numbers = iter(range(len(text) + 1))
        # Ids of its calls are counted: random ones would be another request each time.
        return parse_answer(text, new_id=lambda: f"call_{turn}_{next(numbers)}")


class ReplayAnswerer:
    """A loaded model for recorded requests: greedy, in the form of its own profile."""

    def __init__(self, model: MeasuredModel, *, digest: str, alone: threading.Lock) -> None:
        profile = model.profile.model_dump_json() if model.profile is not None else ""
        self._model, self._alone = model, alone
        self.name = model.name
        self.digest = hashlib.sha256(f"{digest}\n{profile}".encode()).hexdigest()

    def reduce(self, message: Message) -> Message | None:
        """A recorded message as the model would give it; None where it would not."""
        return self._model.reduce(message)

    def answer(self, task: Task, request: Request, sampling: Sampling) -> list[Block]:
        """What it generates; nothing where the request does not fit its context."""
        with self._alone:
            return self._model.answer(request, max_tokens=sampling.max_tokens)


@contextmanager
def loaded_answerer(name: str, *, town: Path | None, device: str, dtype: str) -> Iterator[ModelAnswerer]:
    """A model by its name, let go of at the end.

    Raises:
        NotFound: no such model, or it has no tokenizer.
        BadCheckpoint, BadSignature: it is not what was registered.
    """
    source = find_source(name, town=town)
    weights = [file for adapter in source.adapters for file in sorted(adapter.glob("*.safetensors"))]
    loaded = load_model(name, town=town, device=device, dtype=dtype)
    kind = str(loaded.pipeline.stages[0].dtype).removeprefix("torch.")  # what `auto` was today
    parts = [source.base.digest, kind, *map(sha256_of, weights)]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    try:
        yield ModelAnswerer(loaded, digest=digest)
    finally:
        loaded.pipeline.close()
