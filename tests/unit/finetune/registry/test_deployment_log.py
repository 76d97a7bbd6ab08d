# SPDX-License-Identifier: Apache-2.0
from collections.abc import Sequence

from node0.finetune.registry.deployment_log import WHOLE_TOWN, DeploymentLog, stacked
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.finetune.registry.store import ModelRegistry


def _draft(version: int, rigs: Sequence[str] = (), *, role: str = "deacon") -> Deployment:
    return Deployment(
        name="deacon",
        version=version,
        role=role,
        agent=f"ft-deacon-v{version}",
        rigs=list(rigs),
        endpoint={},
        edits=[],
    )


def _deploy(log: DeploymentLog, version: int, rigs: Sequence[str] = ()) -> Deployment:
    return log.commit(log.begin(_draft(version, rigs)))


def _versions(rows: Sequence[Deployment]) -> list[int]:
    return [row.version for row in rows]


def _aliases(registry: ModelRegistry) -> dict[Alias, int]:
    return {alias: version for (_, version), names in registry.aliases().items() for alias in names}


def test_the_last_deployment_lies_on_top_and_what_it_replaced_below(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    _deploy(log, 1)
    _deploy(log, 3)

    assert _versions(log.stack("deacon")) == [1, 3]
    assert [row.state.value for row in log.stack("deacon")] == ["replaced", "active"]
    assert _aliases(registry) == {Alias.ACTIVE: 3, Alias.PREVIOUS: 1}
    assert registry.require("deacon:1").deployment_status is DeploymentStatus.ARCHIVED
    assert registry.require("deacon:3").deployed_to == [WHOLE_TOWN]


def test_rigs_and_the_town_have_stacks_of_their_own(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    _deploy(log, 1)
    _deploy(log, 2, ["demo"])

    assert _versions(log.stack("deacon")) == [1]
    assert _versions(log.stack("deacon", ["demo"])) == [2]
    assert log.stack("witness") == []
    assert registry.require("deacon:2").deployed_to == ["demo"]


def test_taking_the_top_away_brings_back_what_lay_below(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    _deploy(log, 1)
    top = _deploy(log, 2)

    log.begin_rollback(top)
    unfinished = _versions(log.unfinished())
    log.finish_rollback(top, reason="worse")

    assert unfinished == [2]
    assert _versions(log.stack("deacon")) == [1]
    assert _aliases(registry) == {Alias.ACTIVE: 1}
    assert registry.require("deacon:1").deployment_status is DeploymentStatus.ACTIVE
    assert registry.require("deacon:2").deployment_status is DeploymentStatus.ARCHIVED
    (taken_back,) = [one for one in registry.history("deacon:2") if one.event == "rolled back"]
    assert taken_back.reason == "worse"


def test_what_failed_changes_no_version(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    row = log.begin(_draft(1))

    log.revert(row, reason="the probe said no")

    assert log.unfinished() == log.stack("deacon") == []
    assert [one.state for one in log.list()] == [DeploymentState.REVERTED]
    assert registry.require("deacon:1").deployment_status is DeploymentStatus.EVALUATED
    assert registry.history("deacon:1")[-1].event == "not deployed"


def test_what_comes_back_and_what_is_being_changed_count_as_needed(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    _deploy(log, 1)
    _deploy(log, 2)
    log.begin(_draft(3))

    with registry.store.read() as connection:
        assert _versions(stacked(connection)) == [1, 2, 3]


def test_a_row_says_who_began_when_and_that_it_has_not_ended(registry: ModelRegistry) -> None:
    log = DeploymentLog(registry.store)
    row = log.begin(_draft(1).model_copy(update={"forced": True, "reason": "two\nlines"}))

    (kept,) = log.list(DeploymentState.STARTED)

    assert kept == row
    assert (kept.number, kept.forced, kept.reason, kept.ended_at) == (1, True, "two lines", "")
    assert kept.actor
