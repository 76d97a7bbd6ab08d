# SPDX-License-Identifier: Apache-2.0
"""The swarm engine: stages at peers, while the trainer holds what they have learned, not the model."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.checkpoint.checkpoint_collector import CheckpointCollector, CollectSettings
from node0.finetune.checkpoint.gatherer import CheckpointGatherer
from node0.finetune.checkpoint.shard_sources import Trust
from node0.finetune.jobs.job_states import JobState
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import Engine, load_adapter
from node0.finetune.training.hooks import StepHook
from node0.finetune.training.plan.chosen_model import own_arguments
from node0.finetune.training.plan.run_plan import RunPlan
from node0.lora.trainable import make_trainable
from node0.models.factory import build_stages, empty_stages
from node0.models.llama.layers import LlamaStage
from node0.models.stage import Stage
from node0.models.stage_name import stage_names
from node0.pipeline.swarm.run_leader import allowed_members, leader_settings, start_leader
from node0.pipeline.swarm.swarm_pipeline import SwarmPipeline
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import training_of
from node0.server.stage.state_file import StateReader
from node0.server.stage.trained_weights import TrainedWeights
from node0.swarm.peer.peer import Peer
from node0.swarm.run.swarm_run import TRAINER, SwarmRun
from node0.utils.monitor import MonitorWorker, Owner, following

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SwarmEngine(Engine):
    """An engine over peers. `stages` are copies without a base: only what trains has values here."""

    collector: CheckpointCollector

    def refresh(self) -> None:
        """Bring the copies to what the peers have learned."""
        states = self._swarm.back_up().states
        for index, stage in enumerate(self.stages):
            with StateReader(states[index]) as reader:
                TrainedWeights(stage).load(reader)

    def spread(self, step: int, progress: str) -> None:
        """Have every stage host keep its shard, and gather the shards beside training."""
        digests = self._swarm.checkpoint(step, progress=progress)
        missing = [name for name in self.stage_names if name not in digests]
        if missing:
            logger.warning(
                "the checkpoint of step %d is not gathered: %s could not keep it", step, ", ".join(missing)
            )
            return
        self.collector.collect(step, digests)

    def follow(self, hook: StepHook) -> None:
        """Tell `hook` when a stage is lost, and when training goes on."""

        def told(loss: str | None) -> None:
            hook.entered(
                JobState.TRAINING if loss is None else JobState.SYNCING, loss or "all stages are there again"
            )

        self._swarm.on_recovery = told

    def stop_waiting(self) -> None:
        """Wait no more for stages that are lost; `StageLost` is raised instead."""
        self._swarm.stop_waiting()

    @property
    def steps_since_backup(self) -> int | None:
        """How many steps the state that is kept here is behind; None where none is kept."""
        return self._swarm.steps_since_backup

    def save_kept(self, directory: Path) -> None:
        """Write the last state that was fetched from the stages."""
        self._swarm.save_kept(directory)

    @property
    def _swarm(self) -> SwarmPipeline:
        if not isinstance(self.pipeline, SwarmPipeline):
            raise TypeError(f"a swarm's engine has no {type(self.pipeline).__name__}")
        return self.pipeline


@contextmanager
def join_swarm(plan: RunPlan, run: SwarmRun, directory: Path) -> Iterator[SwarmEngine]:
    """Lead the stages of a run until the context ends; they go on running.

    Raises:
        SwarmTimeout: a stage is missing for longer than the run's deadline.
        ConfigError: the run is of another base or split than the plan.
    """
    _refuse_other(plan, run)
    stages = _copies(plan)
    state_bytes = max(TrainedWeights(stage).largest_state for stage in stages)
    peer, subkey = start_leader(run, directory)
    try:
        pipeline = SwarmPipeline(
            peer,
            leader_settings(peer, run, state_bytes=state_bytes),
            training_of(
                plan.config,
                base_digest=plan.base_digest,
                dtype=plan.dtype,
                fresh=own_arguments(plan.args) if plan.base is None else None,
                graph_budget=plan.graph_budget,
            ),
            max_grad_norm=plan.config.max_grad_norm,
        )
        collector = _collector(plan, run, peer)
        engine = SwarmEngine(stages, pipeline, collector)
        if plan.config.init_adapter is not None:
            pipeline.adopt(Cut(0, _states(engine.stages)))
        monitor = MonitorWorker(finetune_mode=True)
        role, corpus_hash = plan.config.role, plan.data.corpus_hash
        monitor.add_auth_info(Owner(peer, peer.peer_id, subkey, run.run_id, TRAINER, role, corpus_hash))
        try:
            with following(monitor, logging.getLogger("node0")):
                yield engine
            if not collector.wait(1.0):
                logger.info("gathering the last checkpoint from the stages")
                collector.wait(run.deadlines.gather)
        finally:
            collector.close()
            pipeline.close()
    finally:
        peer.close()


def _collector(plan: RunPlan, run: SwarmRun, peer: Peer) -> CheckpointCollector:
    directory = RunDirectory(plan.config.checkpoint_dir)
    gatherer = CheckpointGatherer(directory.gathered, trust=Trust(allowed_members(run), plan.base_digest))
    settings = CollectSettings(
        run.run_id,
        [str(name) for name in stage_names(run.num_stages)],
        directory.whole,
        base_name=plan.base_name,
        timeout=run.deadlines.gather,
    )
    return CheckpointCollector(gatherer, peer, settings)


def _refuse_other(plan: RunPlan, run: SwarmRun) -> None:
    if run.base_digest is not None and plan.base_digest != run.base_digest:
        raise ConfigError(
            f"the run is of base {run.base_digest[:12]} and these settings name {plan.base_digest[:12]}; "
            "use the run's own finetune.yaml, or make a new run"
        )
    if run.num_stages != plan.config.num_stages:
        raise ConfigError(
            f"the run has {run.num_stages} stages and these settings {plan.config.num_stages}; "
            f"--set num_stages={run.num_stages}"
        )


def _copies(plan: RunPlan) -> list[LlamaStage]:
    config, args = plan.config, own_arguments(plan.args)
    if config.lora is None:
        stages = build_stages(
            args, config.num_stages, layers_per_stage=config.layers_per_stage, seed=config.seed
        )
    else:
        stages = empty_stages(args, config.num_stages, layers_per_stage=config.layers_per_stage)
    if config.lora is not None and config.init_adapter is not None:
        load_adapter(plan, stages, config.init_adapter, config.lora)
        return stages
    for stage in stages:
        make_trainable(stage, config.lora, seed=config.seed)
    return stages


def _states(stages: Sequence[Stage]) -> dict[int, bytes]:
    return {index: TrainedWeights(stage).state_bytes() for index, stage in enumerate(stages)}
