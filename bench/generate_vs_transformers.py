# SPDX-License-Identifier: Apache-2.0
"""Decode speed of `Generator` beside `transformers.generate`: same weights, prompt and threads.

Every figure is the median over fresh processes that take turns; each process warms up once and
then times the tokens after the first one of a greedy answer. Run it on an idle machine:

    python bench/generate_vs_transformers.py
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

SIDES = ("transformers float32", "ours float32", "transformers bfloat16", "ours bfloat16", "ours auto")
SHAPE = {"hidden_size": 512, "num_hidden_layers": 8, "vocab_size": 32000, "intermediate_size": 1376}
HEADS = {"num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 2048}
PROMPT_TOKENS = 64


def main() -> int:
    """Measure every side and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="processes a side")
    parser.add_argument("--tokens", type=int, default=128, help="tokens an answer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(_measure(options.side, options.model, options.tokens, options.threads)))
        return 0
    with tempfile.TemporaryDirectory() as directory:
        _write_model(Path(directory))
        speeds = _all_sides(Path(directory), options)
    _report({side: statistics.median(found) for side, found in speeds.items()}, options)
    return 0


def _all_sides(model: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    speeds: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(options.rounds):
        for side in SIDES if number % 2 == 0 else reversed(SIDES):
            speeds[side].append(_child(side, model, options))
    return speeds


def _child(side: str, model: Path, options: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--side", side, "--model", str(model)]
    command += ["--tokens", str(options.tokens), "--threads", str(options.threads)]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def _report(medians: dict[str, float], options: argparse.Namespace) -> None:
    print(f"decode tokens/s, median of {options.rounds} processes, {options.threads} threads, {SHAPE}")
    for side, speed in medians.items():
        print(f"  {side:24}{speed:8.1f}")
    ours = medians["ours auto"]
    print(f"ours auto / transformers float32 (its default): {ours / medians['transformers float32']:.2f}x")
    print(f"ours auto / transformers bfloat16:              {ours / medians['transformers bfloat16']:.2f}x")
    same = medians["ours float32"] / medians["transformers float32"]
    print(f"ours float32 / transformers float32:            {same:.2f}x")


def _write_model(directory: Path) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig.from_dict(SHAPE | HEADS)).save_pretrained(directory)


def _measure(side: str, model: Path, tokens: int, threads: int) -> float:
    import torch

    torch.set_num_threads(threads)
    who, dtype = side.split()
    prompt = torch.randint(3, 32000, (PROMPT_TOKENS,), generator=torch.Generator().manual_seed(0)).tolist()
    answer = (_transformers if who == "transformers" else _ours)(model, dtype, prompt, tokens)
    answer()
    times = list(answer())
    assert len(times) == tokens, f"{side}: {len(times)} tokens, not {tokens}"
    return (tokens - 1) / (times[-1] - times[0])


def _transformers(model: Path, dtype: str, prompt: list[int], tokens: int) -> Callable[[], Iterable[float]]:
    import torch
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
    ids = torch.tensor([prompt])

    def answer() -> list[float]:
        clock = _Clock()
        loaded.generate(
            ids, do_sample=False, max_new_tokens=tokens, eos_token_id=None, pad_token_id=0, streamer=clock
        )
        return clock.times[1:]

    return answer


def _ours(model: Path, dtype: str, prompt: list[int], tokens: int) -> Callable[[], Iterable[float]]:
    from node0.finetune.inference.loading import load_model

    generator = load_model(str(model), device="cpu", dtype=dtype).generator(stop_ids=())

    def answer() -> list[float]:
        ids = generator.generate(prompt, max_new_tokens=tokens, temperature=0.0)
        return [time.perf_counter() for _ in ids]

    return answer


class _Clock:
    """A streamer that notes when each token came; the first is the prompt."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, _value: object) -> None:
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is left."""


if __name__ == "__main__":
    sys.exit(main())
