# SPDX-License-Identifier: Apache-2.0
"""Apply LoRA adapters to the linear layers of a module, switch, merge and save them."""

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from node0.errors import BadCheckpoint, ConfigError, NotFound
from node0.lora.linear import DropoutKey, LoRALinear
from node0.lora.lora_config import LoRAConfig

M = TypeVar("M", bound=nn.Module)


def apply_lora(
    module: M,
    config: LoRAConfig,
    name: str = "default",
    *,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> M:
    """Put a fresh adapter on every linear layer that `config` names, activate it, freeze the rest.

    A layer's first values depend on (seed, adapter, layer name) alone, so any split draws the same.
    `only` narrows it to layers of these paths. A bare `nn.Linear` cannot be replaced inside itself:
    a `LoRALinear` around it is returned.
    """
    if isinstance(module, nn.Linear):
        wrapped = LoRALinear.from_base(module, config, name=name, seed=seed)
        freeze_base_params(wrapped)
        return wrapped  # type: ignore[return-value]  # a Linear in, a LoRALinear out
    targets = [found for found in _targets(module, config) if only is None or found[0] in only]
    if not targets:
        raise ConfigError(f"no linear layer is named {config.target_modules}; take from wq wk wv wo w1 w2 w3")
    for path, layer in targets:
        if isinstance(layer, nn.Linear):
            layer = _wrap(module, path, layer)
        layer.add_adapter(name, config, seed=seed)
    set_adapter(module, name)
    freeze_base_params(module)
    return module


def get_lora_parameters(module: nn.Module, name: str | None = None) -> list[nn.Parameter]:
    """The A and B matrices of one adapter, or of all, in the module's order."""
    names = [name] if name is not None else None
    found: list[nn.Parameter] = []
    for _, layer in lora_layers(module):
        for adapter in names or list(layer.configs):
            if adapter in layer.configs:
                found += [layer.lora_A[adapter], layer.lora_B[adapter]]
    return found


def freeze_base_params(module: nn.Module) -> None:
    """Only A and B matrices stay trainable."""
    trainable = {id(parameter) for parameter in get_lora_parameters(module)}
    for parameter in module.parameters():
        parameter.requires_grad_(id(parameter) in trainable)


def lora_layers(module: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """Every adapted layer with its name."""
    for path, layer in module.named_modules():
        if isinstance(layer, LoRALinear):
            yield path, layer


def adapter_names(module: nn.Module) -> list[str]:
    """Names of the adapters that the module holds, sorted."""
    return sorted({name for _, layer in lora_layers(module) for name in layer.configs})


def set_adapter(module: nn.Module, name: str | None) -> None:
    """Make one adapter active on every layer that has it; None leaves the base alone."""
    if name is not None and name not in adapter_names(module):
        raise NotFound(f"no adapter {name!r}; loaded: {', '.join(adapter_names(module)) or 'none'}")
    for _, layer in lora_layers(module):
        layer.set_adapter(name if name in layer.configs else None)


def remove_adapter(module: nn.Module, name: str) -> None:
    """Forget an adapter on every layer that has it."""
    for _, layer in lora_layers(module):
        if name in layer.configs:
            layer.remove_adapter(name)


def merge_adapter(module: nn.Module) -> None:
    """Add the active adapter to the weights, for inference at the base's speed."""
    for _, layer in lora_layers(module):
        layer.merge()


def unmerge_adapter(module: nn.Module) -> None:
    """Put all weights back exactly as they were before `merge_adapter`."""
    for _, layer in lora_layers(module):
        layer.unmerge()


def dropout_key(module: nn.Module, key: DropoutKey | None) -> None:
    """Key the dropout masks of the microbatch that is about to pass."""
    for _, layer in lora_layers(module):
        layer.dropout_key = key


def lora_state_dict(module: nn.Module, name: str = "default") -> dict[str, Tensor]:
    """`<layer>.lora_A.weight` and `<layer>.lora_B.weight` of one adapter, detached, not copied."""
    tensors: dict[str, Tensor] = {}
    for path, layer in lora_layers(module):
        if name in layer.configs:
            tensors[f"{path}.lora_A.weight"] = layer.lora_A[name].detach()
            tensors[f"{path}.lora_B.weight"] = layer.lora_B[name].detach()
    return tensors


@torch.no_grad()
def load_lora_state_dict(module: nn.Module, tensors: Mapping[str, Tensor], name: str = "default") -> None:
    """Copy what `lora_state_dict` gave into an adapter that exists; other stages' tensors are passed over.

    Raises:
        BadCheckpoint: a tensor of this module is absent or has another shape.
    """
    for key, target in lora_state_dict(module, name).items():
        if key not in tensors:
            raise BadCheckpoint(f"the adapter has no tensor {key}; it was made for other layers")
        if tensors[key].shape != target.shape:
            got, want = tuple(tensors[key].shape), tuple(target.shape)
            raise BadCheckpoint(f"adapter tensor {key} has shape {got}, the model needs {want}")
        target.copy_(tensors[key])


def _targets(module: nn.Module, config: LoRAConfig) -> Iterator[tuple[str, nn.Linear | LoRALinear]]:
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Linear | LoRALinear) and path.rpartition(".")[2] in config.target_modules:
            yield path, layer


def _wrap(module: nn.Module, path: str, layer: nn.Linear) -> LoRALinear:
    parent, _, child = path.rpartition(".")
    wrapped = LoRALinear(layer, layer_name=path)
    setattr(module.get_submodule(parent), child, wrapped)
    return wrapped
