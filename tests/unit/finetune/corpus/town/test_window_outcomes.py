# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from town_events import POLECAT, event, only, started

from node0.finetune.corpus.town.events import Event
from node0.finetune.corpus.town.window_outcomes import transcript_outcome


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

    assert transcript_outcome(messages, end, bead_id="gt-a") == outcome


def test_a_patrol_that_ends_within_a_call_is_unknown() -> None:
    cut = said(ran("gt status"))

    assert transcript_outcome([cut], cut, bead_id=None) == "unknown"
    assert transcript_outcome([], said({"type": "text", "text": "All well."}), bead_id=None) == "success"
