# SPDX-License-Identifier: Apache-2.0
"""The sample tokenizer."""

import pytest
from tokenizers import Tokenizer

from town.generator.documents import documents
from town.generator.names import whole_words
from vocabulary import FRAMES, SPECIALS, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(documents().values(), vocab_size=900)


def test_every_name_and_id_after_a_blank_is_one_token(tokenizer: Tokenizer) -> None:
    lengths = {word: len(tokenizer.encode(f" {word}").ids) for word in whole_words()}

    assert set(lengths.values()) == {1}


def test_frames_and_special_tokens_are_one_token_each(tokenizer: Tokenizer) -> None:
    assert all(len(tokenizer.encode(text).ids) == 1 for text in (*FRAMES, *SPECIALS))


@pytest.mark.parametrize(
    "text",
    [
        "stale harbor/nux 47m\nhb-zzz acetone",
        '<tool_call>{"name":"Bash","arguments":{"command":"gt nudge harbor/nux \\"why?\\""}}</tool_call>',
        "bytes: é ✓ 漢 \t\n  end",
    ],
)
def test_any_text_comes_back_from_its_ids(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_training_twice_gives_the_same_tokenizer() -> None:
    texts = list(documents().values())

    assert train_tokenizer(texts, vocab_size=700).to_str() == train_tokenizer(texts, vocab_size=700).to_str()
