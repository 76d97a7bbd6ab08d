# SPDX-License-Identifier: Apache-2.0
"""The prompt API: prompts from stdin, answers streamed to stdout."""

from collections import abc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import TextIO

from node0.console import note
from node0.errors import ConfigError
from node0.finetune.inference.generator import Generator
from node0.finetune.inference.text import Decode, TextStream

Encode = Callable[[str], list[int]]
"A person's prompt to the ids that the model is asked with."


@dataclass(frozen=True, slots=True)
class Answering:
    """How answers are drawn and where they end."""

    max_tokens: int = 512
    temperature: float = 1.0
    "0 is greedy."

    top_p: float = 0.9
    top_k: int = 0
    "0 is off."

    seed: int | None = None
    "The same seed gives every prompt the same answer each time."

    stop: tuple[str, ...] = ()
    "An answer ends before any of these."


class PromptAPI:
    """Answers prompts one after the other; none sees another."""

    def __init__(self, generator: Generator, *, encode: Encode, decode: Decode, how: Answering) -> None:
        self._generator = generator
        self._encode = encode
        self._decode = decode
        self._how = how

    def pieces(self, prompt: str) -> abc.Generator[str, None, None]:
        """The answer's text, piece by piece as it comes.

        Raises:
            ConfigError: at the first piece; the prompt does not fit the model's context.
        """
        how = self._how
        text = TextStream(self._decode, how.stop)
        ids = self._generator.generate(
            self._encode(prompt),
            how.max_tokens,
            how.temperature,
            how.top_p,
            top_k=how.top_k,
            seed=how.seed,
            stop_strings=how.stop,
        )
        with closing(ids):
            for token_id in ids:
                yield text.push(token_id)
        yield text.finish()

    def serve(self, prompts: Iterable[str], sink: TextIO) -> int:
        """Answer every prompt on a line of its own, each piece at once; how many were refused."""
        refused = 0
        for prompt in prompts:
            try:
                self._answer(prompt, sink)
            except ConfigError as error:
                note(f"error: {error}")
                refused += 1
        return refused

    def _answer(self, prompt: str, sink: TextIO) -> None:
        with closing(self.pieces(prompt)) as pieces:
            for piece in filter(None, pieces):
                sink.write(piece)
                sink.flush()
        sink.write("\n")
        sink.flush()


def prompts_by_line(source: Iterable[str]) -> Iterator[str]:
    """One prompt a line; empty lines are none."""
    return (line for line in (raw.rstrip("\r\n") for raw in source) if line.strip())
