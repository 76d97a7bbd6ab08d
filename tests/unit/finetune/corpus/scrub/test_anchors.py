# SPDX-License-Identifier: Apache-2.0
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.anchor_search import folded_like
from node0.finetune.corpus.scrub.anchors import (
    LONGEST_ANCHOR,
    anchors_of_joined,
    find_anchors,
    rule_matches,
)
from node0.finetune.corpus.scrub.finding import Tier
from node0.finetune.corpus.scrub.joined_lines import JoinedLines, joined_lines
from node0.finetune.corpus.scrub.rules.rule_table import SECRET_RULES
from node0.finetune.corpus.scrub.views import GAP, View

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


ANCHORED = {
    (anchor, rule) for rule in SECRET_RULES for anchor in rule.anchors if not (rule.in_line or rule.needs)
}
PIECES = [*sorted({anchor for anchor, _ in ANCHORED}), "\n", " ", " ", "word", "aB3dE5gH7jK9" * 8]


@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=24), st.data())
def test_near_breaks_those_anchors_stand_that_a_search_for_each_finds(
    pieces: list[str], data: st.DataObject
) -> None:
    text, ends = "".join(pieces), list(accumulate(map(len, pieces)))[:-1]
    joined = JoinedLines(View(text), sorted(data.draw(st.sets(st.sampled_from(ends), min_size=1))))
    edges = GAP.join(text[max(0, at - LONGEST_ANCHOR) : at + LONGEST_ANCHOR] for at in joined.breaks)

    found = anchors_of_joined(find_anchors(""), joined)

    assert {one for one in (*found.exact, *found.either_case) if not one[1].needs} == {
        (anchor, rule) for anchor, rule in ANCHORED if anchor in (folded_like(edges) if rule.fold else edges)
    }
