# SPDX-License-Identifier: Apache-2.0
from node0.finetune.deploy.at_work import AtWork, at_work
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.evaluations import Evaluation, EvaluationDetail
from node0.finetune.registry.store import ModelRegistry


def _deploy(deployer: Deployer, name: str, *rigs: str) -> None:
    deployer.deploy(deployer.plan(name, rigs=rigs, endpoint=Endpoint()))


def _spelled(registry: ModelRegistry, name: str, *rigs: str) -> str | None:
    found = at_work(registry, registry.require(name), rigs=rigs)
    return found.spelled if found is not None else None


def test_nothing_is_at_work_before_the_first_deployment(registry: ModelRegistry) -> None:
    assert _spelled(registry, "deacon:1") is None


def test_in_a_rig_of_its_own_another_version_works_than_in_the_town(
    deployer: Deployer, registry: ModelRegistry
) -> None:
    _deploy(deployer, "deacon:1")
    _deploy(deployer, "deacon:2", "demo")

    assert _spelled(registry, "deacon:3", "demo") == "deacon:2"
    assert _spelled(registry, "deacon:3", "other") == "deacon:1"
    assert _spelled(registry, "deacon:3") == "deacon:1"


def test_a_version_takes_no_place_of_its_own(deployer: Deployer, registry: ModelRegistry) -> None:
    _deploy(deployer, "deacon:1")

    assert _spelled(registry, "deacon:1") is None


def test_the_last_evaluation_of_the_same_items_counts() -> None:
    def did(digest: str, score: float) -> Evaluation:
        return Evaluation(
            suite="s", items=1, score=score, detail=EvaluationDetail(suite_digest=digest, outcomes={})
        )

    bare = Evaluation(suite="held-out", items=1, score=0.5)
    found = AtWork("dm:1", [did("a", 0.1), did("a", 0.2), did("b", 0.3), bare])

    assert found.of_suite("a") == did("a", 0.2)
    assert found.of_suite("c") is None
