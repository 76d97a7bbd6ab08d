# SPDX-License-Identifier: Apache-2.0
"""Shape of a Llama stage, and of the relatives that share its blocks (Mistral, Qwen2, Qwen3)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from node0.models.arguments import ModelArguments

MOST_TOKENS = 1 << 28


class RopeScaling(BaseModel):
    """Frequency scaling of rotary embeddings, `rope_type: llama3` as in Llama 3.1."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rope_type: Literal["llama3", "linear"] = "llama3"
    factor: float = Field(default=8.0, gt=0, le=1e6)
    low_freq_factor: float = Field(default=1.0, gt=0, le=1e6)
    high_freq_factor: float = Field(default=4.0, gt=0, le=1e6)
    original_max_position_embeddings: int = Field(default=8192, ge=1, le=MOST_TOKENS)


class LlamaArguments(ModelArguments):
    """Defaults are Llama 2 7B."""

    family: Literal["llama", "mistral", "qwen2", "qwen3"] = "llama"
    "`model_type` of the Hugging Face config this shape is exported as."

    n_kv_heads: int | None = Field(default=None, ge=1, le=1 << 12)
    "Key and value heads; None means one per query head."

    head_dim: int | None = Field(default=None, ge=2, le=1 << 13, multiple_of=2)
    "Width of a head; None means hidden_dim / n_heads."

    vocab_size: int = Field(default=32000, ge=1, le=1 << 23)
    "Rows of the embedding table."

    ffn_dim: int | None = Field(default=None, ge=1, le=1 << 21)
    "Width of the feed-forward layer; None derives it from multiple_of and ffn_dim_multiplier."

    multiple_of: int = Field(default=256, ge=1, le=1 << 18)
    ffn_dim_multiplier: float | None = Field(default=None, gt=0, le=100)

    norm_eps: float = Field(default=1e-5, ge=0, le=1)
    rope_theta: float = Field(default=10000.0, gt=0, le=1e12)
    rope_scaling: RopeScaling | None = None
    max_seq_len: int = Field(default=2048, ge=1, le=MOST_TOKENS)
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

    sliding_window: int | None = Field(default=None, ge=1, le=MOST_TOKENS)
    "Attend to at most this many last tokens (Mistral); None attends to all."

    init_std: float = Field(default=0.02, ge=0, le=100)
    "Standard deviation of fresh weights."
