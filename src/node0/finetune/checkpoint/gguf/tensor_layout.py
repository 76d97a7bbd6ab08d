# SPDX-License-Identifier: Apache-2.0
"""Where llama.cpp keeps what our blocks hold: tensor names, row order, and the fields of an architecture.

Its code for `llama` turns neighbouring features of a head together, so rows of q and k are interleaved
there; its code for Qwen turns halves, as our files do.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from node0.errors import ConfigError
from node0.models.llama.arguments import LlamaArguments
from node0.models.llama.blocks import ffn_dim
from node0.models.llama.rope import head_dim, inverse_frequencies

ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
"Families of ours and llama.cpp's name of the code that computes them."

ROPE_FREQS = "rope_freqs.weight"
"Divisors of the rotary frequencies, float32 (head_dim / 2,)."

_TOP = {"tok_embeddings": "token_embd", "norm": "output_norm", "output": "output"}
_LINEAR = {
    "wq": "attn_q",
    "wk": "attn_k",
    "wv": "attn_v",
    "wo": "attn_output",
    "w1": "ffn_gate",
    "w2": "ffn_down",
    "w3": "ffn_up",
}
_IN_LAYER = _LINEAR | {
    "q_norm": "attn_q_norm",
    "k_norm": "attn_k_norm",
    "attention_norm": "attn_norm",
    "ffn_norm": "ffn_norm",
}
_OUR_NAME = re.compile(r"layers\.(\d+)\.(?:\w+\.)?(\w+)\.(weight|bias)")


def gguf_name(name: str) -> str:
    """Our tensor name as llama.cpp spells it."""
    if match := _OUR_NAME.fullmatch(name):
        index, module, leaf = match.groups()
        return f"blk.{index}.{_IN_LAYER[module]}.{leaf}"
    module, _, leaf = name.rpartition(".")
    return f"{_TOP[module]}.{leaf}"


def to_gguf_rows(name: str, value: Tensor, args: LlamaArguments) -> Tensor:
    """Rows of our tensor, or of the LoRA matrix B of its layer, in llama.cpp's order."""
    heads = _turned_heads(name, args)
    return value if heads is None else interleave(value, heads)


def from_gguf_rows(name: str, value: Tensor, args: LlamaArguments) -> Tensor:
    """What `to_gguf_rows` was given."""
    heads = _turned_heads(name, args)
    return value if heads is None else separate(value, heads)


def interleave(value: Tensor, heads: int) -> Tensor:
    """Rows of each head from halves (0 1 2 | 3 4 5) to neighbours (0 3 1 4 2 5)."""
    halves = value.reshape(heads, 2, -1, *value.shape[1:])  # (heads, 2, half, ...)
    return halves.transpose(1, 2).reshape(value.shape)


def separate(value: Tensor, heads: int) -> Tensor:
    """The inverse of `interleave`."""
    pairs = value.reshape(heads, -1, 2, *value.shape[1:])  # (heads, half, 2, ...)
    return pairs.transpose(1, 2).reshape(value.shape)


def rope_factors(args: LlamaArguments) -> Tensor | None:
    """Divisors of the frequencies for Llama-3 scaling, float32 (head_dim / 2,); None without it."""
    if args.rope_scaling is None or args.rope_scaling.rope_type != "llama3":
        return None
    unscaled = inverse_frequencies(args.model_copy(update={"rope_scaling": None}))
    return (unscaled / inverse_frequencies(args)).to(torch.float32)


def context_length(args: LlamaArguments) -> int:
    """Tokens for which llama.cpp computes what we do: its `llama` knows no sliding window."""
    return min(args.max_seq_len, args.sliding_window or args.max_seq_len)


def fields(args: LlamaArguments) -> dict[str, Any]:
    """Metadata of the architecture, without its prefix.

    Raises:
        ConfigError: llama.cpp's code for the family cannot compute this shape.
    """
    _refuse_foreign_features(args)
    width = head_dim(args)
    found: dict[str, Any] = {
        "vocab_size": args.vocab_size,
        "context_length": context_length(args),
        "embedding_length": args.hidden_dim,
        "block_count": args.num_hidden_layers,
        "feed_forward_length": ffn_dim(args),
        "attention.head_count": args.n_heads,
        "attention.head_count_kv": args.n_kv_heads or args.n_heads,
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(args.norm_eps),
        "rope.dimension_count": width,
        "rope.freq_base": float(args.rope_theta),
    }
    if args.rope_scaling is not None and args.rope_scaling.rope_type == "linear":
        found |= {"rope.scaling.type": "linear", "rope.scaling.factor": float(args.rope_scaling.factor)}
    return found


def missing_fields(args: LlamaArguments, stored: Mapping[str, Any]) -> list[str]:
    """What a file's metadata says otherwise, a phrase each; float32 is all that a file holds."""
    prefix = ARCHITECTURES[args.family]
    return [
        f"{prefix}.{key} is {stored.get(f'{prefix}.{key}')}, not {value}"
        for key, value in fields(args).items()
        if not _same(stored.get(f"{prefix}.{key}"), value)
    ]


def _same(stored: object, value: object) -> bool:
    if isinstance(value, float) and isinstance(stored, int | float):
        return abs(stored - value) <= 1e-6 * abs(value)
    return stored == value


def _turned_heads(name: str, args: LlamaArguments) -> int | None:
    """Heads whose rows are interleaved; None for a tensor that is kept as it is."""
    if ARCHITECTURES[args.family] != "llama":
        return None
    module = name.rpartition(".")[0].rpartition(".")[2]
    return {"wq": args.n_heads, "wk": args.n_kv_heads or args.n_heads}.get(module)


def _refuse_foreign_features(args: LlamaArguments) -> None:
    """What llama.cpp's code for the family does not read would be lost in silence."""
    architecture = ARCHITECTURES[args.family]
    scaled = args.rope_scaling is not None and args.rope_scaling.rope_type == "llama3"
    wrong = {
        "head_dim": architecture == "qwen2" and head_dim(args) * args.n_heads != args.hidden_dim,
        "rope_scaling": architecture != "llama" and scaled,
        "out_bias": architecture != "llama" and args.out_bias,
        "mlp_bias": architecture != "llama" and args.mlp_bias,
        "qk_norm": args.qk_norm != (architecture == "qwen3"),
        "sliding_window": args.family != "mistral" and args.sliding_window is not None,
    }
    for field, is_wrong in wrong.items():
        if is_wrong:
            raise ConfigError(
                f"{field}={getattr(args, field)} of a {args.family} is nothing that llama.cpp computes; "
                "export it as merged or peft"
            )
