# SPDX-License-Identifier: Apache-2.0
import pytest
from tokenizers import Regex, pre_tokenizers

from node0.finetune.checkpoint.gguf.pre_tokenizers import PRE_TOKENIZERS

TEXT = "I'Ve 12345 fooBAR  x\n\n y"


def _cut(name: str) -> list[str]:
    rules = [pre_tokenizers.Split(Regex(rule), "isolated") for rule in PRE_TOKENIZERS[name].expressions]
    return [piece for piece, _ in pre_tokenizers.Sequence(rules).pre_tokenize_str(TEXT)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-2", ["I", "'", "Ve", " 12345", " fooBAR", " ", " x", "\n\n", " y"]),
        ("llama-bpe", ["I", "'Ve", " ", "123", "45", " fooBAR", " ", " x", "\n\n", " y"]),
        ("qwen2", ["I", "'Ve", " ", "1", "2", "3", "4", "5", " fooBAR", " ", " x", "\n\n", " y"]),
        ("smollm", ["I", "'", "Ve", " ", "1", "2", "3", "4", "5", " fooBAR", " ", " x", "\n\n", " y"]),
        ("tekken", ["I", "'Ve", " ", "1", "2", "3", "4", "5", " foo", "BAR", " ", " x", "\n\n", " y"]),
        ("gpt-4o", ["I'Ve", " ", "123", "45", " foo", "BAR", " ", " x", "\n\n", " y"]),
    ],
)
def test_a_rule_cuts_as_the_models_of_its_name_do(name: str, expected: list[str]) -> None:
    assert _cut(name) == expected


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_no_rule_loses_or_doubles_a_sign(name: str) -> None:
    assert "".join(_cut(name)) == TEXT
