# SPDX-License-Identifier: Apache-2.0
"""The sample tokenizer: byte-level BPE with every name, id and call frame of the town as one token.

An id that is one token is copied by looking one token up, which is what a base this small can learn.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from town.generator.names import whole_words

END = "<|end|>"
SPECIALS = (END, "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>")
FRAMES = (
    '<tool_call>{"name":"Bash","arguments":{"command":"',
    '"}}</tool_call>',
    "<tool_call>",
    "</tool_call>",
)
"What stands around every call in the shipped chat template."

PIECES = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
"GPT-2's: words, numbers, signs and blanks are merged within themselves only, and every engine knows it."


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """A tokenizer for texts of the town; any other text still has an encoding, byte by byte."""
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    # With the blank before it, as it stands in tables and commands: what follows a word is one token.
    names = [AddedToken(f" {word}", normalized=False) for word in whole_words()]
    tokenizer.add_tokens([*(AddedToken(frame, normalized=False) for frame in FRAMES), *names])
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Training numbers every piece anew; reading the result back gives the added tokens their new ids.
    return Tokenizer.from_str(tokenizer.to_str())


def save_tokenizer(tokenizer: Tokenizer, directory: Path, *, max_length: int) -> None:
    """Write the two files that Hugging Face loaders read."""
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": SPECIALS[1],
        "additional_special_tokens": list(SPECIALS[2:]),
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
