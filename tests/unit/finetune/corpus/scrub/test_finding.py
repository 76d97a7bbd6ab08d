# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.corpus.scrub.finding import Finding, Tier, resolved

FINDINGS = st.builds(
    Finding,
    st.sampled_from(["github-token", "email", "card"]),
    st.sampled_from([Tier.REDACT, Tier.QUARANTINE, Tier.KEEP]),
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from(["", "jane"]),
)


@given(st.lists(FINDINGS, max_size=12))
def test_spans_never_overlap_and_nothing_that_goes_is_lost(found: list[Finding]) -> None:
    result = resolved(found)

    covered = {at for one in result if one.tier is not Tier.KEEP for at in range(one.start, one.end)}
    wanted = {at for one in found if one.tier is not Tier.KEEP for at in range(one.start, one.end)}
    assert all(one.end <= two.start for one, two in pairwise(result))
    assert covered == wanted


def test_overlapping_findings_are_joined_under_the_surer_kind() -> None:
    asked = Finding("assigned-secret", Tier.QUARANTINE, 0, 20)
    sure = Finding("github-token", Tier.REDACT, 10, 30)

    assert resolved([asked, sure]) == [Finding("github-token", Tier.REDACT, 0, 30)]


def test_a_keep_gives_way_to_any_other_finding() -> None:
    keep, gone = Finding("email", Tier.KEEP, 0, 20), Finding("name", Tier.REDACT, 5, 9, "jane")

    assert resolved([keep, gone]) == [gone]


def test_a_name_stays_only_with_the_place_that_it_names() -> None:
    mail = Finding("email", Tier.REDACT, 0, 10, "jane@a.io")

    assert resolved([mail, Finding("name", Tier.REDACT, 2, 6, "jane")]) == [mail]
    assert resolved([mail, Finding("name", Tier.REDACT, 8, 14, "io bob")])[0].name == ""


def test_an_empty_place_is_no_finding() -> None:
    assert resolved([Finding("email", Tier.REDACT, 3, 3)]) == []
