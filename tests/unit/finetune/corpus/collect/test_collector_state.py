# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node0.finetune.corpus.collect.collector_state import CollectorState
from node0.finetune.corpus.scrubber import CorpusScrubber
from node0.finetune.corpus.town.events import Event
from node0.finetune.corpus.town.sessions import Session

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


def event(minute: int, kind: str = "sling", **payload: str) -> Event:
    return Event(START + timedelta(minutes=minute), kind, "mayor", payload or {"bead": "gt-a"})


def session(name: str) -> Session:
    return Session(name, "deacon", "hq", START.isoformat(), ())


def test_events_are_remembered_once_and_in_order(tmp_path: Path) -> None:
    state = CollectorState(tmp_path / "memory.json", str)
    state.events([event(5), event(1)])
    state.save()

    again = CollectorState(tmp_path / "memory.json", str).events([event(3), event(5)])

    assert [one.at.minute for one in again] == [1, 3, 5]


def test_only_what_tells_of_sessions_is_remembered(tmp_path: Path) -> None:
    state = CollectorState(tmp_path / "memory.json", str)
    state.events([event(1, bead="gt-a", message="a secret"), event(2, "nudge"), event(3, "mail")])
    state.save()

    assert len(CollectorState(tmp_path / "memory.json", str).events([])) == 1
    assert "a secret" not in (tmp_path / "memory.json").read_text()


def test_two_that_save_lose_nothing_of_each_other(tmp_path: Path) -> None:
    one, other = CollectorState(tmp_path / "memory.json", str), CollectorState(tmp_path / "memory.json", str)
    one.events([event(1)])
    one.remember(session("s1"), "m1", 10)
    other.events([event(2)])
    other.remember(session("s2"), "m2", 20)
    one.save()
    other.save()

    both = CollectorState(tmp_path / "memory.json", str)

    assert len(both.events([])) == 2
    assert both.seen(session("s1"), "m1")
    assert both.seen(session("s2"), "m2")


def test_a_session_is_seen_by_its_mark_and_shrinks_by_its_size(tmp_path: Path) -> None:
    state = CollectorState(tmp_path / "memory.json", str)
    state.remember(session("s1"), "m1", 10)

    assert (state.seen(session("s1"), "m1"), state.seen(session("s1"), "m2")) == (True, False)
    assert [state.shrank(session("s1"), size) for size in (9, 10, 11)] == [True, False, False]
    assert not state.seen(session("s2"), "m1")
    assert not state.shrank(session("s2"), 0)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"version": 2}', '{"version": 1, "sessions": {"s1": {"mark": "m1"}}}']
)
def test_a_memory_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "memory.json").write_text(content)

    state = CollectorState(tmp_path / "memory.json", str)

    assert not state.seen(session("s1"), "m1")
    state.save()
    assert json.loads((tmp_path / "memory.json").read_text())["sessions"] == {}


@pytest.mark.parametrize(
    "noted",
    [None, 7, [], {}, {"mark": "m", "bytes": "7", "entries": {}}, {"mark": "m", "bytes": 7, "entries": [1]}],
)
def test_what_was_noted_of_one_session_and_is_none_hides_no_other(tmp_path: Path, noted: object) -> None:
    file = tmp_path / "memory.json"
    good = {"mark": "m", "bytes": 7, "entries": {"one": 3}}
    file.write_text(json.dumps({"version": 2, "events": [], "sessions": {"odd\ud800": noted, "good": good}}))

    state = CollectorState(file, str)
    state.save()

    assert state.seen(session("good"), "m") and state.entries(session("good")) == {"one": 3}
    assert not state.seen(session("odd\ufffd"), "m") and not state.shrank(session("odd\ufffd"), 7)


def test_no_secret_of_an_event_reaches_the_file(tmp_path: Path) -> None:
    secret = "ghp_" + "aB3dE5gH7j" * 3 + "aB3dE5"
    scrubber = CorpusScrubber(voters=())
    state = CollectorState(tmp_path / "memory.json", scrubber.cleaned)
    state.events(
        [event(1, session_id=secret), event(2, topic=f"use {secret}"), event(3, agent="jane@harbor-yard.net")]
    )
    state.remember(session(secret), "mark", 1)
    state.save()

    written = (tmp_path / "memory.json").read_text()
    again = CollectorState(tmp_path / "memory.json", scrubber.cleaned)

    assert secret not in written
    assert "jane" not in written
    assert again.seen(session(secret), "mark")
    assert len(again.events([event(1, session_id=secret)])) == 3
