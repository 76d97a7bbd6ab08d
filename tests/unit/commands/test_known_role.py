# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from tiny_run import make_corpus

from node0.commands.known_role import require_role
from node0.errors import NotFound
from node0.town import Town


@pytest.mark.parametrize("role", [None, "all", "deacon", "boot"])
def test_no_role_every_role_and_a_role_of_gas_town_are_known_without_a_town(
    role: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    require_role(role, None)


@pytest.mark.parametrize(
    ("typed", "meant"), [("deakon", "deacon"), ("witnes", "witness"), ("polcat", "polecat")]
)
def test_a_misspelt_role_gets_the_nearest_one(typed: str, meant: str, town_root: Path) -> None:
    with pytest.raises(NotFound, match=rf"no role '{typed}'; did you mean '{meant}'\? A role of your own"):
        require_role(typed, town_root)


def test_a_role_is_the_towns_own_by_a_file_an_agent_or_entries(town_root: Path) -> None:
    town = Town(town_root)
    (town_root / "roles").mkdir()
    (town_root / "roles" / "scribe.toml").write_text("")
    town.settings_file.write_text(json.dumps({"role_agents": {"warden": "claude"}}))
    make_corpus(town.corpus, sessions=1)
    (town.corpus / "deacon").rename(town.corpus / "miller")

    for role in ("scribe", "warden", "miller"):
        require_role(role, town)
    with pytest.raises(NotFound, match="did you mean 'scribe'"):
        require_role("scrib", town)


def test_a_role_that_the_caller_knows_is_known(town_root: Path) -> None:
    require_role("herald", town_root, ["herald"])
