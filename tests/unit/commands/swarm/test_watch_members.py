# SPDX-License-Identifier: Apache-2.0
"""What is shown of a run whose members answer from a list; its file is real."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node0.commands.swarm import watch_members as command
from node0.commands.swarm.watch_members import watch_members
from node0.errors import ConfigError, NotFound
from node0.pipeline.swarm.status import MemberStatus
from node0.swarm.run.create import create_run
from node0.swarm.run.layout import lay_out
from node0.swarm.run.run_file import read_run
from node0.swarm.run.swarm_run import SwarmRun

Printed = pytest.CaptureFixture[str]


class Members:
    """Looks at the members: each finds one more microbatch done, and a speed from the second on."""

    def __init__(self, last: int = 9) -> None:
        self.last, self.asked, self.seen, self.closed = last, [], 0, False

    def __call__(self, directory: Path, run: SwarmRun, *, every: float) -> Iterator[list[MemberStatus]]:
        self.asked.append((directory, run.run_id, every))
        self.seen = 0
        try:
            while self.seen < self.last:
                self.seen += 1
                speed = 1.5 if self.seen > 1 else None
                yield [MemberStatus("head-0", "head-0", "Qm12345678", 3, self.seen, speed, None, 0.0)]
        finally:
            self.closed = True


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two stages and a trainer."""
    slots = lay_out(2, replicas={}, spares=0, hosts={})
    create_run(tmp_path / "run", slots, common=SwarmRun(num_stages=2, local_mode=True), settings="")
    return tmp_path / "run"


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    found = Members()
    monkeypatch.setattr(command, "looks", found)
    return found


@pytest.mark.parametrize("terminal", [True, False])
def test_machines_get_the_second_look_which_knows_speeds(
    run: Path, members: Members, monkeypatch: pytest.MonkeyPatch, capsys: Printed, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)

    watch_members(run, every=30.0, once=False, as_json=True)

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["member"], row["microbatches"], row["tokens_per_second"]) == ("head-0", 2, 1.5)
    assert (row["memory_bytes"], row["problem"]) == (None, "")
    assert (members.seen, members.closed) == (2, True)


@pytest.mark.parametrize(("once", "terminal"), [(True, True), (False, False)])
def test_people_get_one_table_where_they_ask_for_one_or_nobody_watches(
    run: Path, members: Members, monkeypatch: pytest.MonkeyPatch, capsys: Printed, once: bool, terminal: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setenv("COLUMNS", "200")

    watch_members(run, every=30.0, once=once, as_json=False)

    shown = capsys.readouterr().out
    assert shown.count("head-0") == 2 and "...12345678" in shown and "problem" not in shown
    assert (members.seen, members.closed) == (2, True)
    assert members.asked == [(run, read_run(run).run_id, 1.0)]


def test_on_a_terminal_every_look_is_shown_at_the_pace_that_was_asked_for(
    run: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(
        command.console, "watch", lambda tables, *, title: shown.append((title, list(tables)))
    )

    watch_members(run, every=0.25, once=False, as_json=False)

    ((title, tables),) = shown
    assert title == read_run(run).run_id
    assert [rows[0]["microbatches"] for rows in tables] == [str(number) for number in range(1, 10)]
    assert (members.asked[0][2], members.closed) == (0.25, True)


def test_watching_that_is_interrupted_lets_the_observer_go(
    run: Path, members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(tables: Iterator[Any], *, title: str) -> None:
        next(tables)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setattr(command.console, "watch", interrupted)

    with pytest.raises(KeyboardInterrupt):
        watch_members(run, every=0.25, once=False, as_json=False)
    assert members.closed


def test_a_run_may_be_named_by_its_file_and_from_the_home(
    run: Path, members: Members, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setenv("HOME", str(run.parent))

    watch_members(run / "run.json", every=1.0, once=True, as_json=True)
    watch_members(Path("~/run"), every=1.0, once=True, as_json=True)

    assert [directory for directory, _, _ in members.asked] == [run, run]


def test_what_is_no_run_is_refused_before_anybody_is_asked(tmp_path: Path, members: Members) -> None:
    with pytest.raises((ConfigError, NotFound)):
        watch_members(tmp_path / "nowhere", every=1.0, once=True, as_json=True)

    assert members.asked == []


def test_a_machine_without_the_observers_key_is_told_so(run: Path) -> None:
    for key in run.rglob("observer*"):
        key.unlink()

    with pytest.raises(NotFound, match="observer"):
        watch_members(run, every=1.0, once=True, as_json=True)
