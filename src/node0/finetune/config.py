# SPDX-License-Identifier: Apache-2.0
"""Settings of one training run; every field says what it does."""

from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from node0.finetune.role import ROLE_PATTERN
from node0.stage_settings import StageSettings

HARNESSES = ("claude-code", "codex", "gemini", "opencode", "pi")
"Sources of entries that a harness recorded, whatever its role."

TrackerName = Literal["tensorboard", "wandb", "mlflow"]


class SelectConfig(BaseModel):
    """Which corpus entries are trained on."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    outcomes: list[str] = Field(default_factory=lambda: ["success", "collected", "curated"])
    "Outcomes that are taken. Curated entries are taken whatever their outcome."

    min_quality: float | None = None
    "Lowest quality taken; an entry without one passes."

    sources: list[str] = Field(default_factory=lambda: [*HARNESSES, "curated", "document", "import"])
    "Sources taken. tmux captures and operational entries only when named."

    task_types: list[str] | None = None
    "Task types taken; None takes all."

    rigs: list[str] | None = None
    "Rigs taken; None takes all."

    since: str | None = None
    "ISO 8601 date; older entries are left out."

    max_per_session: int | None = Field(default=None, ge=1)
    "At most this many entries of one session."

    drop_duplicates: Literal["none", "exact", "near"] = "none"
    "Leave out what repeats an older entry: the same text, or nearly the same."

    copied: Literal["once", "every"] = "once"
    "Answers that a resume or a fork copied into further sessions: learnt once, or in every session."

    against: Path | None = None
    "JSON lines of prompts to be measured on; an entry with 13 words in a row of one is left out."

    @field_validator("since", mode="before")
    @classmethod
    def _is_a_date(cls, value: object) -> object:
        if isinstance(value, date):  # YAML reads a date without quotes as one
            return value.isoformat()
        if isinstance(value, str):
            try:
                datetime.fromisoformat(value)
            except ValueError:
                raise ValueError("expected an ISO 8601 date, such as 2026-01-31") from None
        return value


class WorkSettings(BaseModel):
    """What is trained and on what: role, base, entries, rows, and the cut into stages."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())

    mode: Literal["sft", "dpo", "pretrain"] = "sft"
    "sft trains on assistant turns, dpo on pairs, pretrain on every token."

    role: str = Field(pattern=ROLE_PATTERN)
    "Role whose entries are trained on; `all` takes every role."

    corpus_path: Path
    "Corpus directory, or the directory of one role in it."

    checkpoint_dir: Path
    "Run directory."

    base_model: str | None = None
    "Directory or hub id of the base; None builds a fresh model from fresh_model."

    base_revision: str | None = None
    "Commit of the hub id."

    fresh_model: dict[str, Any] | None = None
    "`class_name` and `init_args` of a model that starts from random weights."

    tokenizer: str | None = None
    "Directory or hub id of the tokenizer; None takes the base's."

    profile: Path | None = None
    "Deployment profile, or a directory of them by role; None takes the shipped one of the role."

    dataset: Path | None = None
    "List of entries to train on, as `node0 dataset freeze` writes it, or a run's; None selects them."

    select: SelectConfig = SelectConfig()
    "Which entries are trained on."

    max_steps: int | None = Field(default=None, ge=1, le=10**9)
    "Optimizer steps; None derives them from epochs."

    epochs: float = Field(default=3.0, gt=0, le=10_000)
    "Passes over the data when max_steps is not set."

    max_length: int = Field(default=2048, ge=8, le=1 << 24)
    "Longest row, in tokens."

    over_length: Literal["split", "drop", "refuse"] = "split"
    "What happens to a longer example: split at a turn, drop, or refuse the run."

    packing: bool = True
    "Fill rows with several examples that do not see each other."

    tokens_per_microbatch: int = Field(default=4096, ge=8, le=1 << 28)
    "Rows times tokens that pass the stages together."

    microbatches_per_step: int = Field(default=4, ge=1, le=1 << 20)
    "Microbatches per optimizer step (gradient accumulation)."

    num_stages: int = Field(default=1, ge=1, le=1 << 10)
    "Stages the model is cut into."

    layers_per_stage: list[int] | None = None
    "Layers of each stage; None balances FLOPs, the LM head's on half of the tokens."


class FineTuneConfig(StageSettings, WorkSettings):
    """One run: what to train, on what, how, and where the result goes.

    Fields come in the order of `WorkSettings`, `StageSettings`, and then these.
    """

    init_adapter: Path | None = None
    "Adapter directory to start from, with the same rank and layers; None starts a fresh one."

    scheduler: Literal["linear", "cosine", "constant"] = "linear"
    "Shape of the learning rate after warm-up."

    warmup_share: float = Field(default=0.05, ge=0, le=1)
    "Share of the steps over which the rate rises from 0, where num_warmup_steps is not set."

    num_warmup_steps: int | None = Field(default=None, ge=0, le=10**9)
    "Steps over which the rate rises from 0; None takes warmup_share of the steps."

    max_skipped_steps: int = Field(default=3, ge=1)
    "Skipped steps in a row that end the run."

    dpo_beta: float = Field(default=0.1, gt=0, le=1000)
    "Strength of the pull towards the reference."

    reference_free: bool = False
    "Drop the reference terms of DPO."

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    "Type of the frozen base and of matrix products."

    quantize: Literal["nf4"] | None = None
    "4-bit type in which the frozen base lies in memory (QLoRA); None leaves it in precision."

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    "Where tensors live."

    deterministic: bool = False
    "Sum in one order on a GPU, so that a resumed run has the same bytes; attention is slower."

    graph_budget_mb: int | None = Field(default=None, ge=0, le=1 << 30)
    "Memory for autograd graphs; beyond it blocks are recomputed. None derives it."

    val_split: float = Field(default=0.05, ge=0, lt=1)
    "Share of sessions held out."

    eval_every_n_steps: int = Field(default=500, ge=1, le=10**9)
    "Steps between validations."

    checkpoint_every_n_steps: int = Field(default=100, ge=1, le=10**9)
    "Steps between checkpoints."

    checkpoint_every_minutes: float | None = Field(default=15.0, gt=0, le=1e6)
    "Minutes after which a checkpoint is due too; None counts steps only."

    keep_last: int = Field(default=2, ge=1, le=10**6)
    "Checkpoints kept."

    keep_best: bool = True
    "Also keep the step with the lowest validation loss."

    early_stopping_patience: int | None = Field(default=None, ge=1)
    "Validations without improvement that end the run."

    report_to: list[TrackerName] = Field(default_factory=list)
    "Trackers that are told of each step, by their own libraries: tensorboard, wandb, mlflow."

    run_name: str | None = None
    "Name of the run there; None takes that of the run directory."

    tracking_project: str | None = None
    "W&B's project and MLflow's experiment; None takes what their variables say, or gastown-finetune."

    @field_validator("report_to", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """One name, several with commas, or `none`, as other trainers take them."""
        words = [] if value is None else value.split(",") if isinstance(value, str) else value
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            return words
        names = list(dict.fromkeys(word.strip() for word in words))
        return [] if names == ["none"] else names
