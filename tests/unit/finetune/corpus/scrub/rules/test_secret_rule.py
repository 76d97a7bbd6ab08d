# SPDX-License-Identifier: Apache-2.0
import re

from node0.finetune.corpus.scrub.rules.judges import opaque, token
from node0.finetune.corpus.scrub.rules.secret_rule import make_rule, make_token


def test_anchors_are_parted_by_spaces_and_may_hold_one() -> None:
    rule = make_rule("authorization", "bearer␣ basic", r"b", opaque)

    assert rule.anchors == ("bearer ", "basic")
    assert rule.judge is opaque


def test_a_folded_rule_reads_either_case_and_letters_of_ascii_only() -> None:
    assert make_rule("k", "key", r"key\w+", fold=True).pattern.match("KEYx")
    assert not make_rule("k", "key", r"key\w+").pattern.match("KEYx")
    assert make_rule("k", "key", r"key\w").pattern.flags & re.ASCII


def test_a_token_is_one_long_word_and_redacted_by_default() -> None:
    rule = make_token("harbor-token", "hy_", r"hy_\w{20}", length=23)

    assert (rule.compact, rule.length, rule.judge) == (True, 23, token)
    assert not make_rule("harbor-token", "hy_", r"hy_\w{20}").compact
