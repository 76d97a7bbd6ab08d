# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

from town_events import POLECAT, START, event, only, started

from node0.finetune.corpus.town.events import BEADS, Event
from node0.finetune.corpus.town.windows import windows_of


def test_the_topic_names_the_bead_too() -> None:
    assert only(started(0, topic="assigned:gt-z")).windows[0].bead_id == "gt-z"


def test_a_session_without_a_bead_is_one_window() -> None:
    (window,) = windows_of(started(0), [started(0), event(3, "nudge")], task_type="patrol")

    assert (window.start, window.bead_id, window.task_type, window.outcome) == (START, None, "patrol", "")


def test_naming_a_bead_again_begins_no_window() -> None:
    events = [event(1, "hook", bead="gt-a"), event(2, "sling", bead="gt-a"), event(3, "hook", bead="gt-b")]

    windows = windows_of(started(0), events, task_type="bead_work")

    assert [(window.start, window.bead_id) for window in windows] == [
        (START + timedelta(minutes=1), "gt-a"),
        (START + timedelta(minutes=3), "gt-b"),
    ]


def test_beads_tell_of_slings_only_where_events_do_not() -> None:
    told = Event(START, "sling", "mayor", {"bead": "gt-old", "target": POLECAT}, BEADS)

    both = windows_of(started(0), [told, event(1, "hook", bead="gt-a")], task_type="bead_work")
    alone = windows_of(started(0), [told], task_type="bead_work")

    assert [window.bead_id for window in both] == ["gt-a"]
    assert [window.bead_id for window in alone] == ["gt-old"]


def test_what_ends_a_window_is_not_the_next_ones() -> None:
    events = [
        event(1, "hook", bead="gt-a"),
        event(5, "done", bead="gt-a"),
        event(6, "hook", bead="gt-b"),
        event(9, "session_death"),
    ]

    windows = windows_of(started(0), events, task_type="bead_work")

    assert [window.outcome for window in windows] == ["success", "failure"]
