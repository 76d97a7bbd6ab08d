# SPDX-License-Identifier: Apache-2.0
"""Open the trackers that a run reports to, and choose what they are told of it: settings on a list."""

from collections.abc import Callable

from node0.finetune.config import TrackerName
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.plan.base_label import base_label
from node0.finetune.training.plan.run_plan import RunPlan
from node0.finetune.training.trackers.background import BackgroundTracker
from node0.finetune.training.trackers.mlflow_run import MlflowRun
from node0.finetune.training.trackers.tensorboard_events import TensorBoardEvents
from node0.finetune.training.trackers.tracker import Setting, TrackedRun, Tracker
from node0.finetune.training.trackers.wandb_run import WandbRun

SHARED = (
    "mode", "role", "base_revision", "epochs", "max_length", "over_length", "packing",
    "tokens_per_microbatch", "microbatches_per_step", "num_stages", "lr", "eps", "weight_decay",
    "max_grad_norm", "seed", "scheduler", "num_warmup_steps", "dpo_beta", "reference_free", "quantize",
    "val_split", "early_stopping_patience",
)  # fmt: skip
"""Settings that are told. A list of what may be, not of what may not: others hold paths, and a new one stays
here until it has a place on it."""

SHARED_OF_ADAPTER = ("rank", "alpha", "dropout")


def open_trackers(plan: RunPlan) -> list[BackgroundTracker]:
    """Begin to report to each tracker that the settings name; what it cannot do is a warning."""
    run = RunDirectory(plan.config.checkpoint_dir)
    told = TrackedRun(
        name=plan.config.run_name or run.root.resolve().name,
        project=plan.config.tracking_project,
        settings=shared_settings(plan),
        directory=run.trackers,
    )
    opening: dict[TrackerName, Callable[[], Tracker]] = {
        "tensorboard": lambda: TensorBoardEvents(run.events),
        "wandb": lambda: WandbRun(told),
        "mlflow": lambda: MlflowRun(told),
    }
    return [BackgroundTracker(name, opening[name]) for name in plan.config.report_to]


def shared_settings(plan: RunPlan) -> dict[str, Setting]:
    """What others may know of the run: numbers and words, and of a base that lies here its last name."""
    config, data = plan.config, plan.data
    adapter = config.lora
    of_adapter = (
        {} if adapter is None else {f"lora.{name}": getattr(adapter, name) for name in SHARED_OF_ADAPTER}
    )
    if adapter is not None:
        of_adapter["lora.target_modules"] = ",".join(adapter.target_modules)
    return {
        **{name: getattr(config, name) for name in SHARED},
        **of_adapter,
        "base": base_label(config),
        "base_digest": plan.base_digest,
        "device": plan.device,
        "precision": plan.precision,
        "total_steps": plan.total_steps,
        "trained_parameters": plan.trained_parameters,
        "entries": data.kept,
        "tokens": data.tokens,
    }
