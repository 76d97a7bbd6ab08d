# SPDX-License-Identifier: Apache-2.0
"""Sizes of the models that are measured, by name; their weights are random.

`qwen3-0.6b` has the numbers of that model's config.json (Qwen3 Technical Report, arXiv:2505.09388).
"""

from typing import Any

SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "hidden_size": 512,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "intermediate_size": 1376,
        "vocab_size": 32000,
        "max_position_embeddings": 2048,
    },
    "256x4": {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "intermediate_size": 704,
        "vocab_size": 32000,
        "max_position_embeddings": 8192,
    },
    "512x8": {
        "hidden_size": 512,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "intermediate_size": 1376,
        "vocab_size": 32000,
        "max_position_embeddings": 8192,
    },
    "qwen3-0.6b": {
        "model_type": "qwen3",
        "hidden_size": 1024,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 3072,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "tie_word_embeddings": True,
    },
    "2048x24": {
        "hidden_size": 2048,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "intermediate_size": 5632,
        "vocab_size": 64000,
        "max_position_embeddings": 8192,
    },
}


def config(size: str) -> Any:
    """The configuration of a size for transformers."""
    from transformers import LlamaConfig, Qwen3Config

    numbers = {name: value for name, value in SIZES[size].items() if name != "model_type"}
    kind = Qwen3Config if SIZES[size].get("model_type") == "qwen3" else LlamaConfig
    return kind(**numbers)


def arguments(size: str) -> Any:
    """The same for our own layers."""
    from node0.models.llama.arguments import LlamaArguments

    numbers = SIZES[size]
    return LlamaArguments(
        family="qwen3" if numbers.get("model_type") == "qwen3" else "llama",
        hidden_dim=numbers["hidden_size"],
        num_hidden_layers=numbers["num_hidden_layers"],
        n_heads=numbers["num_attention_heads"],
        n_kv_heads=numbers["num_key_value_heads"],
        head_dim=numbers.get("head_dim"),
        ffn_dim=numbers["intermediate_size"],
        vocab_size=numbers["vocab_size"],
        max_seq_len=numbers["max_position_embeddings"],
        qk_norm="head_dim" in numbers,
        tie_embeddings=numbers.get("tie_word_embeddings", False),
    )


def write_model(size: str, directory: str, *, dtype: str = "float32", device: str = "cpu") -> None:
    """A model with random weights, as transformers writes it."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        made: Any = AutoModelForCausalLM
        model = made.from_config(config(size), dtype=getattr(torch, dtype))
    model.save_pretrained(directory)
