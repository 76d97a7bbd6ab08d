# SPDX-License-Identifier: Apache-2.0
"""Read a training YAML file with its sections as one tree of `FineTuneConfig` settings.

A file has sections with `class_name` and `init_args`, or names settings directly, or both:

    model_config, optim_config, finetune_config    class_name and init_args
    scheduler, num_warmup_steps, num_training_steps
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0.errors import ConfigError
from node0.finetune.config import FineTuneConfig
from node0.finetune.training.plan.setting_aliases import in_our_names
from node0.settings import nearest, read_tree

FINETUNE_CLASS = "node0.finetune.config.FineTuneConfig"
OPTIMIZER_CLASS = "torch.optim.AdamW"
OPTIMIZER_ARGUMENTS = ("lr", "betas", "eps", "weight_decay")
SECTIONS = ("model_config", "optim_config", "finetune_config", "num_training_steps")


def read_training_file(path: Path) -> dict[str, Any]:
    """The settings of a training YAML file, by `FineTuneConfig` name.

    Raises `ConfigError` for a file that cannot be read, an unknown section, or a setting given twice.
    """
    tree = read_tree(path)
    others = {key: value for key, value in tree.items() if key not in SECTIONS}
    flat = in_our_names(others, source=path.name)
    _refuse_unknown(flat, path)
    parts = [flat, _optimizer(tree, path), _finetune(tree, path)]
    if "model_config" in tree:
        parts.append({"fresh_model": _section(tree, "model_config", path)})
    if "num_training_steps" in tree:
        parts.append({"max_steps": tree["num_training_steps"]})
    return _join(parts, path)


def _refuse_unknown(flat: Mapping[str, Any], path: Path) -> None:
    known = [*FineTuneConfig.model_fields, *SECTIONS]
    for key in flat:
        if key not in known:
            raise ConfigError(f"unknown setting {key!r} from {path.name}{nearest(str(key), known)}")


def _optimizer(tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
    if "optim_config" not in tree:
        return {}
    section = _section(tree, "optim_config", path)
    arguments = in_our_names(section["init_args"], source=path.name)
    if section["class_name"] != OPTIMIZER_CLASS:
        raise ConfigError(f"optim_config in {path.name} names {section['class_name']}; use {OPTIMIZER_CLASS}")
    for key in arguments:
        if key not in OPTIMIZER_ARGUMENTS:
            hint = nearest(str(key), list(OPTIMIZER_ARGUMENTS))
            raise ConfigError(f"unknown setting 'optim_config.init_args.{key}' from {path.name}{hint}")
    return arguments


def _finetune(tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
    if "finetune_config" not in tree:
        return {}
    section = _section(tree, "finetune_config", path)
    if section["class_name"] != FINETUNE_CLASS:
        raise ConfigError(
            f"finetune_config in {path.name} names {section['class_name']}; use {FINETUNE_CLASS}"
        )
    return in_our_names(section["init_args"], source=path.name)


def _section(tree: Mapping[str, Any], name: str, path: Path) -> dict[str, Any]:
    section = tree[name]
    if not isinstance(section, Mapping) or not isinstance(section.get("class_name"), str):
        raise ConfigError(f"{name} in {path.name} is {section!r}; write class_name and init_args below it")
    for key in section:
        if key not in ("class_name", "init_args"):
            hint = nearest(str(key), ["class_name", "init_args"])
            raise ConfigError(f"unknown setting '{name}.{key}' from {path.name}{hint}")
    arguments = section.get("init_args") or {}
    if not isinstance(arguments, Mapping):
        raise ConfigError(
            f"{name}.init_args in {path.name} is {arguments!r}; write a mapping of names to values"
        )
    return {"class_name": section["class_name"], "init_args": dict(arguments)}


def _join(parts: list[dict[str, Any]], path: Path) -> dict[str, Any]:
    joined: dict[str, Any] = {}
    for part in parts:
        for key, value in part.items():
            if key in joined and joined[key] != value:
                raise ConfigError(
                    f"{path.name} sets {key!r} twice, to {joined[key]!r} and {value!r}; keep one"
                )
            joined[key] = value
    return joined
