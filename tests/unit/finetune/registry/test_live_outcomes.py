# SPDX-License-Identifier: Apache-2.0
import pytest
from deploy_town import registry, town

from node0.errors import IllegalTransition
from node0.finetune.registry.live_outcomes import LiveOutcome, LiveOutcomes, utc_seconds
from node0.finetune.registry.pruning import remove
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry

__all__ = ["registry", "town"]


def _outcome(name: str, *, succeeded: bool = True, at: str = "2026-03-01T00:00:00+00:00") -> LiveOutcome:
    return LiveOutcome(session_id=name, at=at, succeeded=succeeded)


def test_a_session_has_one_outcome_the_last_that_was_told(registry: ModelRegistry) -> None:
    outcomes, entry = LiveOutcomes(registry.store), registry.require("deacon:1")

    added = [
        outcomes.add(entry, [_outcome("b"), _outcome("a")]),
        outcomes.add(entry, [_outcome("a"), _outcome("b", succeeded=False)]),
        outcomes.add(entry, []),
    ]

    assert added == [2, 1, 0]
    assert [(one.session_id, one.succeeded) for one in outcomes.list(entry)] == [("a", True), ("b", False)]
    assert outcomes.list(registry.require("deacon:2")) == []


def test_outcomes_come_by_time(registry: ModelRegistry) -> None:
    outcomes, entry = LiveOutcomes(registry.store), registry.require("deacon:1")
    late, early = "2026-03-02T00:00:00+00:00", "2026-03-01T00:00:00+00:00"
    outcomes.add(entry, [_outcome("a", at=late), _outcome("b", at=early)])

    assert [one.session_id for one in outcomes.list(entry)] == ["b", "a"]


def test_only_what_works_can_be_stopped(registry: ModelRegistry) -> None:
    with pytest.raises(IllegalTransition, match="deacon:1 is evaluated and cannot become degraded"):
        LiveOutcomes(registry.store).trip(registry.require("deacon:1"), reason="x")


def test_a_version_that_was_taken_back_meanwhile_is_not_stopped(registry: ModelRegistry) -> None:
    registry.update_deployment_status("deacon:1", "active", [])
    seen = registry.require("deacon:1")
    registry.update_deployment_status("deacon:1", "archived", [])

    with pytest.raises(IllegalTransition, match="deacon:1 is archived and cannot become degraded"):
        LiveOutcomes(registry.store).trip(seen, reason="x")
    assert registry.require("deacon:1").deployment_status is DeploymentStatus.ARCHIVED
    assert registry.history("deacon:1")[-1].event == "status"


def test_outcomes_go_with_their_version(registry: ModelRegistry) -> None:
    outcomes, entry = LiveOutcomes(registry.store), registry.require("deacon:1")
    outcomes.add(entry, [_outcome("a")])
    registry.update_deployment_status("deacon:1", "archived", [])
    remove(registry, "deacon:1", reason="old")

    assert outcomes.list(entry) == []


@pytest.mark.parametrize(
    "moment", ["2026-03-01T12:00:00Z", "2026-03-01T14:00:00.500+02:00", "2026-03-01T12:00:00"]
)
def test_moments_are_written_alike(moment: str) -> None:
    assert utc_seconds(moment) == "2026-03-01T12:00:00+00:00"


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01T00:00:00", "0001-01-01T00:00:00+05:00"])
def test_what_is_no_moment_is_refused(moment: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month|0001"):
        utc_seconds(moment)
