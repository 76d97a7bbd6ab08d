# SPDX-License-Identifier: Apache-2.0
"""What the deployer lets through: a version is compared with the one that works where it is to go."""

from contextlib import nullcontext

import pytest
from deploy_town import register

from node0.errors import ConfigError, GateRefused
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town

ENDPOINT = Endpoint()


def _deploy(deployer: Deployer, name: str, **options: object) -> Deployment:
    return deployer.deploy(deployer.plan(name, endpoint=ENDPOINT), **options)  # type: ignore[arg-type]  # options as a test gives them


def _measured(passed: int, *, low: float | None = None) -> Evaluation:
    """So many of a hundred items."""
    outcomes = {"triage": {f"i{number:03}": (int(number < passed), 1) for number in range(100)}}
    detail = EvaluationDetail(suite_digest="s", outcomes=outcomes, nulls={"echo": {"triage": (0, 100)}})
    return Evaluation(suite="s", items=100, score=passed / 100, low=low, detail=detail)


@pytest.mark.parametrize(("rigs", "falls"), [(["demo"], True), (["other"], False), ([], False)])
def test_a_version_is_compared_with_the_one_that_works_where_it_goes(
    deployer: Deployer, registry: ModelRegistry, rigs: list[str], falls: bool
) -> None:
    for name, passed in {"alpha": 80, "beta": 100, "newer": 80}.items():
        register(registry, name, _measured(passed, low=0.9))
    _deploy(deployer, "alpha:1")
    deployer.deploy(deployer.plan("beta:1", rigs=["demo"], endpoint=ENDPOINT))

    refused = pytest.raises(GateRefused, match=r"triage fell from 100\.0% to 80\.0%")
    with refused if falls else nullcontext():
        deployer.deploy(deployer.plan("newer:1", rigs=rigs, endpoint=ENDPOINT))
    assert (registry.require("newer:1").deployment_status is DeploymentStatus.ACTIVE) is not falls


def test_what_is_not_settled_holds_a_deployment_until_somebody_says_why(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    town.model_settings_file.write_text("gate: {alpha: 0.01}\n")
    for name, passed in {"alpha": 90, "beta": 84}.items():
        register(registry, name, _measured(passed, low=0.9))
    _deploy(deployer, "alpha:1")
    before = town.settings_file.read_text()

    with pytest.raises(GateRefused, match=r"triage is 6\.0% below the version at work.*inconclusive"):
        _deploy(deployer, "beta:1")
    assert town.settings_file.read_text() == before
    assert _deploy(deployer, "beta:1", force=True, reason="looked at the six").reason == "looked at the six"


def test_a_version_is_not_compared_with_itself(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    town.model_settings_file.write_text("gate: {category_threshold: 0.1, margin: 0.0}\n")
    for name in ("alpha", "beta"):
        register(registry, name, _measured(90, low=0.9))
    _deploy(deployer, "alpha:1")

    assert _deploy(deployer, "alpha:1").spelled == "alpha:1"
    with pytest.raises(GateRefused, match="All categories together"):
        _deploy(deployer, "beta:1")


def test_a_gate_for_a_role_that_nobody_has_lets_nothing_pass_but_by_force(
    town: Town, deployer: Deployer, registry: ModelRegistry
) -> None:
    town.model_settings_file.write_text("gate: {suites: {decon: {replay: 0.5}}}\n")
    register(registry, "alpha", _measured(90, low=0.9))

    with pytest.raises(ConfigError, match="did you mean 'deacon'"):
        _deploy(deployer, "alpha:1")
    assert _deploy(deployer, "alpha:1", force=True, reason="mended tomorrow").spelled == "alpha:1"
