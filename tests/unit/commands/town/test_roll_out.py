# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from deploy_town import deployer, registry, town

from node0.commands.town.town_options import main
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.live_outcomes import LiveOutcome, LiveOutcomes
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]

GOOD = [LiveOutcome(session_id=f"s{n}", at="2026-03-01T12:00:00+00:00", succeeded=True) for n in range(8)]


@pytest.fixture
def at(town: Town, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options of a town with a deacon and a witness in sight; the engine that would be tried is faked."""
    monkeypatch.setattr("node0.commands.model.own_probe.probe_own", lambda wanted, town: None)
    town.model_settings_file.write_text(
        "town: {roles: [witness, deacon]}\nrollout: {sessions: 8, success: 0.5}\n"
    )
    return ["--town", str(town.root)]


def agents(town: Town) -> dict[str, str]:
    return dict(town.read_settings()["role_agents"])


def test_the_stages_are_shown_with_the_version_that_would_come(at: list[str], capsys: Output) -> None:
    assert main(["rollout", "--json", *at]) == 0

    rows = json.loads(capsys.readouterr().out)
    assert [(row["role"], row["state"], row["newest"]) for row in rows] == [
        ("deacon", "open", "deacon:3"),
        ("witness", "waits", ""),
    ]


def test_a_stage_after_the_other_is_put_to_work(
    at: list[str], town: Town, registry: ModelRegistry, capsys: Output
) -> None:
    assert main(["rollout", "--advance", *at]) == 0
    assert agents(town)["deacon"] == "ft-deacon-v3"

    assert main(["rollout", "--advance", *at]) == 3
    assert "witness waits: deacon:3: 0 of 0 sessions" in capsys.readouterr().err

    LiveOutcomes(registry.store).add(registry.require("deacon:3"), GOOD)
    assert main(["rollout", "--advance", *at]) == 1
    assert "no version is registered for witness" in capsys.readouterr().err
    assert agents(town)["witness"] == "haiku"


def test_the_gate_decides_as_ever(at: list[str], town: Town, registry: ModelRegistry, capsys: Output) -> None:
    registry.add_evaluation("deacon:3", Evaluation(suite="held-out", items=100, score=0.3, low=0.2))

    assert main(["rollout", "--advance", *at]) == 3

    assert "below deployment threshold" in capsys.readouterr().err
    assert agents(town) == {"deacon": "opus", "witness": "haiku"}


def test_a_town_that_wants_no_model_has_no_stage(at: list[str], town: Town, capsys: Output) -> None:
    town.model_settings_file.unlink()

    assert main(["rollout", *at]) == 0
    assert main(["rollout", "--advance", *at]) == 1
    assert "node0 town install --role ROLE" in capsys.readouterr().err
