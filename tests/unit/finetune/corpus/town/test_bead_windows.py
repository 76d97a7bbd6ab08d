# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest
from bead_rows import Row, bead, changed, closed, hooked

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of
from node0.finetune.corpus.town.bead_windows import sling_events, with_beads
from node0.finetune.corpus.town.events import Event
from node0.finetune.corpus.town.sessions import Session, sessions_of
from node0.finetune.corpus.town.timestamps import timestamp_of

TOAST, ONYX = "demo/polecats/toast", "demo/polecats/onyx"


def event(minute: int, kind: str, actor: str = TOAST, **payload: str) -> Event:
    at = timestamp_of("2026-01-05T06:00:00Z")
    assert at is not None
    return Event(at + timedelta(minutes=minute), kind, actor, payload)


def started(minute: int, session: str = "s1", **payload: str) -> Event:
    return event(minute, "session_start", session_id=session, role=TOAST, **payload)


def told(events: list[Event], rows: list[Row]) -> list[Session]:
    outcomes = Outcomes(beads_of(rows))
    every = sorted([*events, *sling_events(outcomes)], key=lambda one: one.at)
    return [with_beads(session, outcomes) for session in sessions_of(every)]


def windows(events: list[Event], rows: list[Row]) -> list[tuple[str | None, str]]:
    (session,) = told(events, rows)
    return [(window.bead_id, window.outcome) for window in session.windows]


WORK = [bead("gt-a"), bead("gt-b"), hooked("gt-a", 0, TOAST), hooked("gt-b", 30, TOAST)]


def test_beads_cut_a_session_whose_events_tell_of_none() -> None:
    rows = [*WORK, closed("gt-a", 20, TOAST, "Merged"), closed("gt-b", 50, TOAST, "Failed: no build")]

    assert windows([started(1)], rows) == [("gt-a", "success"), ("gt-b", "failure")]


def test_events_cut_a_session_where_they_tell_of_beads() -> None:
    assert windows([started(1), event(2, "hook", bead="gt-z")], WORK) == [("gt-z", "")]


def test_a_sling_that_had_ended_is_not_the_next_sessions() -> None:
    rows = [bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 20, TOAST)]

    assert windows([started(25)], rows) == [(None, "")]
    assert windows([started(15)], rows) == [("gt-a", "success")]


def test_what_another_worker_did_with_the_bead_is_not_this_sessions() -> None:
    rows = [
        bead("gt-a"),
        hooked("gt-a", 0, TOAST),
        changed("gt-a", 1, TOAST, "hooked", status="in_progress"),
        changed("gt-a", 9, "demo/witness", "in_progress", status="open", assignee=""),
        hooked("gt-a", 12, ONYX),
        closed("gt-a", 30, "demo/refinery"),
    ]

    assert windows([started(1, topic="assigned:gt-a")], rows) == [("gt-a", "failure")]


@pytest.mark.parametrize(
    ("ending", "reason", "outcome"),
    [
        (event(8, "done", bead="gt-a"), "Rejected: wrong", "abandoned"),
        (event(8, "done", bead="gt-a"), "Email sent", "success"),
        (event(8, "done", bead="gt-a", status="ESCALATED"), "Merged", "escalated"),
        (event(8, "session_death"), "Merged", "failure"),
        (event(8, "nudge"), "Merged", "success"),
    ],
)
def test_the_bead_says_what_became_of_work_that_was_handed_in(
    ending: Event, reason: str, outcome: str
) -> None:
    rows = [bead("gt-a"), hooked("gt-a", 0, TOAST), closed("gt-a", 20, "mayor", reason)]

    assert windows([started(1, topic="assigned:gt-a"), ending], rows) == [("gt-a", outcome)]


def test_a_bead_that_is_not_there_changes_nothing() -> None:
    assert windows([started(1, topic="assigned:gt-x"), event(8, "done", bead="gt-x")], []) == [
        ("gt-x", "success")
    ]


def test_a_beads_quality_is_its_sessions() -> None:
    good = ("", "interactions", {"id": "i", "issue_id": "gt-a", "label": "good"})

    (session,) = told([started(1, topic="assigned:gt-a")], [bead("gt-a"), hooked("gt-a", 0, TOAST), good])

    assert [window.quality for window in session.windows] == [1.0]


def test_a_last_sling_that_both_tell_of_is_the_next_sessions() -> None:
    rows = [bead("gt-a"), bead("gt-b"), hooked("gt-a", 0, TOAST), hooked("gt-b", 29, TOAST)]
    events = [
        event(0, "sling", "mayor", bead="gt-a", target=TOAST),
        started(1),
        event(29, "sling", "mayor", bead="gt-b", target=TOAST),
        started(30, "s2"),
    ]

    found = {session.session_id: session.windows[0].bead_id for session in told(events, rows)}

    assert found == {"s1": "gt-a", "s2": "gt-b"}
