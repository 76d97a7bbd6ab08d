# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from typing import Any

import pytest
from serving_parts import END, TOKENIZER, encode
from tiny_chat import tiny_tokenizer

from node0.errors import ConfigError
from node0.finetune.serving.constraint import AnswerForm, Constraint, grammar
from node0.finetune.serving.grammar_masks import GrammarMasks, check_grammar


def masks(tokenizer: Any = TOKENIZER, stop_ids: tuple[int, ...] = (END,)) -> GrammarMasks:
    return GrammarMasks(tokenizer, vocab_size=len(TOKENIZER), stop_ids=stop_ids)


def json_of(schema: Any) -> str:
    return grammar(AnswerForm(Constraint(schema=schema), "tagged"))


def test_only_what_may_come_next_is_allowed_and_at_the_end_only_a_stop_id() -> None:
    mask = masks().mask(json_of({"const": True}))
    found = []
    for token_id in encode("true"):
        found.append(mask.allowed().nonzero().flatten().tolist())
        mask.accept(token_id)

    assert found == [[token_id] for token_id in encode("true")]
    assert mask.allowed().nonzero().flatten().tolist() == [END]


def test_every_stop_id_may_end_an_answer() -> None:
    other = TOKENIZER.convert_tokens_to_ids("<|im_end|>")
    mask = masks(stop_ids=(END, other)).mask(json_of({"const": 1}))
    mask.accept(encode("1")[0])

    assert set(mask.allowed().nonzero().flatten().tolist()) == {END, other}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "nonsense"),
        ({"type": "object", "if": {}}, "if"),
        ({"type": "string", "pattern": "(?<=a)b"}, "look-around"),
        ({"$ref": "http://elsewhere.example/schema"}, "fetch"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused_in_one_line(schema: Any, words: str) -> None:
    for look in (masks().mask, check_grammar):
        with pytest.raises(ConfigError, match="cannot be followed here") as refused:
            look(json_of(schema))

        assert words in str(refused.value) and "\n" not in str(refused.value)


def test_a_grammar_is_checked_without_a_tokenizer() -> None:
    check_grammar(json_of({"const": 1}))


def test_without_an_end_or_a_fast_tokenizer_there_are_no_masks() -> None:
    for broken in (masks(stop_ids=()), masks(tokenizer=object())):
        with pytest.raises(ConfigError, match="and an end token"):
            broken.mask(json_of({}))


def test_a_padding_tokenizer_is_used_without_its_padding() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.enable_padding(length=64)

    assert masks(tokenizer).mask(json_of({"const": 1})).allowed().sum() == 1


def test_the_library_is_loaded_when_the_first_mask_is_made() -> None:
    script = "import sys, node0.finetune.serving.served_models; print('llguidance' in sys.modules)"

    assert subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout == ("False\n")
