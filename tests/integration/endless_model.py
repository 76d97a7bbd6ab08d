# SPDX-License-Identifier: Apache-2.0
"""A model whose answers end at their limit alone, for what happens in the middle of an answer."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast


def endless_model(directory: Path) -> Path:
    """A random model over bytes that never ends an answer, with a context that takes long to fill."""
    marks = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
    pieces = [*marks, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens(marks)
    PreTrainedTokenizerFast(tokenizer_object=core, eos_token="<|end|>").save_pretrained(directory)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(**shape, vocab_size=len(pieces), max_position_embeddings=65536)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        # Every row's first feature is large, and on it no mark is ever likely.
        model.model.embed_tokens.weight[:, 0] = 1.0
        model.lm_head.weight[: len(marks), 0] = -10.0
    model.save_pretrained(directory)
    return directory
