# SPDX-License-Identifier: Apache-2.0
"""Decode speed of `Generator` beside `transformers.generate`: same weights, prompt and threads.

Every figure is the median over fresh processes that take turns; each process warms up once and
then times the tokens after the first one of a greedy answer. With `--streams 8` eight prompts are
answered at once, by our batch engine and by a batch of theirs, and the tokens of all are counted.
Run it on an idle machine, on a GPU with a larger model:

    python bench/generate_vs_transformers.py
    python bench/generate_vs_transformers.py --device cuda --size qwen3-0.6b --streams 1 8
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from model_sizes import SIZES, write_model
from temporary import temporary_place

SIDES = ("transformers float32", "ours float32", "transformers bfloat16", "ours bfloat16", "ours auto")
HANDED_ON = ("tokens", "threads", "device")
PROMPT_TOKENS = 64


def main() -> int:
    """Measure every side and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="processes a side")
    parser.add_argument("--tokens", type=int, default=128, help="tokens an answer")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--streams", nargs="+", type=int, default=[1], help="answers at once")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps([_measure(options, streams) for streams in options.streams]))
        return 0
    with temporary_place("generate") as directory:
        write_model(
            options.size,
            str(directory),
            dtype="float32" if options.device == "cpu" else "bfloat16",
            device=options.device,
        )
        speeds = _all_sides(directory, options)
    for streams, found in zip(options.streams, zip(*speeds.values(), strict=True), strict=True):
        _report(
            {side: statistics.median(all_) for side, all_ in zip(speeds, found, strict=True)},
            streams,
            options,
        )
    return 0


def _all_sides(model: Path, options: argparse.Namespace) -> dict[str, list[list[float]]]:
    """By side, for each number of streams, a figure a process."""
    rounds: dict[str, list[list[float]]] = {side: [] for side in options.sides}
    for number in range(options.rounds):
        for side in options.sides if number % 2 == 0 else reversed(options.sides):
            rounds[side].append(_child(side, model, options))
    return {side: [list(each) for each in zip(*found, strict=True)] for side, found in rounds.items()}


def _child(side: str, model: Path, options: argparse.Namespace) -> list[float]:
    command = [sys.executable, __file__, "--side", side, "--model", str(model)]
    command += [f"--{name}={getattr(options, name)}" for name in HANDED_ON]
    command += ["--streams", *map(str, options.streams)]
    environment = os.environ | {"OMP_NUM_THREADS": str(options.threads), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=600
    )
    return [float(speed) for speed in json.loads(done.stdout.splitlines()[-1])]


def _report(medians: dict[str, float], streams: int, options: argparse.Namespace) -> None:
    print(f"{streams} at once: decoded tokens/s, median of {options.rounds} processes, {_machine(options)},")
    print(f"{SIZES[options.size]}")
    for side, speed in medians.items():
        print(f"  {side:24}{speed:8.1f}")
    for side, speed in medians.items():
        for other in medians:
            if side.startswith("ours") and other.startswith("transformers"):
                print(f"{side + ' / ' + other + ':':44}{speed / medians[other]:.2f}x")


def _machine(options: argparse.Namespace) -> str:
    if options.device == "cpu":
        return f"{options.threads} threads"
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"


def _measure(options: argparse.Namespace, streams: int) -> float:
    import torch

    torch.set_num_threads(options.threads)
    who, dtype = options.side.split()
    drawn = torch.randint(3, 32000, (streams, PROMPT_TOKENS), generator=torch.Generator().manual_seed(0))
    made = _transformers if who == "transformers" else _ours if streams == 1 else _ours_together
    answer = made(options, dtype, drawn.tolist())
    answer()
    times = list(answer())
    assert len(times) == options.tokens, f"{options.side}: {len(times)} tokens, not {options.tokens}"
    return float(streams * (options.tokens - 1) / (times[-1] - times[0]))


def _transformers(
    options: argparse.Namespace, dtype: str, prompts: list[list[int]]
) -> Callable[[], Iterable[float]]:
    import torch
    from transformers import AutoModelForCausalLM

    loaded: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, dtype))
    loaded.to(options.device)
    ids = torch.tensor(prompts, device=options.device)
    more = {"eos_token_id": None, "pad_token_id": 0, "attention_mask": torch.ones_like(ids)}

    def answer() -> list[float]:
        clock = _Clock()
        loaded.generate(ids, do_sample=False, max_new_tokens=options.tokens, logits_processor=[clock], **more)
        clock.note()
        return clock.times[1:]

    return answer


def _ours(options: argparse.Namespace, dtype: str, prompts: list[list[int]]) -> Callable[[], Iterable[float]]:
    from node0.finetune.inference.loading import load_model

    generator = load_model(str(options.model), device=options.device, dtype=dtype).generator(stop_ids=())

    def answer() -> list[float]:
        ids = generator.generate(prompts[0], max_new_tokens=options.tokens, temperature=0.0)
        return [time.perf_counter() for _ in ids]

    return answer


def _ours_together(
    options: argparse.Namespace, dtype: str, prompts: list[list[int]]
) -> Callable[[], Iterable[float]]:
    from node0.finetune.inference.loading import find_source, load_runner
    from node0.finetune.serving.engines.batching.batch_engine import BatchEngine
    from node0.finetune.serving.engines.batching.sequence import Sequence
    from node0.finetune.serving.engines.token_engine import GenerationRequest
    from node0.pipeline.batch_runner import blocks_for
    from node0.pipeline.protocol import SamplingParams

    blocks = (1 + blocks_for(PROMPT_TOKENS + options.tokens)) * len(prompts)
    runner = load_runner(find_source(str(options.model)), blocks, device=options.device, dtype=dtype)

    def answer() -> list[float]:
        engine, times = BatchEngine(runner, step_ids=PROMPT_TOKENS * len(prompts)), list[float]()
        for prompt in prompts:
            sequence = Sequence(
                GenerationRequest("m", tuple(prompt), options.tokens, sampling=SamplingParams(temperature=0))
            )
            # Each step gives each one id: guesses would make them uneven, and the answers are no language.
            sequence.lookup = None
            engine.add(sequence)
        while engine.busy:
            engine.step()
            times.append(time.perf_counter())
        return times

    return answer


class _Clock:
    """Notes when the logits of each step are there; changes nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, _ids: object, scores: Any) -> Any:
        """Before each id is chosen."""
        self.note()
        return scores

    def note(self) -> None:
        """Now; a step ends where the next begins."""
        self.times.append(time.perf_counter())


if __name__ == "__main__":
    sys.exit(main())
