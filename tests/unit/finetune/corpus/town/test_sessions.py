# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node0.finetune.corpus.town.sessions import (
    Event,
    Session,
    moment_of,
    outcome_of,
    read_events,
    role_and_rig,
    sessions_of,
)

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
POLECAT = "demo/polecats/toast"


def event(minute: int, kind: str, actor: str = POLECAT, **payload: str) -> Event:
    return Event(START + timedelta(minutes=minute), kind, actor, payload)


def started(minute: int, session: str = "s1", actor: str = POLECAT, **payload: str) -> Event:
    return event(minute, "session_start", actor, session_id=session, role=actor, **payload)


def only(*events: Event) -> Session:
    (session,) = sessions_of(events)
    return session


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        ("mayor", ("mayor", "hq")),
        ("deacon", ("deacon", "hq")),
        ("deacon/boot", ("boot", "hq")),
        ("deacon/dogs/rex", ("dog", "hq")),
        ("demo/witness", ("witness", "demo")),
        ("demo/refinery", ("refinery", "demo")),
        (POLECAT, ("polecat", "demo")),
        ("demo/crew/ann", ("crew", "demo")),
        ("somebody", ("somebody", "hq")),
        ("", ("unknown", "hq")),
    ],
)
def test_role_and_rig_follow_from_the_actors_name(actor: str, expected: tuple[str, str]) -> None:
    assert role_and_rig(actor) == expected


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


def test_the_topic_names_the_bead_too() -> None:
    assert only(started(0, topic="assigned:gt-z")).windows[0].bead_id == "gt-z"


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([event(5, "done", bead="gt-a")], "success"),
        ([event(5, "done", bead="gt-a", status="COMPLETED")], "success"),
        ([event(5, "done", bead="gt-a", status="ESCALATED")], "escalated"),
        ([event(5, "done", bead="gt-a", status="DEFERRED")], "deferred"),
        ([event(4, "escalation_sent")], "escalated"),
        ([event(4, "unhook", bead="gt-a")], "abandoned"),
        (
            [event(4, "session_death", "daemon", agent=POLECAT, session="de-toast", reason="zombie")],
            "failure",
        ),
        ([event(4, "session_death", "daemon", agent=POLECAT), event(5, "done", bead="gt-a")], "success"),
        ([event(5, "done", bead="gt-other")], ""),
        ([], ""),
    ],
)
def test_the_outcome_of_a_bead_follows_from_events(events: list[Event], outcome: str) -> None:
    assert only(started(0), event(1, "hook", bead="gt-a"), *events).windows[0].outcome == outcome


@pytest.mark.parametrize(
    ("kind", "outcome"), [("handoff", "success"), ("session_death", "failure"), ("nudge", "")]
)
def test_the_outcome_of_a_patrol_follows_from_events(kind: str, outcome: str) -> None:
    session = only(started(0, actor="deacon"), event(3, kind, "deacon"))

    assert (session.windows[0].bead_id, session.windows[0].task_type) == (None, "patrol")
    assert session.windows[0].outcome == outcome


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


def test_events_are_read_over_torn_and_foreign_lines(tmp_path: Path) -> None:
    skipped: Counter[str] = Counter()
    good = {"ts": "2026-01-05T06:00:00Z", "type": "done", "actor": "x", "payload": {"bead": "gt-a"}}
    lines = [
        json.dumps(good),
        "{",
        "[]",
        "7",
        '{"ts": "never", "type": "x"}',
        json.dumps({**good, "payload": [1]}),
        "",
    ]
    (tmp_path / "e").write_text("\n".join(lines) + '\n{"ts": "2026')

    assert [found.bead for found in read_events(tmp_path / "e", skipped)] == ["gt-a"]
    assert skipped == {"event that cannot be read": 6}
    assert read_events(tmp_path / "missing", skipped) == []


def said(*blocks: dict[str, Any], role: str = "assistant") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def ran(command: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": command, "name": "Bash", "input": {"command": command}}


def answered(command: str, *, failed: bool = False) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": command, "content": "", "is_error": failed}


@pytest.mark.parametrize(
    ("command", "failed", "outcome"),
    [
        ("gt done", False, "success"),
        ("cd x && gt done --status ESCALATED", False, "escalated"),
        ("gt done --status=DEFERRED --message 'later'", False, "deferred"),
        ("gt done", True, "unknown"),
        ("bd close gt-a --reason 'done'", False, "success"),
        ("bd close gt-ab", False, "unknown"),
        ("gt status", False, "unknown"),
    ],
)
def test_a_beads_outcome_follows_from_the_transcript_where_no_event_tells(
    command: str, failed: bool, outcome: str
) -> None:
    end = said({"type": "text", "text": "Done."})
    messages = [said(ran(command)), said(answered(command, failed=failed), role="user"), end]

    assert outcome_of(messages, end, bead_id="gt-a") == outcome


def test_a_patrol_that_ends_within_a_call_is_unknown() -> None:
    cut = said(ran("gt status"))

    assert outcome_of([cut], cut, bead_id=None) == "unknown"
    assert outcome_of([], said({"type": "text", "text": "All well."}), bead_id=None) == "success"


def test_times_are_utc() -> None:
    assert moment_of("2026-01-05T07:00:00+01:00") == START
    assert moment_of("2026-01-05T06:00:00") == START
    assert moment_of("x") is None
