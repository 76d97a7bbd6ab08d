# SPDX-License-Identifier: Apache-2.0
"""Stages that are not in this process, and how they are reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.local_swarm import local_swarm
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.engines.swarm_engine import join_swarm
from node0.finetune.training.plan.run_plan import RunPlan
from node0.swarm.run.address import parse_seed
from node0.swarm.run.run_file import read_run
from node0.swarm.run.swarm_run import SwarmRun


@dataclass(frozen=True, slots=True)
class RemoteStages:
    """Running stages, by the swarm's directory or by addresses; or stages that are to be started."""

    run: Path | None = None
    initial_peers: tuple[str, ...] = ()
    local_swarm: int | None = None
    "Start so many as processes of this machine."

    @contextmanager
    def open(self, plan: RunPlan) -> Iterator[Engine]:
        """Join the stages, or start them and join.

        Raises:
            ConfigError: a seed is no address, or the run's file cannot be read.
        """
        for seed in self.initial_peers:
            parse_seed(seed)
        if self.local_swarm is not None:
            with (
                local_swarm(plan) as (run, directory),
                join_swarm(plan, run, directory) as engine,
            ):
                yield engine
            return
        if self.run is not None:
            described, directory = read_run(self.run.expanduser()), self.run.expanduser()
        else:
            described = SwarmRun(local_mode=True, num_stages=plan.config.num_stages)
            directory = RunDirectory(plan.config.checkpoint_dir).swarm
        seeds = [*described.local_seed_peers, *self.initial_peers]
        with join_swarm(plan, described.model_copy(update={"local_seed_peers": seeds}), directory) as engine:
            yield engine
