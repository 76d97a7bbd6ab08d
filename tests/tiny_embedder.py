# SPDX-License-Identifier: Apache-2.0
"""A small sentence-embedding model with random weights, as a Hugging Face directory."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def make_embedder(directory: Path, *, seed: int = 0, pooling: str = "mean_tokens", longest: int = 24) -> Path:
    """Letters are its tokens; what it says of a text depends on all of them."""
    letters = [*SPECIAL, *map(chr, range(33, 127)), *(f"##{chr(code)}" for code in range(33, 127))]
    tokenizer = Tokenizer(
        models.WordPiece({token: at for at, token in enumerate(letters)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(directory)
    config = BertConfig(
        vocab_size=len(letters),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
    )
    torch.manual_seed(seed)
    BertModel(config).save_pretrained(directory)
    (directory / "1_Pooling").mkdir(exist_ok=True)
    said = {"word_embedding_dimension": 32, f"pooling_mode_{pooling}": True, "pooling_mode_max_tokens": False}
    (directory / "1_Pooling" / "config.json").write_text(json.dumps(said))
    (directory / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest}))
    return directory
