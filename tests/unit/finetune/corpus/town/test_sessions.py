# SPDX-License-Identifier: Apache-2.0
from town_events import POLECAT, event, only, started

from node0.finetune.corpus.town.sessions import sessions_of


def test_a_session_is_cut_into_bead_windows() -> None:
    session = only(
        event(-1, "sling", "mayor", bead="gt-a", target=POLECAT),
        started(0),
        event(1, "hook", bead="gt-a"),
        event(20, "done", bead="gt-a", branch="b"),
        event(30, "sling", "mayor", bead="gt-b", target=POLECAT),
        event(31, "hook", bead="gt-b"),
    )

    assert [(window.bead_id, window.outcome) for window in session.windows] == [
        ("gt-a", "success"),
        ("gt-b", ""),
    ]
    assert session.window_at("2026-01-05T05:00:00Z").bead_id == "gt-a"
    assert session.window_at("2026-01-05T06:25:00Z").bead_id == "gt-a"
    assert session.window_at("2026-01-05T06:30:00Z").bead_id == "gt-b"
    assert session.window_at("no time").bead_id == "gt-a"


def test_an_actors_sessions_do_not_share_events() -> None:
    first, second = sessions_of(
        [
            event(-2, "sling", "mayor", bead="gt-a", target=POLECAT),
            started(0),
            started(2),
            event(9, "done", bead="gt-a"),
            event(10, "sling", "mayor", bead="gt-b", target=POLECAT),
            started(12, "s2"),
            event(20, "done", bead="gt-b"),
        ]
    )

    assert [(window.bead_id, window.outcome) for window in first.windows] == [("gt-a", "success")]
    assert [(window.bead_id, window.outcome) for window in second.windows] == [("gt-b", "success")]


def test_a_resumed_session_is_one_and_one_without_an_id_is_none() -> None:
    session = only(started(0, "s1"), started(3, ""), started(5, "s1"), event(6, "hook", bead="gt-a"))

    assert (session.session_id, session.started) == ("s1", "2026-01-05T06:00:00+00:00")
    assert [window.bead_id for window in session.windows] == ["gt-a"]


def test_a_sling_stands_just_before_the_session_that_it_starts() -> None:
    first, second = sessions_of(
        [
            started(0, "s1"),
            event(5, "hook", bead="gt-a"),
            event(9, "sling", "mayor", bead="gt-b", target=POLECAT),
            started(10, "s2"),
        ]
    )

    assert [window.bead_id for window in first.windows] == ["gt-a"]
    assert [window.bead_id for window in second.windows] == ["gt-b"]


def test_a_role_of_the_town_gets_its_rig_from_its_actor() -> None:
    session = only(event(0, "session_start", "demo/witness", session_id="s1", role="witness"))

    assert (session.role, session.rig, session.actor) == ("witness", "demo", "demo/witness")


def test_a_last_sling_is_not_handed_to_a_stranger_after_minutes() -> None:
    """It went to the session that ran; the one that started half an hour later has nothing to do with it."""
    first, second = sessions_of(
        [
            started(0, "s1"),
            event(9, "sling", "mayor", bead="gt-b", target=POLECAT),
            started(40, "s2"),
        ]
    )

    assert [window.bead_id for window in first.windows] == ["gt-b"]
    assert [window.bead_id for window in second.windows] == [None]


def test_a_sling_of_an_hour_ago_is_not_what_a_session_was_started_for() -> None:
    session = only(event(0, "sling", "mayor", bead="gt-a", target=POLECAT), started(61))

    assert [window.bead_id for window in session.windows] == [None]
