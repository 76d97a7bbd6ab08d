# SPDX-License-Identifier: Apache-2.0
"""Read and write adapters in PEFT's directory format.

`adapter_config.json` carries one key of ours, `node0_base_digest`: the base that the adapter was
trained on. PEFT ignores it with a warning.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from safetensors.torch import load_file
from torch import Tensor

from node0.documents.json_document import read_object
from node0.errors import BadCheckpoint, NotFound
from node0.files import write_atomically
from node0.finetune.run_dir import RunDirectory
from node0.lora.adapter import (
    apply_lora,
    load_lora_state_dict,
    lora_layers,
    lora_state_dict,
    set_adapter,
)
from node0.lora.lora_config import LoRAConfig
from node0.model_files import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from node0.models.stage import Stage
from node0.models.weights import HF_LINEAR, WHOLE, hf_module, read_header, save_tensors

_PREFIX = "base_model.model."
_OUR_MODULE = {
    f"{hf}": f"{'attention' if name in ('wq', 'wk', 'wv', 'wo') else 'feed_forward'}.{name}"
    for name, hf in HF_LINEAR.items()
}
_KEY = re.compile(r"(?:base_model\.model\.)?model\.layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])\.weight")
_ANY_KEY = re.compile(r"(?:base_model\.model\.)?([\w.]+\.lora_[AB]\.weight)")
_OUR_KEY = re.compile(r"((?:[\w.]+\.)?(\w+))\.lora_A\.weight")


class PeftAdapter(NamedTuple):
    """An adapter as it lies in a directory."""

    config: LoRAConfig
    tensors: dict[str, Tensor]
    "Named as `lora_state_dict` names them."


def export_peft(
    stages: Sequence[Stage],
    directory: Path,
    *,
    adapter: str = "default",
    base_name: str,
    base_digest: str | None,
    config: LoRAConfig | None = None,
) -> None:
    """Write one adapter of all stages as PEFT would: float32 weights and adapter_config.json.

    Raises:
        NotFound: no stage has an adapter of that name.
    """
    held = config or _held_config(stages, adapter)
    tensors = {key: value for stage in stages for key, value in lora_state_dict(stage, adapter).items()}
    if not tensors or held is None:
        raise NotFound(f"no adapter {adapter!r} to export; name one that was applied or loaded")
    write_peft(tensors, directory, config=held, base_name=base_name, base_digest=base_digest)


def write_peft(
    adapter: Mapping[str, Tensor],
    directory: Path,
    *,
    config: LoRAConfig,
    base_name: str,
    base_digest: str | None,
) -> None:
    """Write an adapter of the whole model, named as `lora_state_dict` names its tensors, as PEFT would."""
    tensors: dict[str, Tensor] = {}
    layers: set[str] = set()
    for key, value in adapter.items():
        path, matrix = key.rsplit(".lora_", 1)
        tensors[f"{_PREFIX}{hf_module(path)}.lora_{matrix}"] = value.float()
        layers.add(hf_module(path).rpartition(".")[2])
    save_tensors(directory / ADAPTER_WEIGHTS, tensors, {"format": "pt"})
    described = _peft_config(config, sorted(layers), base_name, base_digest)
    write_atomically(directory / ADAPTER_CONFIG, json.dumps(described, indent=2, sort_keys=True) + "\n")


def load_peft(
    directory: Path, stages: Sequence[Stage], *, name: str = "default", base_digest: str | None = None
) -> LoRAConfig:
    """Add an adapter that we or PEFT wrote, under `name`, to every stage, and make it active.

    With `base_digest`, the digest of the base under the stages, an adapter of another base is refused;
    adapters without a digest, such as PEFT's own, are checked by shape.

    Raises:
        NotFound: no such directory.
        BadCheckpoint: another base, a file that is not whole, or a kind of adapter other than LoRA.
    """
    is_whole = any(stage.is_whole for stage in stages)
    config, tensors = read_peft(directory, base_digest=base_digest, of_whole=is_whole)
    wanted = {match[1] for key in tensors if (match := _OUR_KEY.fullmatch(key))}
    placed: set[str] = set()
    for stage in stages:
        paths = wanted & {path for path, _ in stage.named_modules()}
        if paths:
            apply_lora(stage, config, name, only=paths)
            load_lora_state_dict(stage, tensors, name)
        elif list(lora_layers(stage)):
            set_adapter(stage, None)
        placed |= paths
    if placed != wanted:
        raise BadCheckpoint(
            f"{directory}: the model has no layer {min(wanted - placed)}; the adapter is of another base"
        )
    return config


def read_peft(directory: Path, *, base_digest: str | None = None, of_whole: bool = False) -> PeftAdapter:
    """The adapter that a PEFT directory holds, checked as `load_peft` checks it.

    of_whole: name the tensors for a stage that holds a model of transformers, not for our own blocks.

    Raises:
        NotFound: no such directory.
        BadCheckpoint: another base, a file that is not whole or not the one that its run wrote, or a kind of
            adapter other than LoRA.
    """
    RunDirectory(directory).verify_if_finished()
    described = read_adapter_config(directory)
    _check_base(described, base_digest, directory)
    tensors = _read_tensors(directory, of_whole=of_whole)
    config = _lora_config(described, tensors, directory)
    _refuse_unfit(config.rank, tensors, directory / ADAPTER_WEIGHTS)
    return PeftAdapter(config, tensors)


def read_adapter_config(directory: Path) -> dict[str, Any]:
    """`adapter_config.json` of a PEFT directory.

    Raises:
        NotFound: no such file.
        BadCheckpoint: it is not a JSON object.
    """
    path = directory / ADAPTER_CONFIG
    if not path.is_file():
        raise NotFound(f"no adapter in {directory}: {ADAPTER_CONFIG} is absent; name a run or PEFT directory")
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise BadCheckpoint(f"{path} cannot be read ({error}); export the adapter again") from error


def _held_config(stages: Sequence[Stage], adapter: str) -> LoRAConfig | None:
    held = (layer.configs.get(adapter) for stage in stages for _, layer in lora_layers(stage))
    return next((config for config in held if config is not None), None)


def _peft_config(
    config: LoRAConfig, layers: list[str], base_name: str, base_digest: str | None
) -> dict[str, Any]:
    described: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": config.rank,
        "lora_alpha": config.alpha,
        "lora_dropout": config.dropout,
        "target_modules": layers,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "use_rslora": False,
        "modules_to_save": None,
    }
    if base_digest is not None:
        described["node0_base_digest"] = base_digest
    return described


def _check_base(described: Mapping[str, Any], base_digest: str | None, directory: Path) -> None:
    made_for = described.get("node0_base_digest")
    if base_digest is not None and made_for is not None and made_for != base_digest:
        raise BadCheckpoint(
            f"{directory} is an adapter of another base: made for {str(made_for)[:12]} "
            f"({described.get('base_model_name_or_path')}), this base is {base_digest[:12]}; take its own"
        )


def _read_tensors(directory: Path, *, of_whole: bool) -> dict[str, Tensor]:
    """The adapter's tensors under the names that they have on a stage."""
    path = directory / ADAPTER_WEIGHTS
    if not path.is_file():
        pickle = directory / "adapter_model.bin"
        if pickle.is_file():
            raise BadCheckpoint(
                f"{pickle} is pickle, which can run code when read; save the adapter as safetensors"
            )
        raise BadCheckpoint(f"{directory} has no {ADAPTER_WEIGHTS}; export the adapter again")
    read_header(path)
    tensors: dict[str, Tensor] = {}
    for key, value in load_file(path).items():
        name = _name_in_whole(key) if of_whole else _name_in_ours(key)
        if name is None:
            raise BadCheckpoint(f"{path}: tensor {key} is not LoRA on a linear layer; only that is supported")
        tensors[name] = value
    return tensors


