# SPDX-License-Identifier: Apache-2.0
"""Stages that are not in this process: what a command line says about them, and how they are reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from node0.errors import ConfigError

if TYPE_CHECKING:
    from node0.finetune.training.engines.run_engine import Engine
    from node0.finetune.training.plan.run_plan import RunPlan


@dataclass(frozen=True, slots=True)
class RemoteStages:
    """What the command line says about stages that are not in this process."""

    swarm: bool
    run: Path | None
    initial_peers: list[str]
    local_swarm: int | None

    @property
    def wanted(self) -> bool:
        """Whether stages are elsewhere."""
        return self.swarm or self.local_swarm is not None

    @property
    def config(self) -> str | None:
        """The training settings that lie with the run."""
        from node0.swarm.run.run_file import TRAINING_FILE

        return None if self.run is None else str(self.run.expanduser() / TRAINING_FILE)

    def refuse_contradictions(self, *, is_torchrun: bool) -> None:
        """Raise `ConfigError` when the flags do not go together."""
        if self.swarm and self.local_swarm is not None:
            raise ConfigError(
                "--swarm joins running stages and --local-swarm starts them; give one of the two"
            )
        if self.swarm and self.run is None and not self.initial_peers:
            raise ConfigError("--swarm needs the stages: give --run DIR, or --initial-peers ADDRESS")
        if not self.swarm and (self.run is not None or self.initial_peers):
            raise ConfigError("--run and --initial-peers need --swarm")
        if self.wanted and is_torchrun:
            raise ConfigError("a swarm has one trainer; start it without torchrun")
        self._refuse_places()

    def _refuse_places(self) -> None:
        """Raise `ConfigError` for a directory without a run, and for a seed that cannot be one."""
        from node0.swarm.run.address import parse_seed
        from node0.swarm.run.run_file import RUN_FILE

        if self.run is not None and not (self.run.expanduser() / RUN_FILE).is_file():
            raise ConfigError(f"no run in {self.run}; give a directory that node0 swarm init made")
        for text in self.initial_peers:
            parse_seed(text)

    @contextmanager
    def open(self, plan: "RunPlan") -> Iterator["Engine"]:
        """Join the stages, or start them and join."""
        from node0.finetune.run_dir import RunDirectory
        from node0.finetune.training.engines.local_swarm import local_swarm
        from node0.finetune.training.engines.swarm_engine import join_swarm
        from node0.swarm.run.run_file import read_run
        from node0.swarm.run.swarm_run import SwarmRun

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
