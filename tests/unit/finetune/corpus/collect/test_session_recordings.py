# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.corpus.collect.session_recordings import SessionRecordings
from node0.finetune.corpus.town.sessions import Session
from node0.town import Town


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Town:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PI_CODING_AGENT_DIR", str(tmp_path / "pi"))
    monkeypatch.setenv("CODEX_HOME", str(tmp_path / "codex"))
    root = tmp_path / "gt"
    root.mkdir()
    return Town(root)


def begun(name: str, actor: str, at: str) -> Session:
    return Session(name, "witness", "demo", f"2026-01-05T{at}+00:00", (), actor)


def recorded(town: Town, name: str, place: str, at: str) -> None:
    """A session of pi in a directory of the town."""
    path = town.root.parent / "pi" / "sessions" / "--x--" / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"type": "session", "id": name, "timestamp": f"2026-01-05T{at}Z", "cwd": str(town.root / place)}
    path.write_text(json.dumps(head) + "\n")


def found(town: Town, *sessions: Session) -> list[list[str]]:
    recordings = SessionRecordings(town, sessions, ())
    return [[one.session_id for one in recordings.of(session)] for session in sessions]


def test_a_session_is_found_by_its_id_wherever_it_worked(town: Town) -> None:
    recorded(town, "p1", "elsewhere", "09:00:00")

    assert found(town, begun("p1", "demo/witness", "06:00:00")) == [["p1"]]


def test_a_session_without_an_id_of_its_own_is_found_by_place_and_time(town: Town) -> None:
    recorded(town, "p1", "demo/witness", "06:00:01")
    recorded(town, "p2", "demo/witness/rig", "06:04:00")
    recorded(town, "other", "demo/refinery", "06:00:01")
    recorded(town, "next", "demo/witness", "07:59:10")

    sessions = (begun("g1", "demo/witness", "06:00:00"), begun("g2", "demo/witness", "08:00:00"))

    assert found(town, *sessions) == [["p1", "p2"], ["next"]]


@pytest.mark.parametrize("at", ["05:57:00", "06:11:00"])
def test_what_began_long_before_or_behind_is_another_session(town: Town, at: str) -> None:
    recorded(town, "p1", "demo/witness", at)

    assert found(town, begun("g1", "demo/witness", "06:00:00")) == [[]]


def test_the_nearest_actor_around_a_directory_worked_in_it(town: Town) -> None:
    recorded(town, "p1", "deacon/dogs/rex", "06:00:01")

    assert found(town, begun("g1", "deacon", "06:00:00"), begun("g2", "deacon/dogs/rex", "06:00:00")) == [
        [],
        ["p1"],
    ]


def test_what_an_agent_with_a_recording_of_its_own_began_is_not_its_session(town: Town) -> None:
    recorded(town, "own", "demo/witness", "06:00:00")
    recorded(town, "by-hand", "demo/witness", "06:01:00")

    assert found(town, begun("own", "demo/witness", "06:00:00")) == [["own"]]


def test_a_recording_outside_of_the_town_is_nobodys(town: Town) -> None:
    recorded(town, "p1", "../demo/witness", "06:00:00")

    assert found(town, begun("g1", "demo/witness", "06:00:00"), begun("g2", "", "06:00:00")) == [[], []]
