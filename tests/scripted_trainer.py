# SPDX-License-Identifier: Apache-2.0
"""A trainer over a pipeline that answers from a script; everything else is real."""

import math
from pathlib import Path
from types import SimpleNamespace

import torch
from tiny_run import configure
from torch import nn

from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.hooks import StepHook
from node0.finetune.training.interrupt import Interrupt
from node0.finetune.training.output.metrics import Metrics
from node0.finetune.training.output.resume import find_state
from node0.finetune.training.plan.training_data import EntryUse, TrainingData
from node0.finetune.training.trainer import Trainer
from node0.pipeline.protocol import IGNORE, Microbatch, StepResult
from node0.pipeline.ranks import ALONE


class ScriptedPipeline:
    """A `Pipeline` whose losses come from a list; its one weight counts the steps that were applied."""

    def __init__(self, stage: nn.Module, *, losses=(), val_losses=()) -> None:
        self.stage, self.losses, self.val_losses = stage, list(losses), list(val_losses)
        self.steps = []

    def train_step(self, microbatches, step):
        self.steps.append(step)
        loss = self.losses[step.step] if step.step < len(self.losses) else 1.0
        skipped = not math.isfinite(loss)
        if not skipped:
            self.stage.lora_A.data += 1
        return StepResult(loss_sum=loss, n_tokens=1, grad_norm=1.0, skipped=skipped)

    def score(self, microbatch, *, adapter=True):
        supervised = (microbatch.labels != IGNORE).float()
        return -supervised * (self.val_losses.pop(0) if self.val_losses else 1.0)

    def save(self, directory: Path) -> None:
        (directory / "weight").write_text(str(self.stage.lora_A.item()))

    def load(self, directory: Path) -> None:
        self.stage.lora_A.data.fill_(float((directory / "weight").read_text()))


class Listener(StepHook):
    """Keeps each phase that differs from the one before."""

    def __init__(self) -> None:
        self.phases, self.reasons = [], []

    def entered(self, phase, reason=""):
        if self.phases[-1:] != [phase]:
            self.phases.append(phase)
            self.reasons.append(reason)


class CountingSteps:
    """Endless steps of one microbatch that know their position."""

    def __init__(self) -> None:
        self.position = 0

    def __next__(self):
        self.position += 1
        return [microbatch()]

    def state(self):
        return {"position": self.position}

    def restore(self, state):
        self.position = state["position"]

    def seen(self):
        return {"e1": self.position}


def microbatch() -> Microbatch:
    ids = torch.tensor([[5, 6, 7, 0]])
    return Microbatch(ids, torch.tensor([[0, 1, 2, 0]]), torch.tensor([[6, 7, IGNORE, IGNORE]]))


def make_trainer(
    directory: Path,
    *,
    losses=(),
    val_losses=(),
    stop_after=None,
    held_out=True,
    hook=None,
    ranks=ALONE,
    **changes,
) -> Trainer:
    config = configure(directory, base_model="x", **{"max_steps": 6, **changes})
    stage = nn.Module()
    stage.lora_A = nn.Parameter(torch.zeros(1))
    data = TrainingData(
        steps=CountingSteps(),
        held_out=[microbatch()] if held_out else [],
        entries=[EntryUse("e1", "d1", "1", "train"), EntryUse("e2", "d2", "1", "val")],
        kept=2,
        dropped={},
        examples=1,
        tokens=3,
        supervised=2,
        corpus_hash="c",
    )
    plan = SimpleNamespace(config=config, data=data, total_steps=config.max_steps, fingerprint={"seed": 0})
    pipeline = ScriptedPipeline(stage, losses=losses, val_losses=val_losses)
    engine = Engine([stage], pipeline)
    config.checkpoint_dir.mkdir(exist_ok=True)
    return Trainer(plan, engine, stop_after=stop_after, hook=hook, ranks=ranks)


def run(trainer: Trainer, *, resume="auto", interrupted=False) -> bool:
    trainer.begin(find_state(trainer.run, resume))
    with Metrics(trainer.run) as metrics:
        return trainer.loop(metrics, Interrupt(requested=interrupted))
