# SPDX-License-Identifier: Apache-2.0
"""Training over slow, far links beside what compute, bandwidth and delay allow.

Every peer, the trainer too, announces a relay of this bench (see relay.py). The bound is the smallest
of three figures, each printed: tokens/s of the same stages on plain loopback; what the link carries;
tokens in flight over the round trip. The relays count their bytes: had they carried fewer than ids,
labels, activations and gradients are, peers would have found another way, and the bench fails. Run it
on an idle machine:

    python bench/wan.py
"""

import argparse
import statistics
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from node0.models.llama.arguments import LlamaArguments
from node0.pipeline.protocol import Pipeline
from node0.swarm.transport.codec import Codec
from relay import Link, Relays
from swarm_bench import MEDIUM, THIN, batch, best_dtype, stage_threads, swarm, tokens_per_second

LINKS = (Link(100, 0.05), Link(20, 0.15))
STAGES = 2
FED_BYTES = 8 + 4 + 8
"Bytes a token that the trainer sends: id, position, label."


@dataclass(frozen=True)
class Case:
    """A model and how it is fed."""

    name: str
    args: LlamaArguments
    dtype: torch.dtype
    wire: Codec
    microbatches: int
    rows: int
    length: int
    in_flight: int

    @property
    def tokens(self) -> int:
        """Of one microbatch."""
        return self.rows * self.length

    @property
    def upward_bytes(self) -> int:
        """Bytes a token in the busier direction between two stages: a hidden state and its position."""
        return self.downward_bytes + 4

    @property
    def downward_bytes(self) -> int:
        """Bytes a token of a gradient."""
        width = {"float32": self.dtype.itemsize, "bfloat16": 2, "float16": 2, "int8": 1}[self.wire]
        return self.args.hidden_dim * width


def main() -> int:
    """Measure both shapes over both links."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few microbatches: only whether it runs")
    options = parser.parse_args()
    few = 8 if options.quick else None
    cases = [
        Case("compute is the smallest", MEDIUM, best_dtype(), "bfloat16", few or 32, 1, 512, 16),
        Case("the link is the smallest", THIN, torch.float32, "float32", few or 64, 8, 128, 24),
    ]
    for case in cases:
        with _stages(case) as many:
            plain = _speed(many, case, options.rounds)
        for link in LINKS:
            _over(link, case, plain, options.rounds)
    return 0


def _over(link: Link, case: Case, plain: float, rounds: int) -> None:
    relays = Relays(link)
    try:
        real = relays.measure()
        with _stages(case, relays) as many:
            before = relays.carried
            speed = _speed(many, case, rounds)
            carried = relays.carried - before
    finally:
        relays.close()
    per_token = carried / ((rounds + 1) * case.microbatches * case.tokens)
    if per_token < case.upward_bytes + case.downward_bytes + FED_BYTES:
        raise RuntimeError(f"relays carried {per_token:.0f} bytes a token: peers found another way")
    bounds = {
        "stages on loopback": plain,
        "link bytes": link.bytes_per_second / case.upward_bytes,
        "in flight / round trip": case.in_flight * case.tokens / link.round_trip,
    }
    print(
        f"{case.name}: hidden {case.args.hidden_dim}, {case.args.num_hidden_layers} layers, wire {case.wire}"
    )
    print(
        f"  over {link}; the relay measured alone: {real.megabits:.1f} Mbit/s, {real.round_trip * 1e3:.1f} ms"
    )
    print(f"  {per_token:.0f} bytes a token carried, {case.upward_bytes} of them up between the stages")
    for name, bound in bounds.items():
        print(f"  {name:24} {bound:12.0f} tokens/s")
    least = min(bounds.values())
    print(f"  {'measured':24} {speed:12.0f} tokens/s   {speed / least:.2f}x of the least bound", flush=True)


def _stages(case: Case, relays: Relays | None = None) -> AbstractContextManager[Pipeline]:
    return swarm(
        case.args,
        STAGES,
        dtype=case.dtype,
        threads=stage_threads(STAGES),
        wire=case.wire,
        in_flight=case.in_flight,
        announced=relays.announced if relays is not None else None,
    )


def _speed(pipeline: Pipeline, case: Case, rounds: int) -> float:
    """Median over the rounds of one step each; the first one warms up."""
    shape = {name: getattr(case, name) for name in ("microbatches", "rows", "length")}
    steps = [batch(case.args, seed=seed, **shape) for seed in range(rounds + 1)]
    speeds = [tokens_per_second(pipeline, [step], first=number) for number, step in enumerate(steps)]
    return statistics.median(speeds[1:])


if __name__ == "__main__":
    raise SystemExit(main())
