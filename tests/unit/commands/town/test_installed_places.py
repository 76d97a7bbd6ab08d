# SPDX-License-Identifier: Apache-2.0
import json
import sys
from pathlib import Path

import pytest

from node0.commands.town.installed_places import places
from node0.errors import NotFound
from node0.town import Town


def program(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    found = directory / "node0"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    return found


def test_the_program_beside_this_interpreter_comes_before_the_one_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path = program(tmp_path / "bin")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "venv" / "python"))
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert places(Town(tmp_path)).program == on_path

    beside = program(tmp_path / "venv")

    assert places(Town(tmp_path)).program == beside


def test_a_machine_without_the_program_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotFound, match="no node0 beside"):
        places(Town(tmp_path))


def test_the_users_places_are_those_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    at_home = places(Town(tmp_path))

    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "claude"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    named = places(Town(tmp_path))

    assert at_home.claude_settings == tmp_path / ".claude" / "settings.json"
    assert at_home.units == tmp_path / ".config" / "systemd" / "user"
    assert named.claude_settings == tmp_path / "claude" / "settings.json"
    assert at_home.claude_states == (tmp_path / ".claude.json",)
    assert named.claude_states == (tmp_path / "claude" / ".claude.json",)
    assert named.units == tmp_path / "config" / "systemd" / "user"


def test_each_account_of_the_town_keeps_its_own_answers(
    town_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    accounts = {"accounts": {"work": {"config_dir": "~/.claude-accounts/work"}}}
    (town_root / "mayor" / "accounts.json").write_text(json.dumps(accounts))

    found = places(Town(town_root)).claude_states

    assert found == (tmp_path / ".claude.json", tmp_path / ".claude-accounts" / "work" / ".claude.json")
