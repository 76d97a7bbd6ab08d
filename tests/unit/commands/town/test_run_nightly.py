# SPDX-License-Identifier: Apache-2.0
import fcntl
import json
import re
import socket
from pathlib import Path

import pytest
from deploy_town import deployer, registry, town

from node0.commands.model.open_registry import open_registry
from node0.commands.town import run_nightly
from node0.commands.town.run_nightly import nightly
from node0.errors import ConfigError, NotFound, RunInUse
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.canary import CanaryKeeper
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown.installation import Places
from node0.finetune.gastown.upkeep.role_state import role_state
from node0.finetune.manifest import artefacts_of
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

Output = pytest.CaptureFixture[str]

SETTINGS = """
town: {base_model: /base, roles: [deacon, witness], timer: false}
nightly: {first_sessions: 3, new_sessions: 3}
"""
BEFORE = ["corpus collect --town", "breaker check --town", "town canary check"]
DETAIL = EvaluationDetail(suite_digest="a", outcomes={"patrol": {"one": (9, 9)}})


@pytest.fixture
def asked(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `node0` was asked for, a line a call; a program in its place fails where `fails` says so."""
    program, calls = tmp_path / "node0", tmp_path / "calls"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{calls}\necho "said of $1"\n'
        f'! grep -qx "$1 $2" {tmp_path}/fails 2>/dev/null || exit 1\n'
    )
    program.chmod(0o755)
    calls.touch()
    places = Places(program=program, claude_settings=tmp_path / "none", units=tmp_path / "units")
    monkeypatch.setattr(run_nightly, "places", lambda _: places)
    town.models.mkdir(exist_ok=True)
    town.model_settings_file.write_text(SETTINGS)
    return calls


def collect(town: Town, role: str, count: int) -> None:
    for number in range(count):
        CorpusStore(town).add(
            CorpusEntry(
                id=f"{role}{number}", role=role, rig="demo", task_type="patrol", outcome="success",
                created_at="2999-03-01T12:00:00+00:00",
                messages=[{"role": "user", "content": f"{number}"}, {"role": "assistant", "content": "done"}],
                source="claude-code", session_id=f"{role}{number}",
            )
        )  # fmt: skip


def words(asked: Path) -> list[str]:
    return [" ".join(line.split()[:3]) for line in asked.read_text().splitlines()]


def rows(capsys: Output) -> list[tuple[str, str]]:
    return [(row["role"], row["step"]) for row in json.loads(capsys.readouterr().out)]


def test_a_look_asks_for_nothing_and_writes_nothing(asked: Path, town: Town, capsys: Output) -> None:
    collect(town, "witness", 3)

    assert nightly(town.root, roles=(), dry_run=True, as_json=True) == 0

    assert rows(capsys) == [("deacon", "wait"), ("witness", "train")]
    assert asked.read_text() == "" and not town.nightly_reports.exists()


def test_a_night_collects_first_then_trains_what_asks_for_it(asked: Path, town: Town, capsys: Output) -> None:
    collect(town, "witness", 3)
    (asked.parent / "fails").write_text("finetune --role\n")

    assert nightly(town.root, roles=(), dry_run=False, as_json=True) == 1

    assert words(asked) == [*BEFORE, "finetune --role witness"]
    assert rows(capsys)[3:] == [("deacon", "wait"), ("witness", "train")]
    report = json.loads(next(town.nightly_reports.iterdir()).read_text())
    assert [step["result"] for step in report["steps"]] == [
        "said of corpus",
        "said of breaker",
        "said of town",
        "",
        "said of finetune",
    ]
    assert "--base-model /base" in asked.read_text() and "--register witness" in asked.read_text()


def test_what_was_trained_is_evaluated_and_no_step_follows_one_that_failed(
    asked: Path, town: Town, registry: ModelRegistry, capsys: Output
) -> None:
    (asked.parent / "fails").write_text("eval run\n")

    assert nightly(town.root, roles=["deacon"], dry_run=False, as_json=True) == 1

    assert words(asked)[3:] == ["eval run deacon:3"]


def test_an_error_of_a_role_is_kept_and_the_others_have_their_night(
    asked: Path, town: Town, registry: ModelRegistry, capsys: Output
) -> None:
    collect(town, "witness", 3)
    (asked.parent / "fails").write_text("finetune --role\n")
    # The gate is read where there is a version, of the deacon alone.
    town.model_settings_file.write_text(f"{SETTINGS}gate: {{threshold: 7}}\n")

    assert nightly(town.root, roles=(), dry_run=False, as_json=True) == 1

    assert rows(capsys)[3:5] == [("deacon", "decide"), ("witness", "train")]
    report = json.loads(next(town.nightly_reports.iterdir()).read_text())
    assert "threshold" in report["steps"][3]["result"] and report["steps"][3]["code"] == 1


def test_nothing_is_put_to_work_where_no_server_answers(
    asked: Path, town: Town, registry: ModelRegistry, deployer: Deployer, capsys: Output
) -> None:
    registry.add_evaluation("deacon:3", Evaluation(suite="roles", items=9, score=1.0, low=0.9, detail=DETAIL))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint(url=url)))

        assert nightly(town.root, roles=["deacon"], dry_run=False, as_json=True) == 0

        (step,) = json.loads(capsys.readouterr().out)[3:]
        assert (step["step"], step["code"]) == ("wait", 0)
        assert "not put to work" in step["why"] and url in step["why"]
        assert words(asked)[3:] == []

        collect(town, "deacon", 3)
        (asked.parent / "fails").write_text("finetune --role\n")
        nightly(town.root, roles=["deacon"], dry_run=False, as_json=True)

    assert words(asked)[-1] == "finetune --role deacon", "what waits for a server keeps nobody from training"


def test_an_entry_that_gave_no_row_is_new_for_one_night_only(
    asked: Path, town: Town, registry: ModelRegistry, tmp_path: Path, capsys: Output
) -> None:
    collect(town, "witness", 3)
    nightly(town.root, roles=["witness"], dry_run=False, as_json=True)
    (run,) = re.findall(r"--checkpoint-dir (\S+)", asked.read_text())[:1]
    # As the run leaves it: two of three entries gave rows.
    Path(run).mkdir(parents=True)
    listed = [{"id": f"witness{one}", "content_digest": "x", "split": "train"} for one in range(2)]
    (Path(run) / "entries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
    entry = ModelRegistryEntry(
        name="witness", role="witness", artifact_path=run, artefacts=artefacts_of(Path(run))
    )
    spelled = registry.register(entry).spelled
    registry.add_evaluation(spelled, Evaluation(suite="roles", items=9, score=0.1, low=0.0, detail=DETAIL))

    with open_registry(town.root) as (opened, _):
        assert role_state(town, opened, "witness").new_sessions == 0
    collect(town, "witness", 4)

    with open_registry(town.root) as (opened, _):
        assert role_state(town, opened, "witness").new_sessions == 1


def test_two_nights_at_once_are_one(asked: Path, town: Town) -> None:
    with (town.models / ".night.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(RunInUse, match="another night"):
            nightly(town.root, roles=(), dry_run=False, as_json=True)


def test_what_is_not_known_is_asked_for(asked: Path, town: Town) -> None:
    town.model_settings_file.write_text("town: {roles: [deacon]}")
    with pytest.raises(ConfigError, match="--base-model DIR"):
        nightly(town.root, roles=(), dry_run=True, as_json=True)
    town.model_settings_file.write_text("town: {base_model: /base}")
    with pytest.raises(ConfigError, match="--role ROLE"):
        nightly(town.root, roles=(), dry_run=True, as_json=True)
    with pytest.raises(NotFound, match="deacon"):
        nightly(town.root, roles=["decon"], dry_run=True, as_json=True)


def test_a_night_keeps_what_ours_did_in_the_place_of_others(
    asked: Path, town: Town, registry: ModelRegistry, deployer: Deployer, capsys: Output
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    collect(town, "deacon", 2)

    nightly(town.root, roles=("witness",), dry_run=False, as_json=True)

    (kept,) = town.nightly_reports.glob("*.json")
    (row,) = json.loads(kept.read_text())["savings"]
    assert (row["role"], row["versions"], row["ours"]["sessions"]) == ("deacon", ["deacon:1"], 2)
    assert row["price"] is None
    shown = capsys.readouterr()
    assert "deacon: deacon:1 did 2 sessions, 2 of 2 succeeded" in shown.err
    last = json.loads(shown.out)[-1]
    assert (last["role"], last["step"], last["savings"]) == ("deacon", "savings", row)
    assert last["result"] in shown.err


def test_while_a_canary_runs_no_other_version_of_its_role_is_put_to_work(
    asked: Path, town: Town, registry: ModelRegistry, deployer: Deployer, capsys: Output
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    keeper = CanaryKeeper(town, registry, deployer)
    row = keeper.start("deacon:2")
    registry.add_evaluation("deacon:3", Evaluation(suite="roles", items=9, score=1.0, low=0.9, detail=DETAIL))
    nightly(town.root, roles=["deacon"], dry_run=True, as_json=True)

    (step,) = json.loads(capsys.readouterr().out)
    assert step["step"] == "wait" and "canary 1 of deacon:2 is running" in step["why"]
    keeper.stop(row, reason="a test")
    with open_registry(town.root) as (opened, _):
        assert not role_state(town, opened, "deacon").was_taken_back


def test_what_a_canary_took_back_is_not_put_to_work_at_night(
    asked: Path, town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    keeper = CanaryKeeper(town, registry, deployer)
    keeper.stop(keeper.start("deacon:3"), reason="a test")

    with open_registry(town.root) as (opened, _):
        assert role_state(town, opened, "deacon").was_taken_back


def test_rates_that_cannot_be_read_are_no_fault_of_a_night(asked: Path, town: Town, capsys: Output) -> None:
    town.model_settings_file.write_text(SETTINGS + "savings: {rates: 3}\n")

    assert nightly(town.root, roles=("witness",), dry_run=False, as_json=True) == 0

    assert "warning: what was saved is not known: setting 'rates'" in capsys.readouterr().err
