# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.errors import IllegalTransition
from node0.finetune.registry.states import LEGAL_MOVES, DeploymentStatus, check_move

S = DeploymentStatus


@pytest.mark.parametrize("status", S)
def test_a_version_may_stay_what_it_is_and_may_always_be_flagged(status: DeploymentStatus) -> None:
    check_move("deacon:1", status, status)
    check_move("deacon:1", status, S.FLAGGED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (S.REGISTERED, S.DEGRADED),
        (S.EVALUATED, S.REGISTERED),
        (S.ACTIVE, S.EVALUATED),
        (S.ARCHIVED, S.EVALUATED),
        (S.ARCHIVED, S.DEGRADED),
        (S.FLAGGED, S.REGISTERED),
    ],
)
def test_an_illegal_move_is_refused_with_the_legal_ones(
    before: DeploymentStatus, after: DeploymentStatus
) -> None:
    with pytest.raises(IllegalTransition) as caught:
        check_move("deacon:1", before, after)

    legal = ", ".join(sorted(LEGAL_MOVES[before]))
    assert str(caught.value) == f"deacon:1 is {before} and cannot become {after}; it can become: {legal}"


def test_every_state_has_moves_and_no_version_becomes_registered_again() -> None:
    assert set(LEGAL_MOVES) == set(S)
    assert all(S.REGISTERED not in after for after in LEGAL_MOVES.values())
