# SPDX-License-Identifier: Apache-2.0
import uuid
from pathlib import Path

import pytest
from pydantic import ValidationError

from node0.finetune.registry.canaries import Canary, CanaryLog, CanarySettings, CanaryState, canary_number
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import Alias
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    registry = ModelRegistry(Town(tmp_path))
    for _ in range(2):
        registry.register(ModelRegistryEntry(name="deacon", role="deacon", artifact_path=str(tmp_path)))
    return registry


def draft(share: float = 0.2, **changes: object) -> Canary:
    settings = CanarySettings(share=share)
    row = Canary(role="deacon", rigs=[], stable="deacon:1", candidate="deacon:2", settings=settings)
    return row.model_copy(update=changes)


def sessions(count: int) -> list[str]:
    return [str(uuid.UUID(int=number * 7919)) for number in range(count)]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_the_share_holds_and_a_session_has_one_version(share: float) -> None:
    row = draft(share, number=3)
    drawn = [row.drawn(session) for session in sessions(4000)]

    assert drawn == [row.drawn(session) for session in sessions(4000)]
    assert abs(drawn.count("deacon:2") / 4000 - share) < 0.025
    assert set(drawn) == {"deacon:1", "deacon:2"}


def test_another_canary_draws_anew() -> None:
    first, second = ([draft(number=number).drawn(name) for name in sessions(400)] for number in (1, 2))

    both = sum(one == two == "deacon:2" for one, two in zip(first, second, strict=True))
    assert 0 < both < 40


def test_a_request_without_a_session_is_no_part_of_it() -> None:
    assert draft(0.5, number=1).answers("") == "deacon:1"


@pytest.mark.parametrize("state", list(CanaryState))
def test_only_what_is_taken_back_changes_the_version_of_a_session(state: CanaryState) -> None:
    row = draft(0.5, number=1, state=state)
    chosen = next(session for session in sessions(100) if row.drawn(session) == "deacon:2")

    taken_back = state in (CanaryState.TAKING_BACK, CanaryState.TAKEN_BACK)
    assert row.answers(chosen) == ("deacon:1" if taken_back else "deacon:2")


@pytest.mark.parametrize(
    ("model", "number"),
    [
        ("deacon@canary-12", 12),
        ("my.model-1@canary-1", 1),
        ("deacon@canary-0", None),
        ("deacon@canary-01", None),
        ("deacon@canary", None),
        ("deacon@canary--1", None),
        ("@canary-1", None),
        ("deacon@active", None),
        ("a/b@canary-1", None),
    ],
)
def test_ids_of_canaries_are_told_from_others(model: str, number: int | None) -> None:
    assert canary_number(model) == number


def test_a_canary_is_kept_and_its_candidate_has_the_alias_while_it_runs(registry: ModelRegistry) -> None:
    log = CanaryLog(registry.store)
    row = log.begin(draft(reason="to see"))

    assert (row.number, row.asked, row.state) == (1, "deacon@canary-1", CanaryState.STARTING)
    assert log.find(1) == row and log.unfinished() == [row]
    assert registry.require("deacon@candidate").version == 2
    running = log.change(row, CanaryState.RUNNING, deployment=4)
    assert log.find(1) == running and not running.ended_at
    ended = log.change(running, CanaryState.TAKEN_BACK, reason="worse\nby far", evidence={"blocks": 9})
    assert log.find(1) == ended and ended.reason == "worse by far" and ended.ended_at
    assert log.unfinished() == [] and log.list() == [ended] and log.find(2) is None
    assert Alias.CANDIDATE not in registry.aliases().get(("deacon", 2), ())


def test_an_alias_that_somebody_moved_meanwhile_stays(registry: ModelRegistry) -> None:
    log = CanaryLog(registry.store)
    row = log.begin(draft())
    registry.move_alias("deacon:1", Alias.CANDIDATE)
    log.change(row, CanaryState.TAKEN_BACK)

    assert registry.require("deacon@candidate").version == 1


@pytest.mark.parametrize(("share", "others"), [(0.5, 1), (0.2, 4), (0.1, 9), (0.3, 2)])
def test_a_block_holds_as_many_others_as_the_share_gives(share: float, others: int) -> None:
    assert CanarySettings(share=share).per_candidate == others


@pytest.mark.parametrize("settings", [{"share": 0.6}, {"share": 0}, {"margin": 0}, {"max_days": 0}, {"x": 1}])
def test_settings_that_make_no_canary_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        CanarySettings(**settings)
