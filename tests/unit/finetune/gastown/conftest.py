# SPDX-License-Identifier: Apache-2.0
"""A town, what lies outside it, and a port on which nothing listens."""

import socket
from pathlib import Path

import pytest

from node0.finetune.gastown.installation import Places
from node0.town import Town


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


SETTINGS = """{
  "type": "town-settings", "version": 1,
  "scheduler": {"max_polecats": 3.0, "note": "caf\\u00e9"},
  "agents": {"opus": {"provider": "claude"}},
  "role_agents": {"deacon": "opus"}
}
"""


@pytest.fixture
def town(town_root: Path) -> Town:
    """A town whose settings are written in a way of their own."""
    town = Town(town_root)
    town.settings_file.write_text(SETTINGS)
    return town


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(
        program=tmp_path / "node 0" / "bin" / "node0",
        claude_settings=tmp_path / "home" / ".claude" / "settings.json",
        units=tmp_path / "home" / ".config" / "systemd" / "user",
        claude_states=(tmp_path / "home" / ".claude.json",),
    )
