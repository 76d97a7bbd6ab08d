# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from deploy_town import deployer, registry, town

from node0.commands.town.town_options import main
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.canaries import CanaryLog
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(town: Town, deployer: Deployer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a town where deacon:1 is at work; the server that would be asked is faked."""
    monkeypatch.setattr("node0.commands.model.own_probe.probe_own", lambda wanted, town: None)
    monkeypatch.setattr("node0.commands.model.deploy_models.probe", lambda endpoint, wanted: None)
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    return ["--town", str(town.root)]


def said(capsys: Output) -> Any:
    return json.loads(capsys.readouterr().out)


def collected(town: Town, registry: ModelRegistry, *, candidate: bool, stable: bool) -> None:
    """A hundred sessions of the canary, of which each version's succeeded or did not."""
    row, soon = CanaryLog(registry.store).list()[-1], datetime.now(UTC) + timedelta(seconds=2)
    for number in range(100):
        version = row.drawn(f"s{number}")
        succeeded = candidate if version == row.candidate else stable
        entry = CorpusEntry(
            id=f"e{number}", role="deacon", rig="hq", task_type="patrol",
            outcome="success" if succeeded else "failure", created_at=soon.isoformat(),
            messages=[{"role": "user", "content": "Go."}], source="claude-code", session_id=f"s{number}",
            answered_by=version,
        )  # fmt: skip
        CorpusStore(town).add(entry)


def test_a_canary_is_begun_shown_and_ended_by_a_person(
    at: list[str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["canary", "status", *at]) == 0
    assert "no canary yet" in capsys.readouterr().err
    assert main(["canary", "start", "deacon:2", "--share", "0.25", *at, "--json"]) == 0
    (row,) = said(capsys)
    assert (row["candidate"], row["state"], row["settings"]["share"]) == ("deacon:2", "running", 0.25)
    assert main(["canary", "status", *at]) == 0
    shown = capsys.readouterr().out
    assert "deacon:2" in shown and "25%" in shown and "running" in shown
    assert main(["canary", "stop", "--role", "deacon", "--reason", "enough", *at]) == 0
    assert "canary 1 of deacon:2 for deacon is taken back: enough" in capsys.readouterr().err
    assert main(["canary", "status", *at]) == 0
    after = capsys.readouterr()
    assert "taken back" in after.out and "taken back: enough" in after.err
    assert main(["canary", "stop", "--role", "deacon", "--reason", "again", *at]) == 1
    assert "no canary runs for deacon" in capsys.readouterr().err


@pytest.mark.parametrize(("candidate", "state", "active"), [(True, "promoted", 2), (False, "taken back", 1)])
def test_the_sessions_that_were_collected_decide(  # a fixture each
    at: list[str],
    town: Town,
    registry: ModelRegistry,
    capsys: Output,
    candidate: bool,
    state: str,
    active: int,
) -> None:
    main(["canary", "start", "deacon:2", "--share", "0.5", *at])
    assert main(["canary", "check", *at]) == 0
    assert "candidate 0 of 0 succeeded" in capsys.readouterr().err
    collected(town, registry, candidate=candidate, stable=True)
    assert main(["canary", "status", "--json", *at]) == 0
    (row,) = said(capsys)
    assert row["state"] == "running" and row["evidence"]["candidate_sessions"] > 5

    assert main(["canary", "check", *at, "--json"]) == 0
    (row,) = said(capsys)
    assert row["state"] == state and registry.require("deacon@active").version == active
    assert main(["canary", "check", *at, "--json"]) == 0
    assert said(capsys) == []


def test_what_cannot_be_decided_now_is_told_and_stays(
    at: list[str], town: Town, registry: ModelRegistry, capsys: Output
) -> None:
    main(["canary", "start", "deacon:2", *at])
    collected(town, registry, candidate=False, stable=True)
    settings = town.settings_file.read_text()
    town.settings_file.write_text(settings.replace("deacon@canary-1", "mine"))
    assert main(["canary", "check", *at]) == 1
    assert "could not be decided" in capsys.readouterr().err
    assert main(["canary", "status", "--json", *at]) == 0
    assert said(capsys)[0]["state"] == "taking back"
    assert main(["canary", "check", *at]) == 1
    assert "could not be ended" in capsys.readouterr().err
    town.settings_file.write_text(settings)

    assert main(["canary", "check", *at]) == 0
    assert said_of(registry) == "taken back"


def said_of(registry: ModelRegistry) -> str:
    return CanaryLog(registry.store).list()[-1].state
