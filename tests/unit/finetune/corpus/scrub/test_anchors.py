# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.anchors import anchors_of_joined, find_anchors, rule_matches
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.joined_lines import joined_lines

TOKEN = "ghp_0123456789abcdefABCDEF0123456789wxyz"


def kinds(text: str) -> list[tuple[str, str]]:
    return [
        (match.finding.kind, text[match.finding.start : match.finding.end])
        for match in rule_matches(find_anchors(text))
    ]


def test_a_rule_matches_where_its_anchor_stands() -> None:
    assert kinds(f"a {TOKEN} b") == [("github-token", TOKEN)]
    assert kinds("nothing of the kind") == []


def test_an_anchor_of_a_long_word_is_not_looked_for_among_short_words() -> None:
    assert not find_anchors("ghp_ AKIA hf_ xox").exact


def test_an_anchor_without_what_its_rule_needs_does_not_count() -> None:
    wanted = '"d":"'

    assert not [rule for _, rule in find_anchors(wanted).exact if rule.needs == ("kty",)]
    assert [rule for _, rule in find_anchors('{"kty":"RSA",' + wanted).exact if rule.needs == ("kty",)]


def test_a_folded_anchor_is_found_in_either_case_and_in_its_place() -> None:
    text = "\u0130 AUTHORIZATION: Bearer aB3dE5gH7jK9mN1pQ3rS"

    assert ("authorization", "aB3dE5gH7jK9mN1pQ3rS") in kinds(text)


def test_a_match_may_begin_before_its_anchor() -> None:
    text = "id 123456789:AA" + "aB3dE5gH7jK9mN1pQ3rS5tU7vW9xY1zA3"

    (match,) = [match for match in rule_matches(find_anchors(text)) if match.rule.kind == "telegram-token"]

    assert text[match.start :].startswith("123456789:AA")
    assert match.finding.tier is Tier.REDACT


def test_an_anchor_that_a_break_had_split_is_found_in_the_joined_lines() -> None:
    text = f"use {TOKEN[:2]}\n{TOKEN[2:]}"
    joined = joined_lines(text)

    assert joined
    before = find_anchors(text)
    after = anchors_of_joined(before, joined)
    assert "ghp_" not in [anchor for anchor, _ in before.exact]
    assert "ghp_" in [anchor for anchor, _ in after.exact]


@given(st.text(max_size=60))
def test_any_text_has_its_anchors_in_the_places_of_the_text(text: str) -> None:
    assert len(find_anchors(text).folded) == len(text)
