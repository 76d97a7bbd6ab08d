# SPDX-License-Identifier: Apache-2.0
import random
import re

import pytest
from secret_formats import FORMATS

from node0.finetune.corpus.scrub.rules.secret_rule import SecretRule
from node0.finetune.corpus.scrub.rules.token_rules import TOKEN_RULES


@pytest.mark.parametrize("rule", TOKEN_RULES, ids=lambda rule: f"{rule.kind} {rule.anchors[0]}")
def test_a_token_is_a_kind_in_small_letters_with_anchors_of_one_word(rule: SecretRule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", rule.kind)
    assert rule.anchors
    assert not [anchor for anchor in rule.anchors if not anchor or " " in anchor]
    assert rule.compact
    assert not rule.fold


def test_a_rule_with_a_length_matches_tokens_of_that_length() -> None:
    rng = random.Random(0)
    texts = [make(rng)[0] for make in FORMATS.values() for _ in range(4)]

    lengths = {
        rule: {len(found.group()) for text in texts if (found := rule.pattern.search(text))}
        for rule in TOKEN_RULES
        if rule.length
    }

    assert sum(rule.length in found for rule, found in lengths.items()) > len(lengths) // 2
