# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.corpus.town.closings import REASONS, of_closing

TOAST = "demo/polecats/toast"


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("Merged in gt-mr-1", "success"),
        ("Merged to main at 341fa43a", "success"),
        ("Direct merge to main (convoy strategy)", "success"),
        ("no-changes: already fixed and merged by nux", "success"),
        ("Completed with no code changes (already fixed or pushed directly to main)", "success"),
        ("Fixed: extractRole handles trailing slashes; stale cache dropped", "success"),
        ("Template updated: commit 3accc203 pushed", "success"),
        ("All 6 child tasks completed", "success"),
        ("Tests pass now, likely fixed upstream", "success"),
        ("Stale backlog: shipped, superseded, or no longer relevant", "abandoned"),
        ("Duplicate of gt-x0z9, fixed: added review_id", "abandoned"),
        ("Superseded by gt-kk21", "abandoned"),
        ("Pollution: --help parsed as title (bd-2c0 fix shipped)", "abandoned"),
        ("Maintenance artifacts, not real issues", "abandoned"),
        ("Rejected: an artificial cap", "abandoned"),
        ("wontfix", "abandoned"),
        ("won't do", "abandoned"),
        ("Accepted limitation: safe because re-processing is idempotent", "abandoned"),
        ("patrol cycle complete: two stale polecats, not real issues; lost work found", "success"),
        ("squashed", "success"),
        ("burned: polecat nuked", "abandoned"),
        ("Failed: build does not pass", "failure"),
        ("Reverted in 91938728, broke main", "failure"),
        ("Polecat lost findings on session death. Root cause fixed elsewhere.", "failure"),
        ("Email sent", "unknown"),
        ("Will resume on the next cycle", "unknown"),
    ],
)
def test_a_reason_in_words_tells_the_outcome(reason: str, outcome: str) -> None:
    assert of_closing(reason, "mayor", "").outcome == outcome


@pytest.mark.parametrize(
    ("closer", "worker", "outcome"),
    [
        ("demo/refinery", TOAST, "success"),
        (TOAST, TOAST, "success"),
        (TOAST, "", "unknown"),
        ("mayor", TOAST, "unknown"),
        ("", "", "unknown"),
    ],
)
@pytest.mark.parametrize("reason", ["Closed", "", " closed "])
def test_a_closing_without_a_reason_counts_by_who_closed(
    reason: str, closer: str, worker: str, outcome: str
) -> None:
    assert of_closing(reason, closer, worker).outcome == outcome


def test_a_rule_is_named_and_gives_an_outcome_that_is_known() -> None:
    assert {outcome for outcome, _, _ in REASONS} == {"success", "failure", "abandoned"}
    assert of_closing("Merged to main", "mayor", "").rule == "the reason says what was done"
    assert of_closing("Duplicate of gt-b", "mayor", "").rule == "stale, duplicate or superseded"
    assert of_closing("gone fishing", "mayor", "").rule == "a reason that no rule knows"
