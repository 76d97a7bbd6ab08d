# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest

from node0.finetune.corpus.town.harness_homes import harness_homes
from node0.town import Town


def test_other_harnesses_are_looked_for_where_environment_and_agents_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(tmp_path / "gt")
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("CODEX_HOME", "XDG_DATA_HOME", "PI_CODING_AGENT_DIR", "OMP_CODING_AGENT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    names = (".codex", "variable", "agent", "rig", "preset/opencode", ".omp/agent")
    places = {name: tmp_path / name for name in names}
    for place in places.values():
        place.mkdir(parents=True)
    town.rigs_file.parent.mkdir(parents=True)
    town.rigs_file.write_text(json.dumps({"rigs": {"demo": {}}}))
    entries = {
        town.settings_file: {"a": {"env": {"CODEX_HOME": str(places["agent"])}}, "b": "broken", "c": {}},
        town.rig_settings_file("demo"): {"a": {"env": {"CODEX_HOME": "~/rig"}}},
        town.root / "settings" / "agents.json": {"a": {"env": {"XDG_DATA_HOME": str(tmp_path / "preset")}}},
    }
    for path, agents in entries.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"agents": agents}))

    assert harness_homes(town, "codex") == [places["agent"], places["rig"], places[".codex"]]
    monkeypatch.setenv("CODEX_HOME", str(places["variable"]))
    assert harness_homes(town, "codex")[0] == places["variable"]
    assert harness_homes(town, "opencode") == [places["preset/opencode"]]
    assert harness_homes(town, "pi") == [places[".omp/agent"]]
    assert harness_homes(town, "gemini") == []
    assert harness_homes(town, "claude-code") == []
