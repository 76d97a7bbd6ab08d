# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from bead_rows import Row, bead, closed, hooked, label

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of

TOAST, ONYX = "demo/polecats/toast", "demo/polecats/onyx"


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(beads_of(rows))


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


def test_a_bead_that_nobody_has_is_its_assignees() -> None:
    found = outcomes(bead("gt-a", "open", assignee=ONYX), bead("gt-b"), hooked("gt-b", 0, TOAST))

    assert [found.worker_of(one) for one in found.beads.beads.values()] == [ONYX, TOAST]
