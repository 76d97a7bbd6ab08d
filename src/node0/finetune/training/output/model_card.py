# SPDX-License-Identifier: Apache-2.0
"""The model card of a run, laid out as Hugging Face's: a YAML head, then Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.base_label import base_label
from node0.model_files import ADAPTER_WEIGHTS, ENTRIES, LOSS_PLOT, MANIFEST, METRICS, RESOLVED_CONFIG, WEIGHTS

_VERBS = {
    "sft": "supervised fine-tuning on assistant turns",
    "dpo": "direct preference optimization on pairs of answers",
    "pretrain": "training on every token",
}


@dataclass(frozen=True, slots=True)
class CardFacts:
    """What a card says besides the settings."""

    parameters: int
    trained_parameters: int
    base_digest: str
    corpus_hash: str
    train_entries: int
    val_entries: int
    scrub_versions: Sequence[str]
    dropped: Mapping[str, int]
    steps: int
    tokens: int
    best_step: int
    first_val_loss: float | None
    best_val_loss: float | None
    last_val_loss: float | None
    doubts: Sequence[str] = ()
    "Why the run has probably learned nothing."


def render_card(config: FineTuneConfig, facts: CardFacts) -> str:
    """The card's text; the same run gives the same bytes."""
    base = base_label(config)
    parts = [
        f"---\n{yaml.safe_dump(_head(config, facts, base), sort_keys=False)}---\n",
        f"# {config.role}: {_VERBS[config.mode]}\n",
        _intent(config, base),
        "## Training data\n\n" + _table(_data_rows(facts)),
        "## Training\n\n" + _table(_training_rows(config, facts)),
        "## Results\n\n" + _doubts(facts) + _table(_result_rows(facts)) + f"\n![loss]({LOSS_PLOT})\n",
        _limits(),
        _files(config),
    ]
    return "\n".join(parts)


def _head(config: FineTuneConfig, facts: CardFacts, base: str) -> dict[str, Any]:
    head: dict[str, Any] = {
        "library_name": "peft" if config.lora is not None else "transformers",
        "pipeline_tag": "text-generation",
        "tags": [
            tag
            for tag in ("gastown-finetune", config.role, config.mode, "lora" if config.lora else "")
            if tag
        ],
    }
    if config.base_model is not None:
        head["base_model"] = base
    if facts.best_val_loss is not None:
        head["model-index"] = [_index(config, facts.best_val_loss)]
    return head


def _index(config: FineTuneConfig, loss: float) -> dict[str, Any]:
    return {
        "name": config.role,
        "results": [
            {
                "task": {"type": "text-generation"},
                "dataset": {"name": "held-out sessions", "type": "private"},
                "metrics": [{"type": "loss", "name": "validation loss", "value": round(loss, 6)}],
            }
        ],
    }


def _intent(config: FineTuneConfig, base: str) -> str:
    what = "A LoRA adapter on" if config.lora is not None else "All weights of a model that started from"
    return (
        f"{what} {base}, for agents in the role `{config.role}`. It expects the prompt of the role's "
        "deployment profile, in the chat template that lies beside it, with the tools listed there.\n"
    )


def _data_rows(facts: CardFacts) -> list[tuple[str, object]]:
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(facts.dropped.items())) or "none"
    return [
        ("entries trained on", facts.train_entries),
        ("entries held out, by session", facts.val_entries),
        ("entries and answers left out", dropped),
        ("corpus", f"`{facts.corpus_hash}`"),
        ("scrubbed by", ", ".join(facts.scrub_versions) or "not scrubbed"),
    ]


def _training_rows(config: FineTuneConfig, facts: CardFacts) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [
        ("mode", config.mode),
        ("steps", facts.steps),
        ("tokens", facts.tokens),
        ("weights", facts.parameters),
        ("of them trained", facts.trained_parameters),
        ("learning rate", f"{config.lr:g}, {config.scheduler}, {config.num_warmup_steps or 0} warm-up steps"),
        ("seed", config.seed),
        ("base digest", f"`{facts.base_digest}`"),
    ]
    if config.lora is not None:
        lora = config.lora
        if config.quantize is not None:
            rows.append(("base in memory", f"{config.quantize}, 4 bits; to be merged into the original base"))
        rows.append(("adapter", f"rank {lora.rank}, alpha {lora.alpha:g}, {', '.join(lora.target_modules)}"))
    return rows


def _result_rows(facts: CardFacts) -> list[tuple[str, object]]:
    return [
        ("validation loss before", _loss(facts.first_val_loss)),
        (f"validation loss of these weights (step {facts.best_step})", _loss(facts.best_val_loss)),
        ("validation loss of the last step", _loss(facts.last_val_loss)),
    ]


def _doubts(facts: CardFacts) -> str:
    return "".join(f"**Warning:** {line}.\n\n" for line in facts.doubts)


def _limits() -> str:
    return (
        "## Limits\n\nTrained on the sessions of one town; measured only as far as the table above says. "
        "The licence of the base applies to what is derived from it. The files are named with their "
        f"sha256 in `{MANIFEST}`; they are not signed.\n"
    )


def _files(config: FineTuneConfig) -> str:
    weights = ADAPTER_WEIGHTS if config.lora is not None else WEIGHTS
    return (
        "## Files\n\n"
        f"`{weights}` the weights, `{RESOLVED_CONFIG}` every setting and who set it, "
        f"`{ENTRIES}` what was trained on and what was held out, `{METRICS}` every step.\n"
    )


def _table(rows: Sequence[tuple[str, object]]) -> str:
    return "".join(["| | |\n|---|---|\n", *(f"| {name} | {value} |\n" for name, value in rows)])


def _loss(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.4f}"
