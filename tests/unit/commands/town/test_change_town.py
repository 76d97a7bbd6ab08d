# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.commands.town.change_town import install, mend, uninstall
from node0.errors import ConfigError, NotFound
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_dry_run_shows_a_diff_and_writes_nothing(town: Town, home: Path, capsys: Output) -> None:
    text = town.settings_file.read_text()

    install(town.root, {"roles": ["deacon"], "base_model": "org/base"}, ask=False, dry_run=True)

    shown = capsys.readouterr().out
    assert f"+++ {town.settings_file}" in shown and '"ft-base-deacon": {' in shown
    assert town.settings_file.read_text() == text and not home.exists() and not town.models.exists()


def test_the_next_step_is_told(town: Town, capsys: Output) -> None:
    install(town.root, {"roles": ["deacon"], "base_model": "org/base"}, ask=False, dry_run=False)

    said = capsys.readouterr().err
    assert "--model base=org/base" in said and "node0 town status" in said
    assert "is written and does not run" in said


def test_where_claude_code_asks_no_more_is_told_and_can_be_left_out(
    town: Town, home: Path, capsys: Output
) -> None:
    given = {"roles": ["deacon"], "base_model": "org/base"}
    state = home / ".claude.json"

    install(town.root, given, ask=False, dry_run=False)
    said = capsys.readouterr().err
    assert f"starts unasked, by {state}" in said and f"\n  {town.root}\n" in said
    assert str(town.root) in json.loads(state.read_text())["projects"]

    install(town.root, {"claude_trust": False}, ask=False, dry_run=False)
    assert "unasked" not in capsys.readouterr().err and not state.exists()


def test_an_uninstalled_town_is_told_and_left(town: Town, capsys: Output) -> None:
    uninstall(town.root, dry_run=False)

    assert "nothing is installed" in capsys.readouterr().err and not town.models.exists()


def test_a_version_at_work_is_taken_back_first(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    install(town.root, {"roles": ["deacon"]}, ask=False, dry_run=False)
    deployer.deploy(deployer.plan("deacon:1", rigs=["demo"], endpoint=Endpoint()))

    with pytest.raises(ConfigError, match="rollback --role deacon --version 0 --rig demo"):
        uninstall(town.root, dry_run=False)

    deployer.rollback("deacon", version=0, rigs=["demo"])
    uninstall(town.root, dry_run=False)
    assert not (town.models / "installed.json").exists()


def test_a_deployment_and_its_rollback_go_well_with_an_installation(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    text = town.settings_file.read_text()
    install(town.root, {"roles": ["deacon"], "base_model": "org/base"}, ask=False, dry_run=False)
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    install(town.root, {}, ask=False, dry_run=False)
    assert json.loads(town.settings_file.read_text())["role_agents"]["deacon"] == "ft-deacon-v1"

    deployer.rollback("deacon")
    uninstall(town.root, dry_run=False)

    assert town.settings_file.read_text() == text


def test_what_somebody_overwrote_is_written_again_and_named(
    town: Town, registry: ModelRegistry, deployer: Deployer, capsys: Output
) -> None:
    install(town.root, {"roles": ["deacon"], "base_model": "org/base"}, ask=False, dry_run=False)
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    whole = json.loads(town.settings_file.read_text())
    town.settings_file.write_text(
        '{"type": "town-settings", "cli_theme": "dark", "role_agents": {"deacon": "opus"}}'
    )
    town.collect_script.unlink()
    capsys.readouterr()

    mend(town.root)

    mended = json.loads(town.settings_file.read_text())
    said = capsys.readouterr().err
    assert mended["agents"].keys() == {"ft-base-deacon", "ft-deacon-v1"} and mended["cli_theme"] == "dark"
    assert mended["agents"]["ft-deacon-v1"] == whole["agents"]["ft-deacon-v1"]
    assert mended["role_agents"] == {"deacon": "ft-deacon-v1"} and town.collect_script.exists()
    assert "role_agents.deacon in" in said and str(town.collect_script) in said

    mend(town.root)
    assert capsys.readouterr().err == ""


def test_mending_a_town_of_nothing_makes_nothing(town: Town) -> None:
    mend(town.root)

    assert not town.models.exists()


def test_a_directory_that_is_no_town_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no Gas Town"):
        install(tmp_path, {}, ask=False, dry_run=False)
    with pytest.raises(NotFound, match="no Gas Town"):
        uninstall(tmp_path, dry_run=True)
