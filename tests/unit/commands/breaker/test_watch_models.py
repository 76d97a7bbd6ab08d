# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta

import pytest
from deploy_town import deployer, registry, town

from node0.commands.breaker.breaker_options import main
from node0.commands.model.model_options import main as model
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]


@pytest.fixture
def at(town: Town, registry: ModelRegistry, deployer: Deployer) -> list[str]:
    """Options: of a town where deacon:1 works."""
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    registry.close()
    return ["--town", str(town.root)]


def _collect(town: Town, outcome: str, count: int) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    for number in range(count):
        CorpusStore(town).add(
            CorpusEntry(
                id=f"{outcome}-{number}", role="deacon", rig="demo", task_type="patrol", outcome=outcome,
                created_at=soon, messages=[{"role": "user", "content": f"{number}"}], source="claude-code",
                session_id=f"s{number}",
            )
        )  # fmt: skip


def _agent(town: Town) -> object:
    return json.loads(town.settings_file.read_text())["role_agents"]["deacon"]


def test_failures_in_the_corpus_stop_a_version(at: list[str], town: Town, capsys: Output) -> None:
    _collect(town, "failure", 12)
    _collect(town, "abandoned", 12)

    assert main(["check", *at]) == 0
    told = capsys.readouterr().err
    assert "12 new outcomes" in told
    assert "stopped deacon:1 for deacon: 0 of 8 sessions succeeded" in told
    assert "the agent before ours is at work" in told
    assert _agent(town) == "opus"
    assert main(["check", *at]) == 0
    assert "0 new outcomes" in capsys.readouterr().err


def test_what_is_recorded_by_hand_is_listed(at: list[str], capsys: Output) -> None:
    later = "2099-01-01T00:00:00Z"
    for name, outcome in {"a": "success", "b": "failure"}.items():
        assert main(["record", "deacon:1", "--session", name, "--outcome", outcome, "--at", later, *at]) == 0
    capsys.readouterr()
    assert main(["status", "--json", *at]) == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["MODEL"], row["SESSIONS"], row["SUCCEEDED"], row["STATE"]) == ("deacon:1", 2, 1, "good")


def test_a_stopped_version_waits_for_a_reset(at: list[str], town: Town, capsys: Output) -> None:
    _collect(town, "failure", 12)
    main(["check", *at])
    deploy = ["deploy", "deacon:1", "--dry-run", *at]

    assert main(["reset", "deacon:1", "--reason", "the disk was full", *at]) == 0
    assert "may be deployed again" in capsys.readouterr().err
    assert model(deploy) == 0
    assert main(["reset", "deacon:1", "--reason", "again", *at]) == 1
    assert "not degraded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (["--at", "yesterday"], "--at 'yesterday' cannot be kept"),
        (["--at", "2026-13-01T00:00:00"], "--at '2026-13-01T00:00:00' cannot be kept"),
        (["--at", "0001-01-01T00:00:00+05:00"], "--at '0001-01-01T00:00:00+05:00' cannot be kept"),
        (["--session", "x" * 200], "--session 'xxx"),
        (["--session", "isoformat" * 20], "--session 'isoformat"),
    ],
)
def test_an_outcome_that_cannot_be_kept_is_refused(
    at: list[str], changed: list[str], line: str, capsys: Output
) -> None:
    given = ["record", "deacon:1", "--session", "s", "--outcome", "success", *changed, *at]

    assert main(given) == 1
    assert line in capsys.readouterr().err


def test_nothing_at_work_says_what_to_do(town: Town, capsys: Output) -> None:
    assert main(["status", "--town", str(town.root)]) == 0
    assert "nothing of ours is at work" in capsys.readouterr().err
