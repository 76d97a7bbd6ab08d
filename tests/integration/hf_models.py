# SPDX-License-Identifier: Apache-2.0
"""Tiny random models of transformers, one for each feature of our layers."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from node0.models.base_model import BaseModelDir
from node0.models.factory import load_stages
from node0.models.llama.layers import LlamaStage

VOCAB, TOKENS = 211, 96
SHAPE: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 112,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.12,
    "tie_word_embeddings": False,
    "rms_norm_eps": 1e-5,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


@dataclass(frozen=True)
class Case:
    """One model, and how to switch off what it is there for."""

    model_type: str
    changes: dict[str, Any]
    off: Callable[[BaseModelDir], list[LlamaStage]]
    rope: dict[str, Any] | None = None
    theta: float = 10000.0


def without(**changes: object) -> Callable[[BaseModelDir], list[LlamaStage]]:
    """Load the same weights with other arguments."""
    return lambda base: load_stages(replace(base, args=base.args.model_copy(update=changes)))


def ungrouped(base: BaseModelDir) -> list[LlamaStage]:
    """One key head per query head, handed out in turn instead of in groups."""
    (grouped,) = load_stages(base)
    for layer in grouped.layers.values():
        for linear in (layer.attention.wk, layer.attention.wv):
            heads = linear.weight.detach().view(base.args.n_kv_heads, -1, base.args.hidden_dim)
            repeats = base.args.n_heads // base.args.n_kv_heads
            linear.weight = nn.Parameter(heads.repeat(repeats, 1, 1).flatten(0, 1))
    return [grouped]


def untied(base: BaseModelDir) -> list[LlamaStage]:
    """A head of its own."""
    (stage,) = load_stages(base)
    shuffled = stage.output.weight.detach()[torch.randperm(VOCAB)]
    stage.output.weight = nn.Parameter(shuffled)
    return [stage]


CASES = {
    "llama": Case("llama", {}, without(rope_theta=100.0)),
    "llama-wide-heads": Case("llama", {"head_dim": 24}, without(norm_eps=1.0)),
    "llama3-rope": Case("llama", {}, without(rope_scaling=None), rope=LLAMA3_ROPE, theta=500000.0),
    "llama-linear-rope": Case(
        "llama", {}, without(rope_scaling=None), rope={"rope_type": "linear", "factor": 4.0}
    ),
    "llama-biases": Case(
        "llama",
        {"attention_bias": True, "mlp_bias": True},
        without(qkv_bias=False, out_bias=False, mlp_bias=False),
    ),
    "gqa": Case("llama", {"num_key_value_heads": 2}, ungrouped),
    "tied": Case("llama", {"tie_word_embeddings": True}, untied),
    "mistral-window": Case(
        "mistral", {"num_key_value_heads": 2, "sliding_window": 16}, without(sliding_window=None)
    ),
    "qwen2": Case("qwen2", {"num_key_value_heads": 2}, without(qkv_bias=False)),
    "qwen3": Case("qwen3", {"num_key_value_heads": 2, "head_dim": 24}, without(qk_norm=False)),
}


def make_model(case: Case) -> PreTrainedModel:
    """A model with random weights, in biases and norms too, which transformers leaves at 0 and 1."""
    torch.manual_seed(0)
    rope = {"rope_theta": case.theta, **(case.rope or {"rope_type": "default"})}
    config = AutoConfig.for_model(case.model_type, **{**SHAPE, **case.changes}, rope_parameters=rope)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.3)
            elif parameter.dim() == 1:
                parameter.normal_(mean=1.0, std=0.3)
    return model


def save_model(model: PreTrainedModel, directory: Path, *, spelling: str, case: Case) -> Path:
    """Save with config.json spelled as transformers 4 or 5 spells it."""
    model.save_pretrained(directory)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    for key in ("rope_parameters", "rope_theta", "rope_scaling", "dtype", "torch_dtype"):
        config.pop(key, None)
    if spelling == "4":
        config |= {"rope_theta": case.theta, "rope_scaling": case.rope, "torch_dtype": "float32"}
    else:
        rope = case.rope or {"rope_type": "default"}
        config |= {"rope_parameters": {"rope_theta": case.theta, **rope}, "dtype": "float32"}
    path.write_text(json.dumps(config))
    return directory


def some_ids(rows: int = 2, tokens: int = TOKENS) -> Tensor:
    """int64 (rows, tokens)."""
    return torch.randint(0, VOCAB, (rows, tokens), generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def their_logits(model: nn.Module, ids: Tensor) -> Tensor:
    """float32 (rows, tokens, vocab)."""
    return model(input_ids=ids, use_cache=False).logits.float()


@torch.no_grad()
def our_logits(stages: list[LlamaStage], ids: Tensor) -> Tensor:
    """float32 (rows, tokens, vocab)."""
    positions = torch.arange(ids.shape[1]).expand(ids.shape)
    hidden = ids
    for stage in stages:
        hidden = stage.eval().forward_hidden(hidden, positions)
    return stages[-1].logits(hidden)


def largest_difference(ours: Tensor, theirs: Tensor) -> float:
    """Over all entries."""
    return float((ours - theirs).abs().max())


TRANSFORMERS = transformers.__version__
