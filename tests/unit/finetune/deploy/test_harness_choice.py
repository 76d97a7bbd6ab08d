# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from deploy_town import town

from node0.errors import ConfigError
from node0.finetune.deploy.harness_choice import harness_of, make_agent
from node0.town import Town

__all__ = ["town"]

OPENCODE = {"command": "/usr/bin/opencode"}
MINE = {"mine": OPENCODE, "other": {**OPENCODE, "provider": "claude"}}


@pytest.mark.parametrize(
    ("settings", "harness"),
    [
        ({}, "claude"),
        ({"default_agent": "opencode"}, "opencode"),
        ({"default_agent": "pi"}, "pi"),
        ({"default_agent": "gemini"}, "claude"),
        ({"default_agent": "opencode", "role_agents": {"deacon": "claude"}}, "claude"),
        ({"role_agents": {"deacon": "opencode"}}, "opencode"),
        ({"role_agents": {"witness": "opencode"}}, "claude"),
        ({"role_agents": {"deacon": "mine"}, "agents": MINE}, "opencode"),
        ({"role_agents": {"deacon": "other"}, "agents": MINE}, "claude"),
        ({"role_agents": {"deacon": 3}, "agents": []}, "claude"),
        ({"role_agents": {"deacon": "ft"}, "agents": {"ft": {"provider": "opencode"}}}, "opencode"),
    ],
)
def test_the_harness_is_that_of_what_the_role_runs(town: Town, settings: Any, harness: str) -> None:
    town.settings_file.write_text(json.dumps(settings))

    assert harness_of(town, "deacon") == harness


def test_a_rigs_own_settings_come_first(town: Town) -> None:
    town.settings_file.write_text(json.dumps({"role_agents": {"witness": "claude"}, "agents": MINE}))
    own = town.root / "demo" / "settings" / "config.json"
    own.parent.mkdir()
    own.write_text(json.dumps({"role_agents": {"witness": "mine"}}))

    assert harness_of(town, "witness", rig="demo") == "opencode"
    assert harness_of(town, "witness", rig="other") == harness_of(town, "witness") == "claude"


def test_a_harness_that_there_is_not_is_refused(town: Town) -> None:
    with pytest.raises(ConfigError, match=r"no harness .opencod.*opencode"):
        make_agent("opencod")
