# SPDX-License-Identifier: Apache-2.0
"""A deacon of a sample town: trained in seconds, and asked what its run held out."""

import asyncio
import contextlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from torch import Tensor

from node0 import run_corpus, run_finetune
from node0.commands.model import model_options
from node0.finetune.chat.profile import load_profile
from node0.finetune.chat.render import Renderer
from node0.finetune.checkpoint.gguf.smoke import layerwise_logits
from node0.finetune.checkpoint.merged_weights import MergedWeights
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.data.calls import recorded_calls
from node0.finetune.data.rows import Row, RowMaker
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.eval.held_out import held_out_entries
from node0.finetune.inference.source import find_model
from node0.finetune.run_dir import RunDirectory
from node0.finetune.serving.engines.remote_engine import Dialect, RemoteEngine
from node0.finetune.serving.engines.token_engine import GeneratedToken, GenerationRequest
from town.generator.build import TownPlan, build_town

ROOT = Path(__file__).parents[3]
BASE = ROOT / "examples" / "base"
NAME = "deacon"
CONTEXT = 2048
BILLING = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2; cch=9f3a1;"}


@dataclass(frozen=True)
class HeldOutCall:
    """A call that no training saw, as its harness sends it."""

    body: dict[str, Any]
    row: tuple[int, ...]
    "Ids of its training row before the answer."


@dataclass(frozen=True)
class Deacon:
    """A registered version, and where it was made."""

    root: Path

    @property
    def town(self) -> Path:
        return self.root / "gt"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @cached_property
    def calls(self) -> list[HeldOutCall]:
        """Every call of every session that was held out."""
        entries = held_out_entries(RunDirectory(self.run), self.town / ".corpus", role=NAME)
        profile = load_profile(NAME, self.run / "profile.yaml")
        renderer = Renderer(load_tokenizer(BASE), profile)
        maker = RowMaker(renderer, mode="sft", max_length=CONTEXT, over_length="refuse")
        return [call for entry in entries for call in _calls(entry, maker)]

    def some_calls(self, count: int) -> list[HeldOutCall]:
        """So many of them, evenly spread."""
        return [self.calls[number * len(self.calls) // count] for number in range(count)]

    def exported(self, output: Path, *options: str | Path) -> str:
        """Export it; the line that serves it, as it is printed."""
        arguments = ["export", NAME, str(output), "--town", str(self.town), *map(str, options), "--json"]
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert model_options.main(arguments) == 0
        return str(json.loads(printed.getvalue())[0]["serve"])


def make_deacon(root: Path) -> Deacon:
    """Build a town, collect it, train on it for a few steps, and register what came out."""
    deacon = Deacon(root)
    plan = TownPlan(seed=41, sessions={"deacon": 80, "witness": 0, "polecat": 0}, secrets=0, people=0)
    build_town(deacon.town, root / "planted.json", plan)
    assert run_corpus.main(["collect", "--town", str(deacon.town)]) == 0
    text = (ROOT / "examples" / "configs" / "deacon.yaml").read_text(encoding="utf-8")
    config = root / "deacon.yaml"
    config.write_text(text.replace("epochs: 8", "epochs: 3").replace("val_split: 0.1", "val_split: 0.25"))
    arguments = ["--config", config, "--base-model", BASE, "--corpus-path", deacon.town / ".corpus"]
    arguments += ["--checkpoint-dir", deacon.run, "--register", NAME, "--town", deacon.town]
    assert run_finetune.main([str(argument) for argument in arguments]) == 0
    return deacon


def answers(url: str, calls: Sequence[HeldOutCall]) -> list[dict[str, Any]]:
    """What a gateway answers greedily: content without ids, why it ended, and the tokens each way."""
    with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
        return [_answer(client, call) for call in calls]


def likelihoods(url: str, dialect: Dialect, model: str, prompt: tuple[int, ...]) -> list[GeneratedToken]:
    """The likeliest next ids of another engine, with the two likeliest at each place."""

    async def ask() -> list[GeneratedToken]:
        engine = RemoteEngine(url, dialect)
        try:
            request = GenerationRequest(model, prompt, 8, logprobs=2)
            return [token async for token in await engine.open(request)]
        finally:
            await engine.close()

    return asyncio.run(ask())


def our_likelihoods(deacon: Deacon, prompt: tuple[int, ...], ids: Sequence[int]) -> Tensor:
    """Log probabilities [ids, vocabulary] at the places of these ids after a prompt, by the plain sums."""
    source = find_model(NAME, town=deacon.town)
    weights = MergedWeights(source.base, source.adapters)
    logits = layerwise_logits(weights.args, weights.read, torch.tensor([[*prompt, *ids]]))[0]
    return logits[len(prompt) - 1 : -1].log_softmax(-1)


def assert_likelihoods(
    deacon: Deacon, prompt: tuple[int, ...], found: Sequence[GeneratedToken], *, within: float
) -> None:
    """They are ours, the likeliest in the same order."""
    wanted = our_likelihoods(deacon, prompt, [token.id for token in found])
    for place, token in zip(wanted, found, strict=True):
        values, ids = place.topk(2)
        assert token.logprob == pytest.approx(float(place[token.id]), abs=within)
        assert [id for id, _ in token.top] == ids.tolist()
        assert [value for _, value in token.top] == pytest.approx(values.tolist(), abs=within)


def _answer(client: httpx.Client, call: HeldOutCall) -> dict[str, Any]:
    response = client.post("/v1/messages", json=call.body)
    assert response.status_code == 200, response.text
    said = response.json()
    usage = said["usage"]
    read = usage["input_tokens"] + (usage.get("cache_read_input_tokens") or 0)
    content = [{key: value for key, value in block.items() if key != "id"} for block in said["content"]]
    return {"content": content, "ended": said["stop_reason"], "tokens": (read, usage["output_tokens"])}


def _calls(entry: CorpusEntry, maker: RowMaker) -> Iterator[HeldOutCall]:
    """Each recorded call beside the row that teaches its answer."""
    rows = [row for row in maker.rows(entry).rows if isinstance(row, Row)]
    before = sorted((tuple(row.ids[:start].tolist()) for row in rows for start, _ in row.spans), key=len)
    messages, calls = recorded_calls(entry, maker.renderer.profile)
    assert len(before) == len(calls)
    for call, ids in zip(calls, before, strict=True):
        yield HeldOutCall(_body(call.system, call.tools, messages[: call.answer]), ids)


def _body(system: str, tools: Sequence[Any], messages: Sequence[Any]) -> dict[str, Any]:
    """The request as a harness sends it: with its billing line, marks for caches, and thinking on."""
    marked = {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}
    return {
        "model": NAME,
        "max_tokens": 64,
        "temperature": 0,
        "system": [BILLING, *([marked] if system else [])],
        "tools": [{**tool, "cache_control": {"type": "ephemeral"}} for tool in tools],
        "messages": list(messages),
        "metadata": {"user_id": "u"},
    }
