# SPDX-License-Identifier: Apache-2.0
"""Shape of a Llama stage, and of the relatives that share its blocks (Mistral, Qwen2, Qwen3)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from node0.models.arguments import ModelArguments


class RopeScaling(BaseModel):
    """Frequency scaling of rotary embeddings, `rope_type: llama3` as in Llama 3.1."""

    model_config = ConfigDict(extra="forbid")

    rope_type: Literal["llama3", "linear"] = "llama3"
    factor: float = 8.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int = 8192


class LlamaArguments(ModelArguments):
    """Defaults are Llama 2 7B."""

    family: Literal["llama", "mistral", "qwen2", "qwen3"] = "llama"
    "`model_type` of the Hugging Face config this shape is exported as."

    n_kv_heads: int | None = None
    "Key and value heads; None means one per query head."

    head_dim: int | None = None
    "Width of a head; None means hidden_dim / n_heads."

    vocab_size: int = 32000
    "Rows of the embedding table."

    ffn_dim: int | None = None
    "Width of the feed-forward layer; None derives it from multiple_of and ffn_dim_multiplier."

    multiple_of: int = 256
    ffn_dim_multiplier: float | None = None

    norm_eps: float = 1e-5
    rope_theta: float = 10000.0
    rope_scaling: RopeScaling | None = None
    max_seq_len: int = 2048
    "Longest sequence, in tokens, that a cache or a training row may hold."

    qkv_bias: bool = False
    "Biases on q, k and v (Qwen2)."

    out_bias: bool = False
    "Bias on the attention output (`attention_bias` of Llama)."

    mlp_bias: bool = False
    "Biases in the feed-forward layer (`mlp_bias` of Llama)."

    qk_norm: bool = False
    "RMS norm on each head's query and key (Qwen3)."

    tie_embeddings: bool = False
    "The LM head is the embedding table."

    sliding_window: int | None = None
    "Attend to at most this many last tokens (Mistral); None attends to all."

    init_std: float = 0.02
    "Standard deviation of fresh weights."
