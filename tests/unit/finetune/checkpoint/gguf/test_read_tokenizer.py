# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from tiny_chat import CHATML
from tiny_export import RULES, TEXTS, byte_tokenizer, sentence_tokenizer
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from node0.errors import ConfigError
from node0.finetune.checkpoint.gguf.read_tokenizer import PROBES, differing_text, plain_ids, read_vocabulary
from node0.finetune.checkpoint.gguf.tokenize import GgufTokenizer
from node0.finetune.checkpoint.gguf.vocabulary import TokenType

ROWS = 448


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_found_by_what_the_tokenizer_does(rule: str) -> None:
    vocabulary = read_vocabulary(byte_tokenizer(rule), ROWS)

    assert (vocabulary.model, vocabulary.pre) == ("gpt2", rule)


@pytest.mark.parametrize("rule", RULES)
def test_the_vocabulary_makes_the_tokenizers_ids(rule: str) -> None:
    tokenizer = byte_tokenizer(rule)
    made = GgufTokenizer(read_vocabulary(tokenizer, ROWS))

    for text in (*TEXTS, *PROBES, "to harbor-town<|im_end|>\n<|im_start|>user\nthe"):
        assert made.encode(text) == plain_ids(tokenizer, text)


def test_sentencepiece_is_told_by_its_bytes_and_makes_the_tokenizers_ids() -> None:
    tokenizer = sentence_tokenizer()
    vocabulary = read_vocabulary(tokenizer, ROWS)

    assert (vocabulary.model, vocabulary.add_bos, vocabulary.add_space_prefix) == ("llama", True, True)
    assert vocabulary.types[0] == TokenType.UNKNOWN
    assert vocabulary.types[vocabulary.tokens.index("<0x41>")] == TokenType.BYTE
    assert differing_text(vocabulary, tokenizer, [*TEXTS, *PROBES]) is None


def test_an_added_word_that_llama_cpp_would_find_elsewhere_is_refused() -> None:
    tokenizer = sentence_tokenizer()
    tokenizer.add_tokens([AddedToken("quarry", normalized=True)])

    with pytest.raises(ConfigError, match=r"makes other ids of 'a quarry, .*' than this tokenizer"):
        read_vocabulary(tokenizer, ROWS)


def test_tokens_know_what_they_are() -> None:
    tokenizer = byte_tokenizer()
    vocabulary = read_vocabulary(tokenizer, ROWS, stop_ids=[tokenizer.convert_tokens_to_ids("<|im_end|>")])
    kinds = dict(zip(vocabulary.tokens, vocabulary.types, strict=True))

    assert kinds["<|im_end|>"] == TokenType.CONTROL
    assert kinds["harbor-town"] == TokenType.USER_DEFINED
    assert kinds["the"] == TokenType.NORMAL
    assert kinds[f"[PAD{ROWS - 1}]"] == TokenType.UNUSED
    assert vocabulary.tokens[vocabulary.eos or 0] == "<|end|>"
    assert vocabulary.tokens[vocabulary.eot or 0] == "<|im_end|>"
    assert vocabulary.chat_template == CHATML


def test_a_rule_that_llama_cpp_has_not_is_refused_and_can_be_overridden() -> None:
    tokenizer = byte_tokenizer(texts=["the   a   the   a   there"] * 9, vocab_size=290)
    split = pre_tokenizers.Split(Regex(r" ?\p{L}+| ?[^\s\p{L}]+|\s+"), behavior="isolated")
    in_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, in_bytes])

    with pytest.raises(
        ConfigError, match=r"no rule that cuts texts as this tokenizer does; name the nearest"
    ):
        read_vocabulary(tokenizer, ROWS)
    assert read_vocabulary(tokenizer, ROWS, pre="gpt-2").pre == "gpt-2"
    with pytest.raises(ConfigError, match="no rule 'nearest' is known here; take one of gpt-2,"):
        read_vocabulary(tokenizer, ROWS, pre="nearest")


def test_ids_beyond_the_models_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"ids up to \d+, the model 300 rows"):
        read_vocabulary(byte_tokenizer(), 300)


def test_a_tokenizer_without_an_end_is_refused() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.eos_token = None

    with pytest.raises(ConfigError, match="names no eos_token"):
        read_vocabulary(tokenizer, ROWS)


def test_two_ids_of_one_text_are_refused() -> None:
    tokenizer = byte_tokenizer()
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    described["model"]["vocab"]["[PAD447]"] = described["model"]["vocab"].pop("!")
    twice = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(described)), eos_token="<|end|>"
    )

    with pytest.raises(ConfigError, match=r"two ids have the text '\[PAD447\]'"):
        read_vocabulary(twice, ROWS)


def test_another_kind_than_bpe_is_refused() -> None:
    words = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel({"a": 0, "<e>": 1}, unk_token="a")), eos_token="<e>"
    )

    with pytest.raises(ConfigError, match="kind WordLevel is not written as GGUF, only BPE is"):
        read_vocabulary(words, 4)
