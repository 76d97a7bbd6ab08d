# SPDX-License-Identifier: Apache-2.0
"""Serve over a swarm: one model, whose stages are those of a run."""

from pathlib import Path

from node0.commands.finetune.remote_flags import RemoteFlags
from node0.commands.serve.model_offers import Offer
from node0.errors import ConfigError
from node0.finetune.checkpoint.stage_states import adapter_states
from node0.finetune.inference.loaded_stages import DTYPES
from node0.finetune.inference.source import ModelSource
from node0.finetune.serving.engines.stages_engine import RunStages, StagesEngine
from node0.lora.lora_config import LoRAConfig
from node0.pipeline.swarm.swarm_state import Cut
from node0.server.host.stage_spec import StageTraining
from node0.swarm.run.run_file import read_run
from node0.swarm.run.swarm_run import SwarmRun

PLAIN = LoRAConfig(rank=1, alpha=1.0, dropout=0.0, target_modules=["wq"])
"Where there is no adapter: a fresh one adds nothing, and freezes the base."


def stages_engine(
    offer: Offer, remote: RemoteFlags, *, dtype: str, max_running: int, max_waiting: int
) -> StagesEngine:
    """An engine that leads the stages of a run and gives them this model's adapter.

    Raises:
        ConfigError: the run's file cannot be read, or it is of another base.
        BadCheckpoint: the adapter cannot be used.
    """
    directory = (remote.run or Path()).expanduser()
    described = read_run(directory)
    seeds = [*described.local_seed_peers, *remote.initial_peers]
    run, source = described.model_copy(update={"local_seed_peers": seeds}), offer.source
    base = source.own_base("a swarm holds stages of our own blocks: serve it without --swarm, or on vLLM")
    _refuse_other(run, source)
    lora, learned = PLAIN, Cut()
    if source.adapters:
        lora, states = adapter_states(
            source.adapters[0], base, run.num_stages, layers_per_stage=run.layers_per_stage
        )
        learned = Cut(0, states)
    training = StageTraining(base.digest, lora=lora.model_dump(), dtype=_dtype(dtype))
    return StagesEngine(
        offer.engine_name,
        RunStages(run, directory, training, learned),
        max_running=max_running,
        max_waiting=max_waiting,
    )


def _refuse_other(run: SwarmRun, source: ModelSource) -> None:
    if run.base_digest not in (None, source.base.digest):
        raise ConfigError(
            f"the run is of base {str(run.base_digest)[:12]} and {source.name} is of "
            f"{source.base.digest[:12]}; serve a model of the run's base, or make a new run"
        )
    if len(source.adapters) > 1:
        raise ConfigError(
            f"stages hold one adapter and {source.name} has {len(source.adapters)}; "
            "export it with its adapters merged, and serve that"
        )


def _dtype(wanted: str) -> str:
    """Of the base's weights on every stage. Stages are other machines: what is fast here may not be there."""
    if wanted not in ("auto", *DTYPES):
        raise ConfigError(f"dtype {wanted!r} is unknown; use auto, {', '.join(DTYPES)}")
    return "float32" if wanted == "auto" else wanted
