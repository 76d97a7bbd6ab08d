# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from bead_rows import Row, bead, changed, closed, event, hooked, label

from node0.finetune.corpus.town.bead_outcomes import Outcomes, of_closing
from node0.finetune.corpus.town.beads import beads_of

TOAST, ONYX = "demo/polecats/toast", "demo/polecats/onyx"


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(beads_of(rows))


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


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ({"status": "open"}, "open"),
        ({"status": "hooked"}, "open"),
        ({"status": "deferred"}, "deferred"),
        ({"status": "open", "issue_type": "agent"}, "record"),
        ({"status": "closed", "issue_type": "message", "close_reason": "Fixed"}, "record"),
        ({"status": "closed", "close_reason": "Fixed"}, "success"),
    ],
)
def test_a_beads_type_and_status_come_first(facts: dict[str, Any], outcome: str) -> None:
    assert outcomes(bead("gt-a", **facts)).of["gt-a"].outcome == outcome


@pytest.mark.parametrize(
    ("told", "outcome"),
    [("merged", "success"), ("rejected", "failure"), ("conflict", "failure"), ("superseded", "abandoned")],
)
def test_a_merge_request_decides_about_the_bead_that_it_is_for(told: str, outcome: str) -> None:
    fields = (
        f"branch: polecat/toast\nsource_issue: gt-a\nworker: toast\nclose_reason: {told}\n\nWords: and more."
    )
    found = outcomes(
        bead("gt-a", close_reason="Closed"),
        bead("gt-mr", issue_type="merge-request", description=fields),
        hooked("gt-a", 0, ONYX),
        hooked("gt-a", 2, TOAST),
        closed("gt-a", 5, TOAST),
    )

    assert (found.of["gt-a"].outcome, found.of["gt-mr"].outcome) == (outcome, outcome)
    assert [sling.result.outcome for sling in found.slings["gt-a"]] == ["abandoned", outcome]


def test_the_last_merge_request_counts() -> None:
    def request(name: str, told: str, at: str) -> Row:
        fields = f"branch: b\nsource_issue: gt-a\nclose_reason: {told}"
        return bead(
            name, issue_type="merge-request", description=fields, created_at=f"2026-01-0{at}T05:00:00Z"
        )

    found = outcomes(bead("gt-a"), request("gt-2", "merged", "7"), request("gt-1", "rejected", "6"))

    assert found.of["gt-a"].outcome == "success"


def test_slings_follow_one_another_from_worker_to_worker() -> None:
    found = outcomes(
        bead("gt-a", close_reason="Closed", assignee=ONYX),
        hooked("gt-a", 0, TOAST),
        changed("gt-a", 1, TOAST, "hooked", status="in_progress"),
        changed("gt-a", 9, "demo/witness", "in_progress", status="open", assignee=""),
        changed("gt-a", 10, "mayor", status="open", assignee=""),
        hooked("gt-a", 12, ONYX, "deacon/dogs/rex"),
        closed("gt-a", 30, ONYX),
        closed("gt-a", 35, "demo/refinery"),
    )

    assert [
        (sling.worker, sling.by, sling.start.minute, sling.end and sling.end.minute, sling.result.outcome)
        for sling in found.slings["gt-a"]
    ] == [
        (TOAST, "mayor", 0, 9, "failure"),
        (ONYX, "deacon/dogs/rex", 12, 35, "success"),
    ]
    assert found.slings["gt-a"][1].result.rule == "closed by the refinery"


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([changed("gt-a", 2, TOAST, "hooked", status="open", assignee="")], "abandoned"),
        ([changed("gt-a", 2, "mayor", "hooked", status="open", assignee="")], "abandoned"),
        (
            [event("gt-a", 1, TOAST, "updated", "{}", notes="x"), changed("gt-a", 2, "mayor", status="open")],
            "failure",
        ),
        ([changed("gt-a", 2, "mayor", "hooked", status="deferred")], "deferred"),
        ([hooked("gt-a", 2, ONYX)], "abandoned"),
        ([], "open"),
    ],
    ids=["given back", "taken back unbegun", "taken back", "deferred", "given to another", "going on"],
)
def test_a_sling_that_nothing_closed_ends_by_who_ended_it(rows: list[Row], outcome: str) -> None:
    found = outcomes(bead("gt-a", "hooked"), hooked("gt-a", 0, TOAST), *rows)

    assert found.slings["gt-a"][0].result.outcome == outcome


def test_a_reopened_bead_goes_on_with_the_same_sling() -> None:
    found = outcomes(
        bead("gt-a", close_reason="Merged to main"),
        hooked("gt-a", 0, TOAST),
        closed("gt-a", 2, TOAST),
        event("gt-a", 6, TOAST, "reopened", '{"status": "closed"}', status="in_progress"),
        closed("gt-a", 30, "mayor", "Merged to main"),
    )

    (sling,) = found.slings["gt-a"]
    assert (sling.end and sling.end.minute, sling.reason) == (30, "Merged to main")


def review(name: str, score: str, created: str, **more: str) -> list[Row]:
    marks = ("type:plugin-run", "plugin:quality-review-result", "worker:toast", "rig:demo", f"score:{score}")
    return [bead(name, created_at=f"2026-01-05T{created}:00Z", **more), *label(name, *marks)]


def test_a_review_scores_the_bead_that_its_worker_had_ended() -> None:
    work = [
        *(bead(name) for name in ("gt-a", "gt-b", "gt-c")),
        *(hooked(name, minute, TOAST) for name, minute in (("gt-a", 0), ("gt-b", 20), ("gt-c", 40))),
        *(closed(name, minute, TOAST) for name, minute in (("gt-a", 10), ("gt-b", 30), ("gt-c", 50))),
    ]

    found = outcomes(
        *work, *review("gt-r", "0.8", "06:35"), *review("gt-s", "0.3", "06:55", title="gt-a, again")
    )

    assert found.quality == {"gt-b": 0.8, "gt-a": 0.3}


@pytest.mark.parametrize("score", ["", "high", "7", "-1", "nan"])
def test_a_review_with_no_score_from_0_to_1_is_none(score: str) -> None:
    found = outcomes(
        bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 1, TOAST), *review("gt-r", score, "07:00")
    )

    assert found.quality == {}


def test_a_persons_label_counts_more_than_a_review() -> None:
    audit = ("", "interactions", {"id": "i", "kind": "label", "issue_id": "gt-a", "label": "bad"})
    rows = [bead("gt-a", quality_score=0.5), hooked("gt-a", 0, TOAST), closed("gt-a", 1, TOAST)]

    assert outcomes(*rows).quality == {"gt-a": 0.5}
    assert outcomes(*rows, *review("gt-r", "0.9", "07:00")).quality == {"gt-a": 0.9}
    assert outcomes(*rows, *review("gt-r", "0.9", "07:00"), audit).quality == {"gt-a": 0.0}
