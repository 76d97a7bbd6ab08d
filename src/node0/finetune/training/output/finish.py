# SPDX-License-Identifier: Apache-2.0
"""The last minute of a run: weights, tokenizer, picture, card and manifest."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0.files import write_atomically
from node0.finetune.chat.profile import dump_profile, load_profile
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.role import EVERY_ROLE
from node0.finetune.training.engines.engine import Engine
from node0.finetune.training.output.artefacts import write_manifest
from node0.finetune.training.output.loss_plot import PLOT_NAME, plot_loss
from node0.finetune.training.output.metrics import read_metrics
from node0.finetune.training.output.model_card import CARD_NAME, CardFacts, base_label, render_card
from node0.finetune.training.output.resume import TrainerState
from node0.finetune.training.plan.memory_estimate import count_parameters
from node0.finetune.training.plan.run_plan import RunPlan
from node0.lora.trainable import ADAPTER
from node0.models.base_model import export_base

TEMPLATE_NAME = "chat_template.jinja"
PROFILE_NAME = "profile.yaml"


def export(
    plan: RunPlan, engine: Engine, state: TrainerState, *, exported_step: int, val_loss: float | None
) -> None:
    """Write the weights that `engine` holds and everything that belongs to them; the manifest comes last."""
    run_dir, config = plan.config.checkpoint_dir, plan.config
    _write_tokenizer(plan, run_dir)
    if config.lora is None:
        export_base(engine.stages, run_dir, run_dir)
    else:
        export_peft(
            engine.stages,
            run_dir,
            adapter=ADAPTER,
            base_name=base_name(plan),
            base_digest=plan.base_digest,
            config=config.lora,
        )
    if config.role != EVERY_ROLE:
        dump_profile(load_profile(config.role, config.profile), run_dir / PROFILE_NAME)
    draw(plan, run_dir)
    facts = _facts(plan, state, exported_step=exported_step, val_loss=val_loss)
    write_atomically(run_dir / CARD_NAME, render_card(config, facts))
    write_manifest(run_dir, _manifest_facts(plan, exported_step))


def base_name(plan: RunPlan) -> str:
    """What an adapter of this run names as its base: a directory by its whole path, or a hub id."""
    if plan.base is not None and Path(plan.base.name).is_dir():
        return str(plan.base.path.resolve())
    return base_label(plan.config)


def draw(plan: RunPlan, run_dir: Path) -> None:
    """Draw `loss.png` from the metrics so far."""
    unit = "pair" if plan.config.mode == "dpo" else "token"
    title = f"{plan.config.role} {plan.config.mode}"
    plot_loss(read_metrics(run_dir), run_dir / PLOT_NAME, title=title, unit=unit)


def _write_tokenizer(plan: RunPlan, run_dir: Path) -> None:
    with tempfile.TemporaryDirectory(dir=run_dir, prefix=".tokenizer-") as beside:
        plan.tokenizer.save_pretrained(beside)
        for path in Path(beside).iterdir():
            path.replace(run_dir / path.name)
    template = plan.tokenizer.chat_template
    if isinstance(template, str) and not (run_dir / TEMPLATE_NAME).is_file():
        write_atomically(run_dir / TEMPLATE_NAME, template)


def _facts(plan: RunPlan, state: TrainerState, *, exported_step: int, val_loss: float | None) -> CardFacts:
    data = plan.data
    first = next((record for record in read_metrics(plan.config.checkpoint_dir) if record["step"] == 0), {})
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
    )


def _manifest_facts(plan: RunPlan, exported_step: int) -> Mapping[str, Any]:
    return {
        "role": plan.config.role,
        "mode": plan.config.mode,
        "step": exported_step,
        "base_digest": plan.base_digest,
        "corpus_hash": plan.data.corpus_hash,
    }
