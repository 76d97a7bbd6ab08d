# SPDX-License-Identifier: Apache-2.0
"""Ten steps that a harness takes with a deacon who reads every request and is held to a script."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from integration.engines.sample_deacon import BASE, NAME, Deacon, our_likelihoods
from integration.served_process import computed_ids, serving

from node0.finetune.data.tokenizer import load_tokenizer

STEPS = 10
LAST_WORDS = "All ten are done."
WROTE = [f"step {number}" for number in range(STEPS)]
"Lines of the file that the steps write."

REUSED = 0.95
"Of the prompt before, at least."


class Told(NamedTuple):
    """What the engine tells of one answer."""

    model: str
    prompt: list[int]
    reused: int
    ids: list[int]
    logprobs: list[float]
    bytes: int
    "Of the request's body."


class Usage(NamedTuple):
    """Tokens of one prompt, as the harness was told."""

    prompt: int
    reused: int


@dataclass(frozen=True)
class HeldSession:
    """What came of it, by the engine, by the harness, and on the disk."""

    told: Sequence[Told]
    computed: int
    "Ids that passed the layers, as the server counts them."

    usages: Sequence[Usage]
    last_words: str
    wrote: Sequence[str]

    def assert_taken(self) -> None:
        """Ten calls were run, and the words behind them were shown."""
        assert self.wrote == WROTE
        assert self.last_words == LAST_WORDS
        assert len(self.told) == STEPS + 1

    def assert_deployed(self, tool: str) -> None:
        """The model is told what its profile says, and of this tool, whatever the harness sends."""
        first = load_tokenizer(BASE).decode(self.told[0].prompt)
        assert first.startswith("<|system|>You are the deacon of Gas Town")
        assert f'</tool_call>:\n{{"name":"{tool}","description":"Run a' in first
        assert first.count('"description":"Run a') == 1

    def assert_reused(self) -> None:
        """Each request begins with the one before, which is not computed again, and both sides say so."""
        for before, after in pairwise(self.told):
            assert after.reused >= REUSED * len(before.prompt)
        assert self.computed == sum(len(one.prompt) - one.reused + len(one.ids) for one in self.told)
        assert list(self.usages) == [Usage(len(one.prompt), one.reused) for one in self.told]

    def assert_likelihoods(self, deacon: Deacon) -> None:
        """After ten turns on kept blocks the model thinks what it thinks when all is computed anew."""
        last = self.told[-1]
        wanted = our_likelihoods(deacon, tuple(last.prompt), last.ids)
        found = [float(place[token_id]) for place, token_id in zip(wanted, last.ids, strict=True)]
        assert last.reused > len(last.prompt) / 2
        assert last.logprobs == pytest.approx(found, abs=1e-3)


def calls(tool: str, **arguments: Callable[[int], str]) -> list[str]:
    """The script: each step's call of this tool, as the deacon's template writes it, then the last words."""
    given = [{name: of(number) for name, of in arguments.items()} for number in range(STEPS)]
    spelled = (json.dumps({"name": tool, "arguments": one}, separators=(",", ":")) for one in given)
    return [*(f"Step.<tool_call>{call}</tool_call>" for call in spelled), LAST_WORDS]


def append_line(number: int) -> str:
    """A step's command."""
    return f"echo step {number} >> steps"


@contextmanager
def held_deacon(deacon: Deacon, place: Path, texts: Sequence[str], *flags: str | Path) -> Iterator["Held"]:
    """A server of this deacon that says these texts, one a request."""
    tokenizer = load_tokenizer(BASE)
    ids: list[Any] = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    (place / "script.json").write_text(json.dumps(ids))
    told = place / "told.jsonl"
    command = [
        sys.executable,
        str(Path(__file__).with_name("held_serve.py")),
        str(place / "script.json"),
        str(told),
    ]
    exact = ("--model", NAME, "--town", deacon.town, "--dtype", "float32")
    with serving(*exact, *flags, command=command) as served:
        yield Held(served.url, told)
        assert served.stop() == 0


@dataclass(frozen=True)
class Held:
    """The server while it runs."""

    url: str
    _told: Path

    def session(self, usages: Sequence[Usage], *, last_words: str, steps: Path) -> HeldSession:
        """What came of it, once the harness has ended."""
        lines = self._lines(least=STEPS + 1)
        wrote = steps.read_text("utf-8").splitlines()
        return HeldSession(
            [Told(**json.loads(line)) for line in lines], computed_ids(self.url), usages, last_words, wrote
        )

    def _lines(self, *, least: int) -> list[str]:
        """What was told; of its last answer the harness may know before the server has written it down."""
        deadline = time.monotonic() + 60
        while (
            len(lines := self._told.read_text("utf-8").splitlines()) < least and time.monotonic() < deadline
        ):
            time.sleep(0.05)
        return lines
