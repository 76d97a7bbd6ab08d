# SPDX-License-Identifier: Apache-2.0
"""Finish a run: export weights and tokenizer, draw the loss, write card and manifest."""

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from node0.files import copy_file, write_atomically
from node0.finetune.chat.profile import dump_profile, load_profile
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.role import EVERY_ROLE
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.run_engine import Engine
from node0.finetune.training.output.doubts import doubts
from node0.finetune.training.output.loss_plot import plot_loss
from node0.finetune.training.output.model_card import CardFacts, render_card
from node0.finetune.training.output.resume import TrainerState
from node0.finetune.training.plan.memory_estimate import count_parameters
from node0.finetune.training.plan.run_plan import RunPlan
from node0.lora.trainable import ADAPTER


def export(
    plan: RunPlan, engine: Engine, state: TrainerState, *, exported_step: int, val_loss: float | None
) -> None:
    """Write the weights that `engine` holds and everything that belongs to them; the manifest comes last."""
    run, config = RunDirectory(plan.config.checkpoint_dir), plan.config
    _write_tokenizer(plan, run)
    if config.lora is None:
        engine.export_weights(run.root)
    else:
        export_peft(
            engine.stages,
            run.root,
            adapter=ADAPTER,
            base_name=plan.base_name,
            base_digest=plan.base_digest,
            config=config.lora,
        )
    if config.role != EVERY_ROLE:
        dump_profile(load_profile(config.role, config.profile), run.profile_file)
    draw(plan, run)
    facts = _facts(plan, run, state, exported_step=exported_step, val_loss=val_loss)
    write_atomically(run.model_card, render_card(config, facts))
    run.write_manifest(_manifest_facts(plan, exported_step))


def draw(plan: RunPlan, run: RunDirectory) -> None:
    """Draw the loss from the metrics so far."""
    unit = "pair" if plan.config.mode == "dpo" else "token"
    title = f"{plan.config.role} {plan.config.mode}"
    plot_loss(run.metrics(), run.loss_plot, title=title, unit=unit)


def _write_tokenizer(plan: RunPlan, run: RunDirectory) -> None:
    with tempfile.TemporaryDirectory(dir=run.root, prefix=".tokenizer.", suffix=".part") as beside:
        plan.tokenizer.save_pretrained(beside)
        for path in sorted(Path(beside).rglob("*")):
            if path.is_file():
                copy_file(path, run.root / path.relative_to(beside))
    template = plan.tokenizer.chat_template
    if isinstance(template, str) and not run.chat_template.is_file():
        write_atomically(run.chat_template, template)


def _facts(
    plan: RunPlan, run: RunDirectory, state: TrainerState, *, exported_step: int, val_loss: float | None
) -> CardFacts:
    data = plan.data
    first = next((record for record in run.metrics() if record["step"] == 0), {})
    return CardFacts(
        parameters=count_parameters(plan.args),
        trained_parameters=plan.trained_parameters,
        base_digest=plan.base_digest,
        corpus_hash=data.corpus_hash,
        train_entries=sum(entry.split == "train" for entry in data.entries),
        val_entries=sum(entry.split == "val" for entry in data.entries),
        scrub_versions=sorted({entry.scrub_version for entry in data.entries if entry.scrub_version}),
        dropped=data.dropped,
        steps=state.step,
        tokens=state.tokens,
        best_step=exported_step,
        first_val_loss=first.get("val_loss"),
        best_val_loss=val_loss,
        last_val_loss=state.last_val_loss,
        doubts=doubts(run.metrics(), peak=plan.config.lr),
    )


def _manifest_facts(plan: RunPlan, exported_step: int) -> Mapping[str, Any]:
    return {
        "role": plan.config.role,
        "mode": plan.config.mode,
        "step": exported_step,
        "base_digest": plan.base_digest,
        "corpus_hash": plan.data.corpus_hash,
        "code_version": version("gastown-finetune"),
    }
