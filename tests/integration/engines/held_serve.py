# SPDX-License-Identifier: Apache-2.0
"""`node0 serve` whose own engine computes everything and says what a script holds.

    python held_serve.py SCRIPT TOLD [flags of node0 serve]

SCRIPT is JSON, a list of answers as lists of ids. Each request is given a mask that allows the ids of the
next answer one by one, and then its stop id: the prompt is read by the weights, the blocks and the adapter
that there are, and only what is drawn is not the model's. TOLD gets a line of JSON for each answer: the ids
of its prompt, how many of them were reused, its own ids, and how likely the model found each.
"""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

from node0 import cli
from node0.commands.serve import serve_models
from node0.finetune.serving.engines.local_engine import LocalEngine
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest, TokenStream


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

    def __init__(self, stream: TokenStream, prompt: tuple[int, ...], told: Path) -> None:
        self._stream, self._prompt, self._told = stream, prompt, told
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
            line = {"prompt": self._prompt, "reused": self.reused, "ids": ids, "logprobs": logprobs}
            with self._told.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")


def held_engine(script: Iterator[list[int]], told: Path) -> type[LocalEngine]:
    """Our own engine with a mask put into each request."""

    class HeldEngine(LocalEngine):
        async def open(self, request: GenerationRequest) -> NotedStream:  # type: ignore[override]  # a stream too
            mask = ScriptMask([*next(script), request.stop_ids[0]])
            answer = await super().open(replace(request, mask=mask, logprobs=0))
            return NotedStream(answer, request.prompt, told)

    return HeldEngine


def main() -> int:
    script, told, *flags = sys.argv[1:]
    engine = held_engine(iter(json.loads(Path(script).read_text("utf-8"))), Path(told))
    with mock.patch.object(serve_models, "LocalEngine", engine):
        return cli.main(["serve", *flags])


if __name__ == "__main__":
    sys.exit(main())
