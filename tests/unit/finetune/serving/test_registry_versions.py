# SPDX-License-Identifier: Apache-2.0
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from deploy_town import registry as registry
from deploy_town import town as town
from serving_parts import served

from node0.errors import BadCheckpoint, EngineUnavailable, NotFound, StoreUnavailable
from node0.finetune.registry.canaries import Canary, CanaryLog, CanarySettings, CanaryState
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.serving.registry_versions import RegistryVersions
from node0.finetune.serving.served_models import ServedModel


@pytest.fixture
def versions(registry: ModelRegistry) -> Iterator[RegistryVersions]:
    registry.move_alias("deacon:2", Alias.ACTIVE)
    found = RegistryVersions(registry, ["deacon"], make=served, given={"d": "deacon@active"})
    yield found
    found.close()


def test_versions_aliases_and_ids_given_to_an_alias_stand_for_versions(versions: RegistryVersions) -> None:
    found = [versions.version_of(name) for name in ("deacon:1", "deacon@active", "d")]

    assert found == ["deacon:1", "deacon:2", "deacon:2"]
    assert versions.make("deacon:1").ids == ("deacon:1",)
    assert versions.names() == ["d", "deacon:3", "deacon:2", "deacon@active", "deacon:1"]


def test_a_moved_alias_is_followed_at_once_and_told_in_the_log(
    versions: RegistryVersions, registry: ModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = versions.version_of("d")
    registry.move_alias("deacon:3", Alias.ACTIVE)

    assert (before, versions.version_of("d")) == ("deacon:2", "deacon:3")
    assert caplog.messages == ["d stands for deacon:3 now"]


@pytest.mark.parametrize(
    "name", ["deacon", "witness:1", "deacon:0", "deacon:x", "deacon@new", "", "deacon:" + "1" * 9999]
)
def test_what_is_no_version_of_a_named_model_is_not_theirs(name: str, versions: RegistryVersions) -> None:
    assert versions.version_of(name) is None


@pytest.mark.parametrize("name", ["deacon:9", "deacon@candidate"])
def test_a_version_that_there_is_not_is_not_found(name: str, versions: RegistryVersions) -> None:
    with pytest.raises(NotFound, match="deacon"):
        versions.version_of(name)


@pytest.fixture
def canary(registry: ModelRegistry) -> Canary:
    log = CanaryLog(registry.store)
    draft = Canary(
        role="deacon", rigs=[], stable="deacon:1", candidate="deacon:2", settings=CanarySettings(share=0.5)
    )
    return log.change(log.begin(draft), CanaryState.RUNNING)


def test_a_canary_stands_for_a_version_by_session_until_it_is_taken_back(
    versions: RegistryVersions, registry: ModelRegistry, canary: Canary
) -> None:
    sessions = [str(number) for number in range(40)]
    found = [versions.answering("deacon@canary-1", session) for session in sessions]

    assert found == [canary.drawn(session) for session in sessions]
    assert set(found) == {"deacon:1", "deacon:2"}
    assert versions.version_of("deacon@canary-1") == "deacon:1"
    assert "deacon@canary-1" in versions.names()
    CanaryLog(registry.store).change(canary, CanaryState.TAKEN_BACK)
    assert {versions.answering("deacon@canary-1", session) for session in sessions} == {"deacon:1"}
    assert "deacon@canary-1" not in versions.names()


@pytest.mark.parametrize("name", ["deacon@canary-2", "witness@canary-1", "deacon:1", "d", "deacon@canary-x"])
def test_what_is_no_canary_of_theirs_splits_nothing(
    name: str, versions: RegistryVersions, canary: Canary
) -> None:
    assert canary.number == 1 and versions.answering(name, "s") is None


class Away(ModelRegistry):
    """A registry that cannot be reached for a while."""

    away = False

    def require(self, name: str) -> Any:
        if self.away:
            raise StoreUnavailable("locked")
        return super().require(name)

    def aliases(self) -> Any:
        raise StoreUnavailable("locked")


def test_while_the_registry_is_out_of_reach_an_id_stands_for_what_it_did(registry: ModelRegistry) -> None:
    away = Away(registry.store)
    versions = RegistryVersions(away, ["deacon"], make=served, given={"d": "deacon@active"})
    before = versions.version_of("deacon:1")
    away.away = True

    assert before == versions.version_of("deacon:1") == "deacon:1"
    assert versions.names() == ["d"]
    with pytest.raises(EngineUnavailable, match="deacon:2; ask again"):
        versions.version_of("deacon:2")


def test_a_version_that_cannot_be_used_is_refused_without_its_paths(
    registry: ModelRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(version: str) -> ServedModel:
        raise BadCheckpoint("/secret/place: flipped")

    versions = RegistryVersions(registry, ["deacon"], make=broken)

    with pytest.raises(EngineUnavailable) as refused:
        versions.make("deacon:1")
    assert str(refused.value) == "deacon:1 cannot be served (BadCheckpoint); see the server's log"
    assert "/secret/place: flipped" in caplog.text
