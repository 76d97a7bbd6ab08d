# SPDX-License-Identifier: Apache-2.0
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub import anchor_search
from node0.finetune.corpus.scrub.anchor_search import AnchorSearch, folded_like
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrub.rules.secret_rule import LONG_WORD, make_rule, make_token

RULES = (
    make_rule("one", "log␣in PASS", "log in|PASS"),
    make_rule("two", "␣- @", " -|@"),
    make_rule("three", "pass key", "pass|key", fold=True),
    make_rule("four", "key", "key", fold=True, needs=("curl",)),
    make_token("five", "abc_", "abc_"),
)
ANCHORS = [anchor for rule in SECRET_RULES for anchor in rule.anchors]


def standing(search: AnchorSearch, text: str) -> list[tuple[str, str]]:
    exact, either_case = search.standing(text, folded_like(text), set(text.split()))
    return [(rule.kind, anchor) for anchor, rule in (*exact, *either_case)]


def test_anchors_stand_in_the_text_and_not_only_their_words() -> None:
    search = AnchorSearch(RULES)

    assert standing(search, "log  in") == []
    assert standing(search, "log in") == [("one", "log in")]
    assert standing(search, "a-b -c x@y") == [("two", " -"), ("two", "@")]


def test_only_a_folded_anchor_is_found_in_either_case() -> None:
    assert standing(AnchorSearch(RULES), "a Pass") == [("three", "pass")]
    assert standing(AnchorSearch(RULES), "a PASS") == [("one", "PASS"), ("three", "pass")]


def test_a_rule_that_needs_something_else_is_left_out_without_it() -> None:
    search = AnchorSearch(RULES)

    assert standing(search, "key") == [("three", "key")]
    assert standing(search, "curl key") == [("three", "key"), ("four", "key")]


def test_a_rule_for_one_word_looks_at_long_words_only() -> None:
    assert standing(AnchorSearch(RULES), "abc_de") == [("five", "abc_")]
    assert standing(AnchorSearch(RULES, long_word=LONG_WORD), "abc_de") == []
    assert standing(AnchorSearch(RULES, long_word=LONG_WORD), "abc_de0123456789")


@given(st.lists(st.one_of(st.sampled_from([*ANCHORS, "a", " "]), st.text(max_size=5)), max_size=12))
def test_what_stands_is_what_a_search_for_each_anchor_finds(pieces: list[str]) -> None:
    text = "".join(pieces)
    folded = folded_like(text)

    for search in (SHARED, AnchorSearch(SECRET_RULES)):
        exact, either_case = search.standing(text, folded, set(text.split()))

        assert {anchor for anchor, rule in (*exact, *either_case) if not rule.needs} == {
            anchor
            for rule in SECRET_RULES
            for anchor in rule.anchors
            if not rule.needs and anchor in (folded if rule.fold else text)
        }


SHARED = AnchorSearch(SECRET_RULES)


def test_words_that_are_forgotten_are_learned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_search, "MOST_PLAIN", 3)
    rng = random.Random(0)
    search = AnchorSearch(RULES)

    for _ in range(20):
        words = [f"w{rng.randrange(100)}" for _ in range(5)]
        assert standing(search, " ".join(words)) == []
        assert standing(search, " ".join([*words, "aPASSb"])) == [("one", "PASS"), ("three", "pass")]
        assert len(search._plain) + len(search._telling) <= 3 + 2 * 5