def _name_in_whole(key: str) -> str | None:
    match = _ANY_KEY.fullmatch(key)
    return None if match is None else f"{WHOLE}{match[1]}"


def _name_in_ours(key: str) -> str | None:
    match = _KEY.fullmatch(key)
    if match is None or match[2] not in _OUR_MODULE:
        return None
    return f"layers.{match[1]}.{_OUR_MODULE[match[2]]}.lora_{match[3]}.weight"


def _refuse_unfit(rank: int, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Before layers of that rank are made: every matrix has it, and holds numbers."""
    for key, tensor in tensors.items():
        if tensor.dim() != 2 or tensor.shape[0 if ".lora_A." in key else 1] != rank:
            raise BadCheckpoint(
                f"{path}: tensor {key} has shape {tuple(tensor.shape)}, which {ADAPTER_CONFIG} with r={rank} "
                "does not fit; export the adapter again"
            )
        # Narrow types do not answer that themselves.
        if not tensor.float().isfinite().all():
            raise BadCheckpoint(f"{path}: tensor {key} holds NaN or infinity; train or export it again")


def _lora_config(described: Mapping[str, Any], tensors: Mapping[str, Tensor], directory: Path) -> LoRAConfig:
    unsupported = {
        "peft_type": described.get("peft_type") != "LORA",
        "use_dora": bool(described.get("use_dora")),
        "bias": described.get("bias", "none") != "none",
        "modules_to_save": bool(described.get("modules_to_save")),
        "rank_pattern": bool(described.get("rank_pattern")),
        "alpha_pattern": bool(described.get("alpha_pattern")),
    }
    for field, is_set in unsupported.items():
        if is_set:
            raise BadCheckpoint(
                f"{directory}/{ADAPTER_CONFIG}: {field}={described.get(field)} is not supported; "
                "only plain LoRA is"
            )
    modules = {match[2] for key in tensors if (match := _OUR_KEY.fullmatch(key))}
    if not modules:
        raise BadCheckpoint(f"{directory}/{ADAPTER_WEIGHTS} holds no LoRA tensors; export the adapter again")
    order = [*(name for name in HF_LINEAR if name in modules), *sorted(modules - HF_LINEAR.keys())]
    try:
        rank, alpha = int(described["r"]), float(described["lora_alpha"])
        if described.get("use_rslora"):
            # rsLoRA divides by the root of the rank; ours always by the rank.
            alpha *= math.sqrt(rank)
        dropout = float(described.get("lora_dropout") or 0.0)
        return LoRAConfig(rank=rank, alpha=alpha, dropout=dropout, target_modules=order)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        values = {field: described.get(field) for field in ("r", "lora_alpha", "lora_dropout")}
        raise BadCheckpoint(
            f"{directory}/{ADAPTER_CONFIG}: no adapter has {values}; export the adapter again"
        ) from error
