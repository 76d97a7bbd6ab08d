# SPDX-License-Identifier: Apache-2.0
"""Tiny random bases of many families that transformers computes and our own blocks do not, and adapters."""

from pathlib import Path
from typing import Any

import torch
from tiny_chat import tiny_tokenizer
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

from node0.files import make_directory
from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.inference.source import ModelSource
from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.models.hf.hf_base import hf_base
from node0.models.hf.hf_stage import load_hf_stage

SHAPE: dict[str, Any] = {
    "vocab_size": 288,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
WINDOW: dict[str, Any] = {"sliding_window": 16, "head_dim": 8}
EXPERTS: dict[str, Any] = {"moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2}

VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}

PACKED: dict[str, dict[str, Any]] = {
    "gemma2": WINDOW,
    "gemma3_text": {**WINDOW, "num_hidden_layers": 6},
    "gemma3": {**WINDOW, "vision_config": VISION},
    "phi3": {},
    "granite": {},
    "olmo2": {},
    "gpt_oss": {**WINDOW, "num_local_experts": 4, "num_experts_per_tok": 2},
    "smollm3": {},
    "cohere2": {"sliding_window": 16, "num_hidden_layers": 4},
    "glm4": {"head_dim": 8},
    "qwen3_moe": {**EXPERTS, "head_dim": 8},
    "gpt_neox": {"attention_dropout": 0.1, "hidden_dropout": 0.1},
    "falcon": {"hidden_dropout": 0.1},
    "opt": {"word_embed_proj_dim": 32, "ffn_dim": 48, "dropout": 0.1},
    "lfm2": {"num_hidden_layers": 4},
}
"Families whose packed rows keep documents apart, and what makes them small; some have dropout of their own."

PADDED: dict[str, dict[str, Any]] = {
    "mamba2": {"num_heads": 8, "head_dim": 8, "n_groups": 1, "state_size": 16, "chunk_size": 32},
    "falcon_h1": {
        "mamba_d_ssm": 32,
        "mamba_n_heads": 4,
        "mamba_d_head": 8,
        "mamba_d_state": 8,
        "mamba_chunk_size": 32,
    },
    "bloom": {"hidden_dropout": 0.1},
}
"Families that carry something from token to token, or take no positions."

FAMILIES = PACKED | PADDED


def make_any_base(directory: Path, family: str, *, seed: int = 3, **changes: Any) -> Path:
    """A random base of a family in `directory`/base, with a tokenizer of one token a byte."""
    model = any_model(family, seed=seed, **changes)
    # Their constructors and `save_pretrained` know generation settings that a random model has none of.
    model.save_pretrained(directory / "base")
    tiny_tokenizer().save_pretrained(str(directory / "base"))
    return directory / "base"


def any_config(family: str, **changes: Any) -> PretrainedConfig:
    """The configuration of such a model; one that sees pictures too has a part for texts."""
    settings = {**SHAPE, **FAMILIES.get(family, {}), **changes}
    vision = settings.pop("vision_config", None)
    if vision is None:
        return AutoConfig.for_model(family, **settings)
    tokens = {"image_token_index": 285, "boi_token_index": 286, "eoi_token_index": 287}
    parts = {"text_config": settings, "vision_config": vision, "mm_tokens_per_image": 4}
    return AutoConfig.for_model(family, **parts, **tokens)


def any_model(family: str, *, seed: int = 3, **changes: Any) -> PreTrainedModel:
    """A model of a family whose every weight is drawn, and large enough to matter."""
    config = any_config(family, **changes)
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.1)
    return model


def write_any_adapter(base: Path, directory: Path, *, seed: int = 7) -> Path:
    """A LoRA adapter on all linear layers of such a base, with random A and B."""
    found = hf_base(base)
    stage = load_hf_stage(found)
    apply_lora(stage, LoRAConfig(rank=2, alpha=4.0, dropout=0.0, target_modules=found.args.linear_names))
    generator = torch.Generator().manual_seed(seed)
    for parameter in get_lora_parameters(stage):
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.1
    make_directory(directory)
    export_peft([stage], directory, base_name=str(base), base_digest=found.digest)
    return directory


def any_source(base: Path, *adapters: Path) -> ModelSource:
    """Such a base with adapters, as it is found by its directory."""
    return ModelSource(str(adapters[0] if adapters else base), hf_base(base), adapters, tokenizer=base)
