# SPDX-License-Identifier: Apache-2.0
import pytest
from bead_rows import Row, bead, changed, closed, event, hooked

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of
from node0.finetune.corpus.town.slings import slings_of

TOAST, ONYX = "demo/polecats/toast", "demo/polecats/onyx"


def outcomes(*rows: Row) -> Outcomes:
    return Outcomes(beads_of(rows))


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


def test_what_its_worker_closed_and_others_reopened_is_no_success_until_it_is_closed_again() -> None:
    """`bd reopen` leaves the worker and sets the status open."""
    again = event("gt-a", 6, "demo/witness", "reopened", '{"status": "closed"}', status="open")
    rows = [bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 2, TOAST), again]

    (left,) = outcomes(*rows).slings["gt-a"]
    first, second = outcomes(*rows, hooked("gt-a", 9, ONYX), closed("gt-a", 20, ONYX)).slings["gt-a"]
    (merged,) = outcomes(*rows, closed("gt-a", 20, "demo/refinery", "Merged")).slings["gt-a"]

    assert (left.end and left.end.minute, left.result.outcome) == (6, "failure")
    assert (first.end and first.end.minute, first.result.outcome) == (6, "failure")
    assert (second.worker, second.result.outcome) == (ONYX, "success")
    assert (merged.end and merged.end.minute, merged.result.outcome) == (20, "success")


def test_a_bead_closed_as_a_duplicate_is_no_success_of_its_worker() -> None:
    """`bd duplicate` closes by an update, without a word, and links the bead to the other one."""
    dup = event("gt-a", 6, TOAST, "closed", '{"status": "hooked"}', status="closed")
    link = ("", "dependencies", {"issue_id": "gt-a", "depends_on_id": "gt-b", "type": "duplicates"})

    found = outcomes(bead("gt-a"), bead("gt-b"), hooked("gt-a", 0, TOAST), dup, link)

    assert found.of["gt-a"] == found.slings["gt-a"][0].result == ("abandoned", "closed as a duplicate")


def test_a_link_to_a_bead_that_is_like_it_takes_nothing_from_work_that_was_done() -> None:
    link = ("", "dependencies", {"issue_id": "gt-a", "depends_on_id": "gt-b", "type": "supersedes"})

    found = outcomes(bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 6, TOAST), link)

    assert found.slings["gt-a"][0].result.outcome == "success"


def test_a_wisp_that_was_closed_without_an_event_ends_its_sling() -> None:
    """gt's reaper sets status and time of wisps in the table itself."""
    reaped = bead("gt-wisp-a", closed_at="2026-01-06T06:00:00Z")
    lives = bead("gt-wisp-b", "hooked")

    found = outcomes(
        reaped, lives, hooked("gt-wisp-a", 0, "demo/witness"), hooked("gt-wisp-b", 0, "demo/witness")
    )

    (ended,), (going,) = found.slings.values()
    assert (ended.end and ended.end.day, ended.result.outcome) == (6, "unknown")
    assert (going.end, going.result.outcome) == (None, "open")


def test_a_bead_that_nobody_took_has_no_sling() -> None:
    beads = beads_of([bead("gt-a"), closed("gt-a", 3, "mayor")]).beads

    assert list(slings_of(beads["gt-a"])) == []


def test_whoever_begins_a_bead_without_an_assignee_has_it() -> None:
    beads = beads_of([bead("gt-a"), changed("gt-a", 3, "demo/crew/ann", status="in_progress")]).beads

    (sling,) = slings_of(beads["gt-a"])

    assert (sling.worker, sling.role, sling.end) == ("demo/crew/ann", "crew", None)
