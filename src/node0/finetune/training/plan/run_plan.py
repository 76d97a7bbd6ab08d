# SPDX-License-Identifier: Apache-2.0
"""The plan of a run, made before anything is loaded or written."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from node0.errors import ConfigError
from node0.files import free_disk
from node0.finetune.config import FineTuneConfig
from node0.finetune.data.tokenizer import load_tokenizer
from node0.finetune.run_dir import EntryUse
from node0.finetune.training.plan.base_label import base_label
from node0.finetune.training.plan.chosen_model import choose_model, describe_stage, with_adapted_layers
from node0.finetune.training.plan.disk_estimate import (
    DiskEstimate,
    bytes_below,
    estimate_disk,
    refuse_full_disk,
)
from node0.finetune.training.plan.four_bit_support import require_four_bit
from node0.finetune.training.plan.learning_rate import with_rate
from node0.finetune.training.plan.load_data import load_data
from node0.finetune.training.plan.memory_estimate import (
    GIB,
    MemoryEstimate,
    MemoryFactors,
    count_adapter_parameters,
    count_parameters,
    estimate,
    free_bytes,
    refuse_oversize,
)
from node0.finetune.training.plan.precision import pick_device, pick_dtype
from node0.finetune.training.plan.training_data import TrainingData
from node0.models.base_model import BaseModelDir
from node0.models.hf.hf_arguments import HFArguments
from node0.models.hf.hf_base import HFBase
from node0.models.llama.arguments import LlamaArguments

GRAPH_SHARE = 0.6
"Of the memory left beside weights and optimizer, what graphs may take when no budget is given."


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A run that has been checked and not started."""

    config: FineTuneConfig
    args: LlamaArguments | HFArguments
    "Of the whole model."

    base: BaseModelDir | HFBase | None
    base_digest: str
    tokenizer: PreTrainedTokenizerFast
    data: TrainingData
    device: str
    dtype: torch.dtype
    total_steps: int
    memory: MemoryEstimate
    free: int
    "Bytes."

    graph_budget: int | None

    @property
    def warmup_steps(self) -> int:
        """Steps over which the rate rises from 0."""
        return self.config.num_warmup_steps or 0

    @property
    def disk(self) -> DiskEstimate:
        """What the run directory takes at most, but for what a swarm gathers into it."""
        config = self.config
        kept = config.keep_last + (1 if config.keep_best and config.val_split else 0)
        return estimate_disk(self.trained_parameters, kept=kept, steps=self.total_steps)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must share: where it differs, weights or data position would be wrong."""
        names = (
            "mode", "role", "seed", "max_length", "over_length", "packing", "tokens_per_microbatch",
            "microbatches_per_step", "val_split",
        )  # fmt: skip
        settings = self.config.model_dump(mode="json")
        return {
            **{name: settings[name] for name in names},
            "lora": settings["lora"],
            "precision": self.precision,
            "base_digest": self.base_digest,
            "corpus_hash": self.data.corpus_hash,
        }

    @property
    def precision(self) -> str:
        """Types of the frozen base: as it lies in memory where that is in 4 bits, and as it is multiplied."""
        multiplied = str(self.dtype).removeprefix("torch.")
        return multiplied if self.config.quantize is None else f"{self.config.quantize}, {multiplied}"

    @property
    def base_name(self) -> str:
        """What an adapter of this run names as its base: a directory by its whole path, or a hub id."""
        if self.base is not None and Path(self.base.name).is_dir():
            return str(self.base.path.resolve())
        return base_label(self.config)

    @property
    def trained_parameters(self) -> int:
        """Weights that the optimizer moves."""
        lora = self.config.lora
        return count_parameters(self.args) if lora is None else count_adapter_parameters(self.args, lora)

    @property
    def wire_bytes(self) -> int:
        """Bytes a step that would cross between stages on different machines, in bfloat16, both ways."""
        config = self.config
        tokens = config.tokens_per_microbatch * config.microbatches_per_step
        return 2 * 2 * tokens * self.args.hidden_dim * (config.num_stages - 1)


def make_plan(
    config: FineTuneConfig, *, processes: int = 1, frozen: Sequence[EntryUse] | None = None
) -> RunPlan:
    """Check every setting against base, tokenizer, corpus and machine. Loads no weights, writes nothing.

    processes: those of this run on this machine, which share its memory unless each has its own GPU.
    frozen: the entries that the run began with; None selects them.

    Raises:
        ConfigError: settings contradict each other or name something absent.
        BadCorpus: nothing is left to train on, or a frozen entry is no longer what it was.
        VocabMismatch: the tokenizer has ids that the model lacks.
    """
    device = pick_device(config.device)
    dtype = pick_dtype(config, device)
    require_four_bit(config, device)
    model = choose_model(config)
    base, args = model.base, model.args
    config = with_adapted_layers(config, args)
    tokenizer = load_tokenizer(
        _tokenizer_name(config, base), max_length=config.max_length, model_vocab_size=args.vocab_size
    )
    data = load_data(config, tokenizer, frozen)
    total_steps = config.max_steps or data.steps.total_steps(config.epochs)
    config = with_rate(config, args, total_steps)
    free = free_bytes(device) // (1 if device == "cuda" else processes)
    memory = estimate(args, _memory_factors(config, dtype, device, None))
    budget = _graph_budget(config, memory, free)
    return RunPlan(
        config=config,
        args=args,
        base=base,
        base_digest=model.digest,
        tokenizer=tokenizer,
        data=data,
        device=device,
        dtype=dtype,
        total_steps=total_steps,
        memory=estimate(args, _memory_factors(config, dtype, device, budget)),
        free=free,
        graph_budget=budget,
    )


def refuse_full_disk_of(plan: RunPlan) -> None:
    """Raise `DoesNotFit` when the disk of the run directory has no room for the run."""
    run_dir = plan.config.checkpoint_dir
    refuse_full_disk(run_dir, plan.disk.total, held=bytes_below(run_dir))


def refuse_oversize_plan(plan: RunPlan) -> None:
    """Raise `DoesNotFit` when the run needs more memory than is free."""
    refuse_oversize(plan.memory, plan.free, budget_given=plan.config.graph_budget_mb is not None)


def describe(plan: RunPlan) -> list[dict[str, Any]]:
    """The plan as records of name and value, for a table or JSON."""
    data, config = plan.data, plan.config
    rows: list[tuple[str, Any]] = [
        ("mode", config.mode),
        ("role", config.role),
        ("entries kept", data.kept),
        *((f"dropped: {reason}", count) for reason, count in sorted(data.dropped.items())),
        ("entries held out", sum(entry.split == "val" for entry in data.entries)),
        ("examples", data.examples),
        ("tokens", data.tokens),
        ("pairs" if config.mode == "dpo" else "supervised tokens", data.supervised),
        ("steps", plan.total_steps),
        ("learning rate", config.lr),
        ("warm-up steps", plan.warmup_steps),
        ("parameters", count_parameters(plan.args)),
        ("trained parameters", plan.trained_parameters),
        *describe_stage(plan.args, config.lora),
        ("device", plan.device),
        ("base precision", plan.precision),
        ("memory estimate (GiB)", round(plan.memory.total / GIB, 2)),
        ("memory free (GiB)", round(plan.free / GIB, 2)),
        ("disk estimate (GiB)", round(plan.disk.total / GIB, 2)),
        ("disk free (GiB)", round(free_disk(config.checkpoint_dir) / GIB, 2)),
        ("bytes on the wire", 0),
        ("bytes on the wire a step, one machine a stage", plan.wire_bytes),
        ("run directory", str(config.checkpoint_dir)),
    ]
    return [{"plan": name, "value": value} for name, value in rows]


def warnings(plan: RunPlan) -> list[str]:
    """What a person may not have meant, a line each. Nothing of it stops the run."""
    config, lines = plan.config, []
    if plan.total_steps <= plan.warmup_steps:
        lines.append(
            f"the run ends in its warm-up: {plan.total_steps} steps, and lr reaches {config.lr:g} after "
            f"{plan.warmup_steps}; lower num_warmup_steps, or raise epochs or max_steps"
        )
    if plan.data.left_out:
        lines.append(
            f"the run keeps to the {plan.data.kept} entries that it began with; "
            f"{plan.data.left_out} others are left out"
        )
    if config.val_split and not plan.data.held_out:
        lines.append(
            f"no session was held out at val_split {config.val_split:g}, so no validation loss will tell "
            "whether the run helped; raise val_split, or collect more sessions"
        )
    return lines


def _tokenizer_name(config: FineTuneConfig, base: BaseModelDir | HFBase | None) -> str:
    if config.tokenizer is not None:
        return config.tokenizer
    if base is None or base.tokenizer_path is None:
        where = "a fresh model" if base is None else f"base {base.name}"
        raise ConfigError(f"{where} has no tokenizer; give --set tokenizer=DIR|HUB_ID")
    return str(base.tokenizer_path)


def _memory_factors(
    config: FineTuneConfig, dtype: torch.dtype, device: str, graph_budget: int | None
) -> MemoryFactors:
    return MemoryFactors(
        tokens=max(config.tokens_per_microbatch, config.max_length),
        row_length=config.max_length,
        base_bytes=dtype.itemsize,
        lora=config.lora,
        graph_budget=graph_budget,
        on_gpu=device == "cuda",
        four_bit=config.quantize is not None,
    )


def _graph_budget(config: FineTuneConfig, memory: MemoryEstimate, free: int) -> int | None:
    """Bytes for graphs; None where all of them fit easily."""
    if config.graph_budget_mb is not None:
        return config.graph_budget_mb << 20
    room = int(max(0, free - memory.least) * GRAPH_SHARE)
    return None if memory.graphs <= room else int(room / memory.gaps)
