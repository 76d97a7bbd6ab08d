# SPDX-License-Identifier: Apache-2.0
"""Choose the trainable weights of a model: an adapter's matrices, or all."""

from torch import nn

from node0.lora.adapter import apply_lora
from node0.lora.lora_config import LoRAConfig

ADAPTER = "default"
"Name of the adapter that a run trains."


def make_trainable(module: nn.Module, lora: LoRAConfig | None, *, seed: int = 0) -> None:
    """Put a fresh adapter on `module` and freeze the rest; without one, let every weight train."""
    if lora is None:
        module.requires_grad_(requires_grad=True)
    else:
        apply_lora(module, lora, ADAPTER, seed=seed)


def trained_weights(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of `module` that train, by name, in its order."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def is_adapter_weight(name: str) -> bool:
    """Whether a weight of this name is a matrix of an adapter."""
    return "lora_" in name
