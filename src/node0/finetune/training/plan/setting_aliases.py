# SPDX-License-Identifier: Apache-2.0
"""Names that other trainers give our settings, and how a tree of settings is read with them.

The names are those of `transformers.TrainingArguments`, TRL's `SFTConfig` and `DPOConfig`, PEFT's
`LoraConfig`, axolotl and LLaMA-Factory. Only a setting that means the same has one: a batch there is rows,
here it is tokens.
"""

import difflib
from collections.abc import Mapping
from typing import Any

from node0 import console
from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.lora.lora_config import ALL_LINEAR, LoRAConfig

ALIASES = {
    "learning_rate": "lr",
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "gradient_accumulation_steps": "microbatches_per_step",
    "warmup_steps": "num_warmup_steps",
    "warmup_ratio": "warmup_share",
    "lr_scheduler_type": "scheduler",
    "lr_scheduler": "scheduler",
    "adam_epsilon": "eps",
    "max_seq_length": "max_length",
    "max_seq_len": "max_length",
    "sequence_len": "max_length",
    "cutoff_len": "max_length",
    "sample_packing": "packing",
    "model_name_or_path": "base_model",
    "pretrained_model_name_or_path": "base_model",
    "model_id": "base_model",
    "tokenizer_name": "tokenizer",
    "output_dir": "checkpoint_dir",
    "dataset_path": "corpus_path",
    "val_set_size": "val_split",
    "val_size": "val_split",
    "eval_steps": "eval_every_n_steps",
    "save_steps": "checkpoint_every_n_steps",
    "save_total_limit": "keep_last",
    "load_best_model_at_end": "keep_best",
    "beta": "dpo_beta",
    "tensorboard": "report_to",
    "use_tensorboard": "report_to",
    "use_wandb": "report_to",
    "use_mlflow": "report_to",
    "wandb_project": "tracking_project",
    "mlflow_experiment_name": "tracking_project",
    "wandb_name": "run_name",
    "mlflow_run_name": "run_name",
    "bnb_4bit_quant_type": "quantize",
    "load_in_4bit": "quantize",
    "quantization_bit": "quantize",
    "r": "lora.rank",
    "lora_r": "lora.rank",
    "lora_rank": "lora.rank",
    "lora_alpha": "lora.alpha",
    "lora_dropout": "lora.dropout",
    "lora_target": "lora.target_modules",
    "lora_target_modules": "lora.target_modules",
    "target_modules": "lora.target_modules",
    "lora.r": "lora.rank",
    "lora.lora_alpha": "lora.alpha",
    "lora.lora_dropout": "lora.dropout",
}
"Their name -> ours."

VALUES: dict[str, dict[object, object]] = {
    "load_in_4bit": {True: "nf4", False: None},
    "quantization_bit": {4: "nf4", None: None},
    "tensorboard": {True: ["tensorboard"], False: []},
    "use_tensorboard": {True: ["tensorboard"], False: []},
    "use_wandb": {True: ["wandb"], False: []},
    "use_mlflow": {True: ["mlflow"], False: []},
}
"Of a name of theirs, the values that mean another thing -> ours."

LAYERS = {
    "q_proj": "wq",
    "k_proj": "wk",
    "v_proj": "wv",
    "o_proj": "wo",
    "gate_proj": "w1",
    "down_proj": "w2",
    "up_proj": "w3",
}
"A linear layer's name in Hugging Face's Llama -> ours."

EVERY_LAYER = "all-linear"
"PEFT's word for all of them."

TARGETS = "lora.target_modules"


def in_our_names(tree: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """The tree with our names in place of theirs; each is noted once.

    Raises:
        ConfigError: a setting is named twice, `lora` is turned off beside its parts, or a name is close to an
            alias and nothing that is known.
    """
    named: dict[str, Any] = {}
    for name, given in _flat(tree):
        ours, value = ALIASES.get(name, name), _in_our_values(name, given, source)
        if ours == name:
            _refuse_near_alias(name, source)
        else:
            means = f"={value}" if name in VALUES else ""
            console.note(f"note: {name} (from {source}) is {ours}{means} here")
        if ours in named:
            raise ConfigError(f"{source} sets {ours!r} twice, also as {name!r}; keep one")
        named[ours] = _our_layers(value, source) if ours == TARGETS else value
    part = next((name for name in named if name.startswith("lora.")), None)
    # `lora: {}` asks for an adapter, and its parts do too.
    if part is not None and (whole := named.pop("lora", {})) != {}:
        raise ConfigError(f"{source} sets 'lora' to {whole!r} and also {part!r}; keep one")
    return _nested(named)


def _flat(tree: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The settings of the tree, those of `lora` by their dotted names."""
    rows: list[tuple[str, Any]] = []
    for name, value in tree.items():
        inner = value if name == "lora" and isinstance(value, Mapping) and value else None
        rows += [(name, value)] if inner is None else [(f"lora.{key}", one) for key, one in inner.items()]
    return rows


def _nested(named: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in named.items():
        outer, dot, inner = name.partition(".")
        if dot:
            tree.setdefault(outer, {})[inner] = value
        else:
            tree[name] = value
    return tree


def _our_layers(value: object, source: str) -> object:
    if value in (EVERY_LAYER, [EVERY_LAYER]):
        console.note(f"note: {EVERY_LAYER} (from {source}) is {', '.join(ALL_LINEAR)} here")
        return list(ALL_LINEAR)
    if not isinstance(value, list):
        return value
    theirs = [name for name in value if isinstance(name, str) and name in LAYERS]
    if theirs:
        spelled = ", ".join(f"{name} is {LAYERS[name]}" for name in theirs)
        console.note(f"note: layers from {source}: {spelled} here")
    return [LAYERS.get(name, name) if isinstance(name, str) else name for name in value]


def _in_our_values(name: str, value: object, source: str) -> object:
    values = VALUES.get(name)
    if values is None:
        return value
    if not isinstance(value, bool | int | None) or value not in values:
        known = " or ".join(str(known).lower() for known in values if known is not None)
        raise ConfigError(f"{source} sets {name!r} to {value!r}; take {known}, or set {ALIASES[name]!r} here")
    return values[value]


def _refuse_near_alias(name: str, source: str) -> None:
    known = {*FineTuneConfig.model_fields, *(f"lora.{field}" for field in LoRAConfig.model_fields)}
    if name in known:
        return
    close = difflib.get_close_matches(name, [*known, *ALIASES], n=1, cutoff=0.75)
    if close and close[0] in ALIASES:
        raise ConfigError(
            f"unknown setting {name!r} from {source}; did you mean {close[0]!r}, which is "
            f"{ALIASES[close[0]]!r} here?"
        )
