# SPDX-License-Identifier: Apache-2.0
"""Training over stages in processes of their own beside one process: tokens per second of the same steps.

Both have the machine's cores: one process takes all of them, each stage its share. They take turns;
a figure is the median over the rounds. Run it on an idle machine:

    python bench/swarm_vs_local.py
"""

import os

import torch

from swarm_bench import (
    MEDIUM,
    best_dtype,
    local,
    parser_of_rounds,
    report,
    shape_of,
    stage_threads,
    steps_of,
    swarm,
    tokens_per_second,
)


def main() -> int:
    """Measure both and print the ratio."""
    parser = parser_of_rounds(__doc__)
    parser.add_argument("--stages", type=int, default=2)
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    dtype = best_dtype()
    one = local(MEDIUM, dtype)
    threads = stage_threads(options.stages)
    speeds: dict[str, list[float]] = {"one process": [], "swarm": []}
    with swarm(MEDIUM, options.stages, dtype=dtype, threads=threads) as many:
        for number in range(options.rounds + 1):
            steps = steps_of(options, number)
            for name, pipeline in (("one process", one), ("swarm", many)):
                speed = tokens_per_second(pipeline, steps, first=number * options.steps)
                if number:  # the first round warms up
                    speeds[name].append(speed)
    print(
        f"{cores} threads in one process, {threads} in each of {options.stages} stages; {shape_of(options)}"
    )
    report(speeds, of="swarm")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
