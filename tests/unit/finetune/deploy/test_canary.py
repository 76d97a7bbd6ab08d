# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from deploy_town import deployer, registry, town

from node0.errors import ConfigError, EndpointUnreachable, GateRefused, NotFound
from node0.finetune.deploy.canary import CanaryKeeper, Outcomes, seen
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.canaries import Canary, CanaryLog, CanaryState
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

__all__ = ["deployer", "registry", "town"]

WORSE = Outcomes([True] * 40, [False] * 10)
BETTER = Outcomes([True] * 200 + [False] * 200, [True] * 100)
OPEN = Outcomes([True] * 8, [True] * 2)


class Died(BaseException):
    """The process ended here."""


@pytest.fixture
def keeper(town: Town, registry: ModelRegistry, deployer: Deployer) -> CanaryKeeper:
    deployer.deploy(deployer.plan("deacon:1", endpoint=Endpoint()))
    return CanaryKeeper(town, registry, deployer)


@pytest.fixture
def agents(town: Town) -> Callable[[], str]:
    """The text of the settings, and with it which agent has the role and what it asks for."""
    return town.settings_file.read_text


def asked(text: str) -> str:
    """The model that the agent asks for."""
    return text.partition('"--model",')[2].split('"')[1]


def test_agents_ask_for_the_canary_and_nothing_else_changes(
    keeper: CanaryKeeper, registry: ModelRegistry, agents: Callable[[], str]
) -> None:
    before = agents()
    row = keeper.start("deacon:2", reason="to see")

    assert row.state is CanaryState.RUNNING and row.candidate == "deacon:2" and row.stable == "deacon:1"
    assert (asked(before), asked(agents())) == ("deacon:1", "deacon@canary-1")
    assert registry.require("deacon@active").version == 1
    assert registry.require("deacon:2").deployment_status is DeploymentStatus.EVALUATED


def test_what_is_worse_is_taken_back_to_the_byte_and_flagged(
    keeper: CanaryKeeper, registry: ModelRegistry, agents: Callable[[], str]
) -> None:
    before = agents()
    row = keeper.decide(keeper.start("deacon:2"), WORSE)

    assert row.state is CanaryState.TAKEN_BACK and "candidate 0 of 10" in row.reason
    assert agents() == before
    assert registry.require("deacon:2").deployment_status is DeploymentStatus.FLAGGED
    assert registry.require("deacon@active").version == 1
    with pytest.raises(GateRefused):
        keeper.start("deacon:2")


def test_what_is_as_good_is_promoted_and_a_rollback_brings_the_one_before(
    keeper: CanaryKeeper, registry: ModelRegistry, deployer: Deployer, agents: Callable[[], str]
) -> None:
    before = agents()
    row = keeper.decide(keeper.start("deacon:2"), BETTER)

    assert row.state is CanaryState.PROMOTED and row.evidence == seen(row, BETTER)
    assert registry.require("deacon@active").version == 2
    assert '"deacon": "ft-deacon-v2"' in agents() and "canary" not in agents()
    deployer.rollback("deacon")
    assert agents() == before


def test_what_is_open_goes_on_and_its_evidence_is_kept(keeper: CanaryKeeper, registry: ModelRegistry) -> None:
    row = keeper.decide(keeper.start("deacon:2"), OPEN)

    assert row.state is CanaryState.RUNNING
    assert CanaryLog(registry.store).find(1) == row and row.evidence["candidate_sessions"] == 2


@pytest.mark.parametrize("late", [False, True])
def test_what_stays_undecided_is_taken_back_and_not_flagged(
    keeper: CanaryKeeper, registry: ModelRegistry, late: bool
) -> None:
    many = Outcomes([True, True, False, True] * 80, [True, True, False, True] * 20)
    moment = datetime.now(UTC) + (timedelta(days=15) if late else timedelta())
    row = keeper.decide(keeper.start("deacon:2"), OPEN if late else many, now=moment)

    assert row.state is CanaryState.TAKEN_BACK
    assert row.reason.startswith(f"undecided after {'14 days' if late else '400 sessions'}: candidate")
    assert registry.require("deacon:2").deployment_status is DeploymentStatus.EVALUATED


def test_a_candidate_that_somebody_flags_is_taken_back(keeper: CanaryKeeper, registry: ModelRegistry) -> None:
    row = keeper.start("deacon:2")
    registry.update_deployment_status("deacon:2", "flagged", [], reason="it lies")

    assert keeper.decide(row, BETTER).reason == "deacon:2 is flagged"


