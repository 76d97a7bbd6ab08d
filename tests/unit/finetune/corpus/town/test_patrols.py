# SPDX-License-Identifier: Apache-2.0
"""Which session a patrol's result belongs to; times and rows as gt 1.0.1 and bd 1.0.0 write them."""

import pytest
from bead_rows import Row, bead, closed, hooked
from town_events import event, started

from node0.finetune.corpus.town.bead_outcomes import Outcomes
from node0.finetune.corpus.town.bead_tables import beads_of
from node0.finetune.corpus.town.bead_windows import sling_events, with_beads
from node0.finetune.corpus.town.events import Event
from node0.finetune.corpus.town.sessions import sessions_of

WITNESS = "demo/witness"
QUIET = "patrol cycle complete: All quiet, 2 beads are not real issues"
Told = dict[str, list[tuple[str | None, str]]]


def told(events: list[Event], *rows: Row) -> Told:
    outcomes = Outcomes(beads_of(rows))
    every = sorted([*events, *sling_events(outcomes)], key=lambda one: one.at)
    sessions = (with_beads(session, outcomes) for session in sessions_of(every))
    return {one.session_id: [(window.bead_id, window.outcome) for window in one.windows] for one in sessions}


def patrol(name: str, begin: int, end: int | None = None, reason: str = QUIET) -> list[Row]:
    ending = [] if end is None else [closed(name, end, WITNESS, reason)]
    return [bead(name, "hooked" if end is None else "closed"), hooked(name, begin, WITNESS, WITNESS), *ending]


def session(minute: int, name: str) -> Event:
    return started(minute, name, WITNESS)


def test_a_patrol_that_a_later_session_only_reports_belongs_to_the_one_that_walked_it() -> None:
    found = told([session(0, "walks"), session(30, "reports")], *patrol("w-1", 0, 31), *patrol("w-2", 31, 50))

    assert found == {"walks": [("w-1", "success")], "reports": [("w-2", "success")]}


def test_a_patrol_hooked_by_a_report_belongs_to_the_next_session_which_walks_it() -> None:
    found = told([session(0, "first"), session(21, "second")], *patrol("w-1", 0, 20), *patrol("w-2", 20, 50))

    assert found == {"first": [("w-1", "success")], "second": [("w-2", "success")]}


@pytest.mark.parametrize("ending", ["handoff", "session_death"])
def test_nobody_walks_a_patrol_between_two_sessions(ending: str) -> None:
    """The first session ended early and hours went by before the next one was started."""
    death = {"agent": WITNESS} if ending == "session_death" else {}
    events = [session(0, "first"), event(2, ending, WITNESS, **death), session(120, "second")]

    found = told(events, *patrol("w-1", 1, 140))

    assert found["second"] == [("w-1", "success")]


def test_a_patrol_that_goes_on_is_on_the_hook_of_the_last_session() -> None:
    found = told([session(0, "first"), session(30, "second")], *patrol("w-1", 0))

    assert found == {"first": [(None, "")], "second": [("w-1", "")]}


def test_a_patrol_hooked_before_any_session_that_is_known_is_the_first_ones() -> None:
    assert told([session(5, "first")], *patrol("w-1", 0, 20)) == {"first": [("w-1", "success")]}


@pytest.mark.parametrize("reason", ["burned: replaced by new patrol cycle", "stale patrol cleanup"])
def test_a_patrol_that_was_thrown_away_is_no_success(reason: str) -> None:
    assert told([session(0, "s1")], *patrol("w-1", 0, 20, reason)) == {"s1": [("w-1", "abandoned")]}


def test_what_crew_takes_up_by_itself_is_no_patrol() -> None:
    """It goes on in the next session, whoever had it longer."""
    worker = "demo/crew/ann"
    rows = [bead("gt-a"), hooked("gt-a", 1, worker, worker), closed("gt-a", 90, worker)]

    found = told([started(0, "s1", worker), started(80, "s2", worker)], *rows)

    assert found == {"s1": [("gt-a", "success")], "s2": [("gt-a", "success")]}
