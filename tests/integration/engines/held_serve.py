# SPDX-License-Identifier: Apache-2.0
"""`node0 serve` whose own engine computes everything and says what a script holds.

    python held_serve.py SCRIPT TOLD [flags of node0 serve]

SCRIPT is JSON, a list of answers as lists of ids, or such a list for each model by its name, the last of
which is given again when nothing is left. Each request is given a mask that allows the ids of the next
answer one by one, and then its stop id: the prompt is read by the weights, the blocks and the adapter that
there are, and only what is drawn is not the model's. TOLD gets a line of JSON for each answer: its model,
the ids of its prompt, how many of them were reused, its own ids, how likely the model found each, and how
many bytes the body of its request had.
"""

import json
import sys
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from starlette.types import ASGIApp, Receive, Scope, Send
from torch import Tensor

from node0 import cli
from node0.commands.serve import serve_models
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest, TokenStream
from node0.finetune.serving.gateway import Gateway
from node0.finetune.serving.http.serving_app import ServingOptions, ServingState, serving_app

_BYTES = ContextVar("bytes", default=0)
"Of the body of the request that is being answered."


class ScriptMask:
    """Allows one id after the other."""

    def __init__(self, ids: Iterable[int]) -> None:
        self._left = deque(ids)

    def allowed(self) -> Tensor:
        """bool (next id + 1,): True at the next id alone."""
        ids = torch.zeros(self._left[0] + 1, dtype=torch.bool)
        ids[-1] = True
        return ids

    def accept(self, token_id: int) -> None:
        """The id that came."""
        assert token_id == self._left.popleft()


class NotedStream:
    """A stream that tells what it brought when it is closed."""

    def __init__(self, stream: TokenStream, request: GenerationRequest, told: Path) -> None:
        self._stream, self._request, self._told = stream, request, told
        self._tokens: list[GeneratedToken] = []
        self._noted = False

    @property
    def reused(self) -> int:
        return self._stream.reused

    def __aiter__(self) -> "NotedStream":
        return self

    async def __anext__(self) -> GeneratedToken:
        self._tokens.append(await anext(self._stream))
        return self._tokens[-1]

    async def aclose(self) -> None:
        await self._stream.aclose()
        if not self._noted:
            self._noted = True
            ids, logprobs = zip(*((token.id, token.logprob) for token in self._tokens), strict=True)
            asked = {"model": self._request.model, "prompt": self._request.prompt, "bytes": _BYTES.get()}
            line = {**asked, "reused": self.reused, "ids": ids, "logprobs": logprobs}
            with self._told.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


Script = Callable[[str], list[int]]
"The ids of the next answer of a model."


def read_script(path: Path) -> Script:
    """What a file says."""
    answers = json.loads(path.read_text("utf-8"))
    if isinstance(answers, list):
        one = iter(answers)
        return lambda _: next(one)
    left = {model: deque(own) for model, own in answers.items()}
    return lambda model: left[model].popleft() if len(left[model]) > 1 else left[model][0]


def held_engine(script: Script, told: Path) -> type[LocalEngine]:
    """Our own engine with a mask put into each request."""

    class HeldEngine(LocalEngine):
        async def open(self, request: GenerationRequest) -> NotedStream:  # type: ignore[override]  # a stream too
            mask = ScriptMask([*script(request.model), request.stop_ids[0]])
            answer = await super().open(replace(request, mask=mask, logprobs=0))
            return NotedStream(answer, request, told)

    return HeldEngine


def measured_app(gateway: Gateway, options: ServingOptions, state: ServingState) -> ASGIApp:
    """Our own application, which is told how long each body is."""
    app = serving_app(gateway, options, state)

    async def measure(scope: Scope, receive: Receive, send: Send) -> None:
        _BYTES.set(int(dict(scope.get("headers", [])).get(b"content-length", 0)))
        await app(scope, receive, send)

    return measure


def main() -> int:
    script, told, *flags = sys.argv[1:]
    engine = held_engine(read_script(Path(script)), Path(told))
    with mock.patch.multiple(serve_models, LocalEngine=engine, serving_app=measured_app):
        return cli.main(["serve", *flags])


if __name__ == "__main__":
    sys.exit(main())
