# SPDX-License-Identifier: Apache-2.0
"""Tiny bases on disk, with tokenizers of the kinds that are exported."""

from pathlib import Path
from typing import Any

import torch
from tiny_chat import CHATML
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from node0.finetune.checkpoint.peft import export_peft
from node0.finetune.inference.source import ModelSource
from node0.lora.adapter import apply_lora, get_lora_parameters
from node0.lora.lora_config import LoRAConfig
from node0.models.base_model import BaseModelDir, export_base, resolve_base
from node0.models.factory import build_stages, load_stages
from node0.models.llama.arguments import LlamaArguments, RopeScaling

ENDS = " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
RULES = {
    "gpt-2": None,
    "llama-bpe": f"{CONTRACTIONS}|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|\\p{{N}}{{1,3}}|{ENDS}",
    "qwen2": f"{CONTRACTIONS}|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|\\p{{N}}|{ENDS}",
}
"As the tokenizers of these models spell them; None is the regular expression of ByteLevel."

TEXTS = [
    "The quick brown fox isn't here, and 3333 other foxes 12345 aren't either; we'll see them there.",
    "def add(left, right):\n    return left + right\n\n\nadd(1, 2)  # 3\n",
    '("what" is it?) (and) "how" much: 100, 1000, 10000; the the the then there\n    their\n    them',
]
SPECIALS = ["<|end|>", "<|pad|>", "<|im_start|>", "<|im_end|>"]

LLAMA3 = RopeScaling(original_max_position_embeddings=32)
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"n_kv_heads": 2},
    "llama3": {"rope_scaling": LLAMA3, "rope_theta": 500000.0, "tie_embeddings": True},
    "llama-linear": {"rope_scaling": RopeScaling(rope_type="linear", factor=4.0)},
    "llama-biases": {"qkv_bias": True, "out_bias": True, "mlp_bias": True, "n_kv_heads": 2},
    "llama-wide-heads": {"head_dim": 24},
    "mistral": {"family": "mistral", "n_kv_heads": 2, "sliding_window": 48},
    "qwen2": {"family": "qwen2", "qkv_bias": True, "n_kv_heads": 2, "tie_embeddings": True},
    "qwen3": {"family": "qwen3", "qk_norm": True, "head_dim": 24, "n_kv_heads": 2},
}
"One model for each feature of our blocks."


def byte_tokenizer(
    rule: str = "gpt-2", *, vocab_size: int = 400, texts: list[str] = TEXTS
) -> PreTrainedTokenizerFast:
    """Byte-level BPE that cuts as the rule does, with a chat template and one added word."""
    inner = Tokenizer(models.BPE(ignore_merges=rule == "llama-bpe"))
    expression = RULES[rule]
    if expression is None:
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        split = pre_tokenizers.Split(Regex(expression), behavior="isolated")
        in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        inner.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])
    inner.normalizer = normalizers.NFC() if rule == "qwen2" else None
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    inner.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    )
    return _wrapped(inner)


def sentence_tokenizer() -> PreTrainedTokenizerFast:
    """SentencePiece's BPE as tokenizer.json of Llama 2 has it: blanks as letters, bytes for the unknown."""
    inner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    special = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    inner.train_from_iterator(TEXTS, trainer)
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    plain = Tokenizer.from_str(_without_added_bytes(inner.to_str()))
    return _wrapped(plain, bos_token="<s>", unk_token="<unk>")


def base_directory(
    directory: Path,
    family: str = "llama",
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    dtype: torch.dtype = torch.float32,
    **changes: Any,
) -> BaseModelDir:
    """A base with random weights, in norms and biases too, and its tokenizer's files."""
    tokenizer = tokenizer or byte_tokenizer("qwen2" if family.startswith("qwen") else "gpt-2")
    shape = {
        "hidden_dim": 64,
        "n_heads": 4,
        "num_hidden_layers": 2,
        "ffn_dim": 96,
        "max_seq_len": 512,
        "init_std": 0.2,
    }
    args = LlamaArguments(**(shape | {"vocab_size": 448} | FAMILIES[family] | changes))
    stages = build_stages(args, seed=3, dtype=dtype)
    generator = torch.Generator().manual_seed(5)
    for parameter in stages[0].parameters():
        if parameter.dim() == 1:
            parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    beside = directory.with_name(f"{directory.name}-tokenizer")
    tokenizer.save_pretrained(beside)
    export_base(stages, directory, beside)
    return resolve_base(directory)


def adapter_directory(directory: Path, base: BaseModelDir, *, rank: int = 4) -> Path:
    """An adapter of every linear layer, with random A and B."""
    config = LoRAConfig(rank=rank, alpha=6.0, target_modules=["wq", "wk", "wv", "wo", "w1", "w2", "w3"])
    (stage,) = load_stages(base)
    apply_lora(stage, config, seed=1)
    generator = torch.Generator().manual_seed(7)
    for parameter in get_lora_parameters(stage):
        parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    export_peft([stage], directory, base_name=str(base.path), base_digest=base.digest)
    return directory


def source_of(base: BaseModelDir, *adapters: Path, role: str | None = None) -> ModelSource:
    """What `find_model` would say of them."""
    return ModelSource("tiny", base, adapters, base.tokenizer_path, role)


def _wrapped(inner: Tokenizer, **named: str) -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=SPECIALS[2:],
        chat_template=CHATML,
        **named,
    )
    tokenizer.add_tokens([AddedToken("harbor-town", normalized=False)])
    return tokenizer


def _without_added_bytes(described: str) -> str:
    """Bytes are tokens of the model there, not added ones; only unk and bos are special."""
    import json

    tree = json.loads(described)
    tree["added_tokens"] = [token for token in tree["added_tokens"] if token["id"] < 2]
    return json.dumps(tree)
