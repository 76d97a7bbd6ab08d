# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace

from node0.finetune.checkpoint.gguf.vocabulary import TokenType, Vocabulary

PLAIN = Vocabulary(
    model="gpt2",
    tokens=("a", "b", "ab", "<|end|>"),
    types=(TokenType.NORMAL, TokenType.NORMAL, TokenType.NORMAL, TokenType.CONTROL),
    merges=("a b",),
    pre="qwen2",
    eos=3,
    chat_template="{{ messages }}",
)


def test_metadata_gives_the_same_vocabulary_back() -> None:
    scored = replace(PLAIN, model="llama", merges=(), scores=(0.0, -1.0, -2.0, -3.0), bos=0, add_bos=True)

    assert Vocabulary.from_metadata(PLAIN.metadata()) == PLAIN
    assert Vocabulary.from_metadata(scored.metadata()) == scored


def test_a_vocabulary_without_merges_still_has_the_field() -> None:
    bytes_only = replace(PLAIN, merges=())

    assert bytes_only.metadata()["tokenizer.ggml.merges"] == [""]
    assert Vocabulary.from_metadata(bytes_only.metadata()) == bytes_only


def test_an_absent_id_is_no_field() -> None:
    found = PLAIN.metadata()

    assert found["tokenizer.ggml.eos_token_id"] == 3
    assert "tokenizer.ggml.bos_token_id" not in found


def test_differences_are_named() -> None:
    assert PLAIN.differences(replace(PLAIN, merges=(), eos=2)) == ["merges", "eos"]
    assert PLAIN.differences(PLAIN) == []