def test_a_person_ends_it(keeper: CanaryKeeper, agents: Callable[[], str]) -> None:
    before = agents()
    row = keeper.stop(keeper.start("deacon:2"), reason="the rig moves")

    assert (row.state, row.reason) == (CanaryState.TAKEN_BACK, "the rig moves")
    assert agents() == before
    with pytest.raises(NotFound, match="has ended: the rig moves"):
        keeper.stop(row, reason="again")


def test_one_canary_a_role_and_none_without_a_version_at_work(
    keeper: CanaryKeeper, deployer: Deployer, registry: ModelRegistry
) -> None:
    with pytest.raises(ConfigError, match="at work already"):
        keeper.start("deacon:1")
    row = keeper.start("deacon:2")
    with pytest.raises(ConfigError, match="canary 1 of deacon:2 runs"):
        keeper.start("deacon:3")
    keeper.stop(row, reason="a test")
    deployer.rollback("deacon", version=0)
    with pytest.raises(NotFound, match="nothing of ours is at work"):
        keeper.start("deacon:2")
    assert len(CanaryLog(registry.store).list()) == 1


def test_a_deployment_by_hand_ends_it(
    keeper: CanaryKeeper, deployer: Deployer, registry: ModelRegistry
) -> None:
    row = keeper.start("deacon:2")
    deployer.deploy(deployer.plan("deacon:3", endpoint=Endpoint()))

    ended = keeper.decide(row, BETTER)
    assert (ended.state, ended.reason) == (CanaryState.TAKEN_BACK, "somebody changed what is at work")
    assert registry.require("deacon@active").version == 3


def test_another_engine_knows_no_sessions(town: Town, registry: ModelRegistry, deployer: Deployer) -> None:
    elsewhere = Endpoint(kind="vllm", url="http://127.0.0.1:8000")
    deployer.deploy(deployer.plan("deacon:1", endpoint=elsewhere))

    with pytest.raises(ConfigError, match="vllm"):
        CanaryKeeper(town, registry, deployer).start("deacon:2")


def test_a_server_that_does_not_answer_leaves_everything_as_it_was(
    town: Town, registry: ModelRegistry, keeper: CanaryKeeper, agents: Callable[[], str]
) -> None:
    def refuse(endpoint: Endpoint, *_: object) -> None:
        if endpoint.model.startswith("deacon@"):
            raise EndpointUnreachable("nothing answers; start the server first")

    before = agents()
    with pytest.raises(EndpointUnreachable):
        CanaryKeeper(town, registry, Deployer(town, registry, probe=refuse)).start("deacon:2")

    assert agents() == before
    (row,) = CanaryLog(registry.store).list()
    assert row.state is CanaryState.TAKEN_BACK and row.reason.startswith("it did not begin: nothing answers")
    assert keeper.start("deacon:2").number == 2


MOMENTS = [
    (DeploymentLog, "begin", "starting"),
    (DeploymentLog, "commit", "starting"),
    (CanaryLog, "change", "starting"),
    (DeploymentLog, "begin_rollback", "ending"),
    (DeploymentLog, "finish_rollback", "ending"),
]


@pytest.mark.parametrize("outcomes", [WORSE, BETTER])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_that_dies_leaves_what_the_next_one_ends(
    town: Town,
    registry: ModelRegistry,
    keeper: CanaryKeeper,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[type, str, str],
    outcomes: Outcomes,
) -> None:
    before, (kind, name, when) = town.settings_file.read_text(), moment

    def begin_and_decide() -> Canary:
        row = keeper.start("deacon:2") if when == "ending" else None
        monkeypatch.setattr(kind, name, died)
        return keeper.decide(row, outcomes) if row else keeper.start("deacon:2")

    def died(*_: object, **__: object) -> None:
        raise Died

    with pytest.raises(Died):
        begin_and_decide()
    monkeypatch.undo()
    again = Deployer(town, registry, probe=lambda *_: None)
    again.repair()
    CanaryKeeper(town, registry, again).settle()

    (row,) = CanaryLog(registry.store).list()
    promoted = when == "ending" and outcomes is BETTER
    assert row.state is (CanaryState.PROMOTED if promoted else CanaryState.TAKEN_BACK)
    assert registry.require("deacon@active").version == (2 if promoted else 1)
    assert promoted or town.settings_file.read_text() == before
    assert CanaryKeeper(town, registry, again).settle() == []
