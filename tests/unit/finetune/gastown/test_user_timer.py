# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.finetune.gastown.user_timer import is_enabled, start_timer, stop_timer


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A systemctl that writes down how it is called, and fails where a file says so."""
    script = tmp_path / "systemctl"
    log, fails = tmp_path / "calls", tmp_path / "fails"
    script.write_text(f'#!/bin/sh\necho "$*" >>{log}\n[ ! -e {fails} ] || {{ echo no bus >&2; exit 1; }}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return log


def test_a_timer_is_started_for_now_and_later(calls: Path) -> None:
    assert start_timer("x.timer") is None

    assert [line.split()[-1] for line in calls.read_text().splitlines()] == ["daemon-reload", "x.timer"]
    assert "--user" in calls.read_text() and "enable --now x.timer" in calls.read_text()


def test_what_stands_in_the_way_is_said(calls: Path) -> None:
    (calls.parent / "fails").touch()

    assert start_timer("x.timer") == "no bus"
    assert stop_timer("x.timer") == "no bus"
    assert not is_enabled("x.timer")


def test_a_machine_without_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert start_timer("x.timer") == "there is no systemctl on PATH"
