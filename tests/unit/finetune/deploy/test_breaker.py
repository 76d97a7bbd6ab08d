# SPDX-License-Identifier: Apache-2.0
import json
from datetime import UTC, datetime, timedelta

import pytest
from deploy_town import SETTINGS, deployer, registry, town

from node0.errors import ConfigError, GateRefused, NotFound
from node0.finetune.deploy.breaker import Breaker
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.live_outcomes import LiveOutcome, LiveOutcomes
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]


@pytest.fixture
def breaker(town: Town, registry: ModelRegistry, deployer: Deployer) -> Breaker:
    _deploy(deployer, "deacon:1")
    _deploy(deployer, "deacon:2")
    return Breaker(town, registry, deployer)


def _deploy(deployer: Deployer, name: str, *rigs: str) -> None:
    deployer.deploy(deployer.plan(name, rigs=rigs, endpoint=Endpoint()))


def _outcomes(count: int, *, succeeded: bool, mark: str = "s") -> list[LiveOutcome]:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    return [
        LiveOutcome(session_id=f"{mark}{number}", at=soon.isoformat(timespec="seconds"), succeeded=succeeded)
        for number in range(count)
    ]


def _agent(town: Town) -> object:
    return town.read_settings()["role_agents"]["deacon"]


def test_a_version_that_fails_leaves_and_the_one_before_works(breaker: Breaker, town: Town) -> None:
    breaker.record("deacon:2", _outcomes(20, succeeded=False))
    (stopped,) = breaker.check()

    assert (stopped.row.spelled, stopped.successor and stopped.successor.spelled) == ("deacon:2", "deacon:1")
    assert _agent(town) == "ft-deacon-v1"
    assert breaker.check() == []


def test_its_history_says_what_happened_and_it_is_not_deployed_again(
    breaker: Breaker, registry: ModelRegistry, deployer: Deployer
) -> None:
    breaker.record("deacon:2", _outcomes(8, succeeded=False))
    breaker.check()

    assert registry.require("deacon:2").deployment_status is DeploymentStatus.DEGRADED
    last = [event for event in registry.history("deacon:2") if event.event != "alias"][-2:]
    assert [event.event for event in last] == ["breaker tripped", "rolled back"]
    assert last[0].reason.startswith("breaker: 0 of 8 sessions succeeded, evidence ")
    with pytest.raises(GateRefused, match="deacon:2 is degraded"):
        _deploy(deployer, "deacon:2")


def test_a_version_that_succeeds_stays(breaker: Breaker, town: Town) -> None:
    breaker.record("deacon:2", _outcomes(50, succeeded=True))
    breaker.record("deacon:2", _outcomes(3, succeeded=False, mark="f"))

    assert breaker.check() == []
    assert _agent(town) == "ft-deacon-v2"


def test_outcomes_of_another_version_or_before_the_deployment_do_not_count(breaker: Breaker) -> None:
    breaker.record("deacon:1", _outcomes(20, succeeded=False))
    old = LiveOutcome(session_id="old", at="2020-01-01T00:00:00+00:00", succeeded=False)
    breaker.record("deacon:2", [old.model_copy(update={"session_id": str(n)}) for n in range(20)])

    assert breaker.check() == []


def test_what_breaks_right_after_another_was_stopped_cools_down(breaker: Breaker, town: Town) -> None:
    breaker.record("deacon:2", _outcomes(20, succeeded=False))
    breaker.check()
    breaker.record("deacon:1", _outcomes(20, succeeded=False))

    assert breaker.check() == []
    (one,) = breaker.watched()
    assert breaker.cools(one)
    (stopped,) = breaker.check(now=datetime.now(UTC) + timedelta(hours=25))
    assert stopped.successor is None
    assert _agent(town) == "opus"
    assert town.settings_file.read_text() == SETTINGS


def test_a_stopped_version_below_is_passed_over(
    breaker: Breaker, registry: ModelRegistry, town: Town
) -> None:
    registry.update_deployment_status("deacon:1", "flagged", [])
    breaker.record("deacon:2", _outcomes(20, succeeded=False))
    (stopped,) = breaker.check()

    assert stopped.successor is None
    assert _agent(town) == "opus"


def test_a_reset_begins_anew(breaker: Breaker, registry: ModelRegistry, deployer: Deployer) -> None:
    past = LiveOutcome(session_id="x", at=datetime.now(UTC).isoformat(timespec="seconds"), succeeded=False)
    failures = [past.model_copy(update={"session_id": str(number)}) for number in range(20)]
    breaker.record("deacon:2", failures)
    breaker.check()
    breaker.reset("deacon:2", reason="the network was down")
    with registry.store.write("Let time pass") as transaction:
        transaction.exec_driver_sql("UPDATE live_outcomes SET at = '2020-01-01T00:00:00+00:00'")
    _deploy(deployer, "deacon:2")

    assert breaker.check() == []
    assert [one.evidence.sessions for one in breaker.watched()] == [0]


def test_only_a_stopped_version_is_reset(breaker: Breaker) -> None:
    with pytest.raises(NotFound, match="deacon:2 is active, not degraded"):
        breaker.reset("deacon:2", reason="x")


def test_settings_that_somebody_changed_are_left_and_the_next_check_goes_on(
    breaker: Breaker, registry: ModelRegistry, town: Town
) -> None:
    breaker.record("deacon:2", _outcomes(20, succeeded=False))
    before = town.settings_file.read_text()
    changed = json.loads(before)
    changed["role_agents"]["deacon"] = "sonnet"
    town.settings_file.write_text(json.dumps(changed))
    with pytest.raises(ConfigError, match="did not write"):
        breaker.check()
    degraded = registry.require("deacon:2").deployment_status
    town.settings_file.write_text(before)

    assert degraded is DeploymentStatus.DEGRADED
    assert [one.row.spelled for one in breaker.check()] == ["deacon:2"]
    assert _agent(town) == "ft-deacon-v1"


def test_a_version_that_died_between_the_two_steps_leaves_at_the_next_check(
    breaker: Breaker, registry: ModelRegistry, town: Town
) -> None:
    LiveOutcomes(registry.store).trip(registry.require("deacon:2"), reason="breaker")

    assert [one.row.spelled for one in breaker.check()] == ["deacon:2"]
    assert _agent(town) == "ft-deacon-v1"


def test_a_version_that_fails_in_two_places_leaves_both_at_once(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    _deploy(deployer, "deacon:1")
    _deploy(deployer, "deacon:1", "demo")
    breaker = Breaker(town, registry, deployer)
    breaker.record("deacon:1", _outcomes(20, succeeded=False))

    stopped = breaker.check()

    assert [(one.row.spelled, one.row.rigs) for one in stopped] == [("deacon:1", []), ("deacon:1", ["demo"])]
    assert registry.require("deacon:1").deployment_status is DeploymentStatus.DEGRADED
    assert _agent(town) == "opus"
    assert breaker.watched() == []


def test_a_healthy_version_that_also_works_elsewhere_comes_back(
    town: Town, registry: ModelRegistry, deployer: Deployer
) -> None:
    _deploy(deployer, "deacon:1", "demo")
    _deploy(deployer, "deacon:1", "other")
    _deploy(deployer, "deacon:2", "demo")
    breaker = Breaker(town, registry, deployer)
    breaker.record("deacon:2", _outcomes(20, succeeded=False))

    (stopped,) = breaker.check()

    assert stopped.successor is not None
    assert (stopped.successor.spelled, stopped.successor.rigs) == ("deacon:1", ["demo"])
