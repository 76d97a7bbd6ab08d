# SPDX-License-Identifier: Apache-2.0
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from town_events import START

from node0.finetune.corpus.town.events import Event, event_of, read_events


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


def test_events_come_in_order_of_time(tmp_path: Path) -> None:
    lines = [{"ts": f"2026-01-05T06:0{minute}:00Z", "type": str(minute)} for minute in (2, 0, 1)]
    (tmp_path / "e").write_text("\n".join(map(json.dumps, lines)))

    assert [event.type for event in read_events(tmp_path / "e", Counter())] == ["0", "1", "2"]


@pytest.mark.parametrize("value", [None, [], {}, {"ts": "2026-01-05"}, {"ts": "x", "type": "done"}])
def test_what_has_no_time_or_type_is_no_event(value: Any) -> None:
    assert event_of(value) is None


def test_an_event_holds_only_words_that_a_file_can_hold() -> None:
    payload = {"bead": "gt-\ud83d", "count": 7, "more": None}

    event = event_of({"ts": "2026-01-05T06:00:00Z", "type": "done", "actor": "a\udc00", "payload": payload})

    assert event is not None
    assert (event.at, event.actor, event.payload) == (START, "a\ufffd", {"bead": "gt-\ufffd"})


def test_a_sling_lasts_until_its_end_where_one_is_known() -> None:
    end = START + timedelta(minutes=5)
    ended = Event(START, "sling", "mayor", {"until": end})

    assert ended.lasts(START)
    assert not ended.lasts(end)
    assert Event(START, "sling", "mayor", {}).lasts(end)
