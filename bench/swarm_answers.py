# SPDX-License-Identifier: Apache-2.0
"""Answering over stages in processes of their own: requests together beside one by one and one process.

All three answer the same requests, greedily, one side after the other in each round; a figure is the
median over the rounds. The one process decodes the same unmerged adapter, one request at a time. Run it on
an idle machine:

    python bench/swarm_answers.py
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch

from node0.finetune.serving.engines.batching import sequence
from node0.finetune.serving.engines.batching.swarm_batch import SwarmBatch
from node0.finetune.serving.engines.token_engine import GenerationRequest
from node0.pipeline.protocol import Pipeline, SamplingParams
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from swarm_bench import MEDIUM, best_dtype, local, stage_threads, swarm

Answers = list[list[int]]


def main() -> int:
    """Measure all and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stages", type=int, default=3)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--prompt", type=int, default=64, help="ids of a prompt")
    parser.add_argument("--answer", type=int, default=64, help="ids of an answer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    dtype, threads = best_dtype(), stage_threads(options.stages)
    one = local(MEDIUM, dtype)
    asked = [_request(seed, options.prompt, options.answer) for seed in range(options.streams)]
    with swarm(MEDIUM, options.stages, dtype=dtype, threads=threads) as many:
        sides: dict[str, Callable[[], Answers]] = {
            "together": lambda: together(many, asked),
            "one by one": lambda: [together(many, [each])[0] for each in asked],
            "one process": lambda: [alone(one, each) for each in asked],
        }
        speeds = measured(sides, ids=options.streams * options.answer, rounds=options.rounds)
    print(f"{options.streams} requests over {options.stages} stages, {threads} threads each, {dtype}")
    medians = {name: statistics.median(each) for name, each in speeds.items()}
    for name, each in speeds.items():
        print(f"  {name:12} {medians[name]:8.1f} ids/s   {[round(speed, 1) for speed in each]}")
    for name in ("one by one", "one process"):
        print(f"together / {name}: {medians['together'] / medians[name]:.2f}x ids/s")
    return 0


def measured(sides: dict[str, Callable[[], Answers]], *, ids: int, rounds: int) -> dict[str, list[float]]:
    """Ids per second of each side in each round; they must give the same ids, where sums do."""
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        found = {}
        for name, answer in sides.items():
            started = time.perf_counter()
            found[name] = answer()
            if number:  # the first round warms up
                speeds[name].append(ids / (time.perf_counter() - started))
        if found["together"] != found["one by one"]:
            raise SystemExit("answers depend on what is under way beside them")
    return speeds


def together(pipeline: SwarmPipeline, asked: Sequence[GenerationRequest]) -> Answers:
    """What the stages answer to all of these at once."""
    batch, told = SwarmBatch(pipeline), dict[sequence.Sequence, list[int]]()
    for request in asked:
        made = sequence.Sequence(request)
        told[made] = []
        batch.add(made)
    while batch.busy:
        for progress in batch.step():
            told[progress.sequence] += [token.id for token in progress.tokens]
    return list(told.values())


def alone(pipeline: Pipeline, request: GenerationRequest) -> list[int]:
    """What one process answers to one of them."""
    session = pipeline.session(request.sampling, max_length=len(request.prompt) + request.max_tokens)
    ids = [session.extend(request.prompt)]
    while len(ids) < request.max_tokens:
        ids.append(session.extend(ids[-1:]))
    session.close()
    return ids


def _request(seed: int, prompt: int, answer: int) -> GenerationRequest:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, MEDIUM.vocab_size, (prompt,), generator=generator)
    return GenerationRequest("m", tuple(ids.tolist()), answer, sampling=SamplingParams(temperature=0))


if __name__ == "__main__":
    raise SystemExit(main())
