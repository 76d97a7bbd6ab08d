# SPDX-License-Identifier: Apache-2.0
"""Training by the ranks of `torchrun` beside one process: tokens per second of the same steps.

Both have the machine's cores: one process takes all of them, each rank its share, and gloo joins the
ranks. They take turns; a figure is the median over the rounds. Run it on an idle machine:

    python bench/cluster.py

It starts itself under torchrun. Rank 0 is also the one process, while the others wait.
"""

import argparse
import os
import subprocess
import sys

import torch
import torch.distributed as dist

from node0.console import torchrun
from node0.pipeline.parallel import DataParallelPipeline
from node0.pipeline.ranks import GroupOfRanks
from swarm_bench import (
    MEDIUM,
    best_dtype,
    local,
    parser_of_rounds,
    report,
    shape_of,
    stage_threads,
    steps_of,
    tokens_per_second,
)
from temporary import temporary_place

ALONE, SHARED = "one process", "torchrun"


def main() -> int:
    """Measure both and print the ratio."""
    parser = parser_of_rounds(__doc__)
    parser.add_argument("--ranks", type=int, default=2)
    options = parser.parse_args()
    if options.ranks < 2:
        parser.error("--ranks: one rank is one process; give 2 or more")
    job = torchrun()
    if job is None:
        return _under_torchrun(options.ranks)
    dist.init_process_group("gloo")
    speeds = measure(options, GroupOfRanks(job.rank, job.world_size))
    if job.rank == 0:
        print(
            f"{_cores()} threads in one process, {_threads(options)} in each of {options.ranks} ranks; ",
            end="",
        )
        print(shape_of(options))
        report(speeds, of=SHARED)
    dist.destroy_process_group()
    return 0


def _under_torchrun(ranks: int) -> int:
    """Run this file again, by so many ranks; the logs' directory, which torchrun leaves, goes."""
    with temporary_place("cluster") as logs:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--log-dir", str(logs)]
        return subprocess.call([*command, f"--nproc-per-node={ranks}", __file__, *sys.argv[1:]])


def measure(options: argparse.Namespace, ranks: GroupOfRanks) -> dict[str, list[float]]:
    """Tokens per second of each round by side; those of one process on rank 0 only."""
    dtype = best_dtype()
    one = local(MEDIUM, dtype) if ranks.leads else None
    shared = DataParallelPipeline(local(MEDIUM, dtype), ranks)
    speeds: dict[str, list[float]] = {ALONE: [], SHARED: []}
    for number in range(options.rounds + 1):
        steps, first = steps_of(options, number), number * options.steps
        found = {}
        if one is not None:
            torch.set_num_threads(_cores())
            found[ALONE] = tokens_per_second(one, steps, first=first)
        ranks.wait()
        torch.set_num_threads(_threads(options))
        found[SHARED] = tokens_per_second(shared, steps, first=first)
        for name, speed in found.items() if number else ():  # the first round warms up
            speeds[name].append(speed)
    return speeds


def _cores() -> int:
    return os.cpu_count() or 1


def _threads(options: argparse.Namespace) -> int:
    return stage_threads(options.ranks)


if __name__ == "__main__":
    raise SystemExit(main())
