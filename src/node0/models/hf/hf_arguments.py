# SPDX-License-Identifier: Apache-2.0
"""What a plan knows of a model that transformers computes, read from its config.json without its weights."""

import inspect
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import __version__ as installed

from node0.errors import BadCheckpoint, UnsupportedArchitecture
from node0.model_files import MODEL_CONFIG
from node0.models.hf_config import read_config

UNLIMITED = 1 << 30
"Positions of a model whose config.json names no limit, as a recurrent one has none."

_CHANCE = ("drop", "jitter")
"Parts of the names of settings that make a model's own forward pass random."


@dataclass(frozen=True, slots=True)
class LinearShape:
    """Linear layers of one name and one shape."""

    name: str
    "The last part of their path."

    width_in: int
    width_out: int
    count: int


@dataclass(frozen=True, slots=True)
class HFArguments:
    """A whole model."""

    family: str
    "`model_type`."

    hidden_dim: int
    num_hidden_layers: int
    vocab_size: int
    "Rows of the embedding table."

    max_seq_len: int
    n_heads: int
    parameters: int
    "A table that is used twice counts once."

    linears: tuple[LinearShape, ...]
    "All that may be adapted: not the LM head, nor what a fused kernel reads."

    expert_width: int
    "Features that the experts of all layers together make of one token."

    takes_positions: bool
    "By its code documents may share a row: nothing is carried from token to token, positions restart."

    keeps_scores: bool
    "Attention keeps its whole matrix of scores."

    @property
    def linear_names(self) -> list[str]:
        """The names of the linear layers, in the model's order."""
        return list(dict.fromkeys(linear.name for linear in self.linears))


def read_hf_config(directory: Path) -> PretrainedConfig:
    """`directory`/config.json as transformers reads it, with everything random in its forward pass off.

    Code that comes with a model is never run.

    Raises:
        BadCheckpoint: transformers cannot read it, or the weights are quantized.
        UnsupportedArchitecture: it is no causal language model of the installed transformers.
    """
    where, family = directory / MODEL_CONFIG, read_config(directory).get("model_type")
    try:
        config = AutoConfig.from_pretrained(directory, local_files_only=True, trust_remote_code=False)
    except (KeyError, ValueError) as error:
        if family not in CONFIG_MAPPING:
            raise UnsupportedArchitecture(
                f"{where}: model_type {family!r} is not known to transformers {installed}, and code that "
                "comes with a model is not run; take another base, or a newer transformers"
            ) from error
        raise BadCheckpoint(f"{where}: {_first_line(error)}; download the base again") from error
    except Exception as error:  # strict configurations raise classes of huggingface_hub
        raise BadCheckpoint(f"{where}: {_first_line(error)}; download the base again") from error
    if getattr(config, "quantization_config", None):
        raise BadCheckpoint(
            f"{where}: the base is quantized, which is not supported; take the original weights"
        )
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise UnsupportedArchitecture(
            f"{where}: model_type {family!r} is no causal language model of transformers; take another"
        )
    _without_chance(config)
    return cast(PretrainedConfig, config)


def read_hf_arguments(config: PretrainedConfig) -> HFArguments:
    """What the modules of a model say of it; no weights are made.

    Raises:
        BadCheckpoint: transformers cannot build the model.
    """
    text, model = config.get_text_config(), _empty_model(config)
    return HFArguments(
        family=config.model_type,
        hidden_dim=text.hidden_size,
        num_hidden_layers=text.num_hidden_layers,
        vocab_size=vocabulary_of(model),
        max_seq_len=getattr(text, "max_position_embeddings", None) or UNLIMITED,
        n_heads=getattr(text, "num_attention_heads", None) or 1,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        linears=_linears(model),
        expert_width=_expert_width(model, text),
        takes_positions=not model._is_stateful
        and "position_ids" in inspect.signature(model.base_model.forward).parameters,
        keeps_scores=model.config._attn_implementation == "eager",
    )


def unadaptable_paths(config: PretrainedConfig) -> list[str]:
    """Paths of the linear layers that `HFArguments.linears` leaves out: the head, and what is passed by."""
    model = _empty_model(config)
    layers = [path for path, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    adaptable = {path for path, _ in _adaptable(model)}
    return [path for path in layers if path not in adaptable]


def vocabulary_of(model: PreTrainedModel) -> int:
    """Rows of a model's embedding table."""
    return cast(nn.Embedding, model.get_input_embeddings()).weight.shape[0]


def _empty_model(config: PretrainedConfig) -> Any:
    """The model without weights."""
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]  # transformers types it not
    except Exception as error:  # whatever a model's constructor makes of wrong sizes
        raise BadCheckpoint(
            f"transformers cannot build a {config.model_type} of this config.json ({_first_line(error)}); "
            "download the base again"
        ) from error


def _linears(model: Any) -> tuple[LinearShape, ...]:
    counts = Counter(
        (path.rpartition(".")[2], layer.in_features, layer.out_features) for path, layer in _adaptable(model)
    )
    return tuple(LinearShape(*shape, count) for shape, count in counts.items())


def _adaptable(model: Any) -> list[tuple[str, nn.Linear]]:
    """Linear layers by path, without the head and what a fused kernel reads."""
    head = model.get_output_embeddings()
    layers = [
        (path, layer)
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer is not head
    ]
    bypassed = _bypassed(model, [path for path, _ in layers])
    return [(path, layer) for path, layer in layers if path.rpartition(".")[2] not in bypassed]


def _bypassed(model: nn.Module, paths: list[str]) -> set[str]:
    """Names of layers whose weight the code around them reads itself, past an adapter, for a fused kernel."""
    owners: dict[type[nn.Module], set[str]] = {}
    for path in paths:
        owner, _, name = path.rpartition(".")
        owners.setdefault(type(model.get_submodule(owner)), set()).add(name)
    sources = {kind: _source(kind) for kind in owners}
    return {
        name for kind, names in owners.items() for name in names if f"self.{name}.weight" in sources[kind]
    }


def _source(kind: type[nn.Module]) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


def _expert_width(model: nn.Module, text: Any) -> int:
    """Experts are tables (experts, in, out), of which a token passes a few."""
    chosen = getattr(text, "num_experts_per_tok", None) or 1
    return sum(chosen * max(table.shape[1:]) for table in model.parameters() if table.dim() == 3)


def _without_chance(config: PretrainedConfig) -> None:
    """A run repeats itself to the byte only if nothing but the adapter's keyed dropout is drawn."""
    for part in {id(each): each for each in (config, config.get_text_config())}.values():
        for name, value in vars(part).items():
            if isinstance(value, float) and any(word in name for word in _CHANCE):
                setattr(part, name, 0.0)
        if hasattr(part, "output_router_logits"):
            part.output_router_logits = False


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
