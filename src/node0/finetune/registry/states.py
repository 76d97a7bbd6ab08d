# SPDX-License-Identifier: Apache-2.0
"""The states of a version, which may follow which, and the names that move from version to version."""

from enum import StrEnum

from node0.errors import IllegalTransition


class DeploymentStatus(StrEnum):
    """Where a version is in its life."""

    REGISTERED = "registered"
    EVALUATED = "evaluated"
    ACTIVE = "active"
    DEGRADED = "degraded"
    "It was active and did worse than it must; it is out of service."

    FLAGGED = "flagged"
    "Something is wrong with it: a regression, or a person said so."

    HOLDS_ROLLOUT = "holds_rollout"
    "Flagged, and no later version may be deployed before somebody has looked."

    ARCHIVED = "archived"
    "It was active and another one has taken its place."


class Alias(StrEnum):
    """A name that stands for one version of a model at a time: `NAME@ALIAS`."""

    ACTIVE = "active"
    PREVIOUS = "previous"
    CANDIDATE = "candidate"


_S = DeploymentStatus
_STOPS = frozenset({_S.FLAGGED, _S.HOLDS_ROLLOUT})
LEGAL_MOVES: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _S.REGISTERED: _STOPS | {_S.EVALUATED, _S.ACTIVE, _S.ARCHIVED},
    _S.EVALUATED: _STOPS | {_S.ACTIVE, _S.ARCHIVED},
    _S.ACTIVE: _STOPS | {_S.DEGRADED, _S.ARCHIVED},
    _S.DEGRADED: _STOPS | {_S.ACTIVE, _S.ARCHIVED},
    _S.FLAGGED: _STOPS | {_S.EVALUATED, _S.ACTIVE, _S.ARCHIVED},
    _S.HOLDS_ROLLOUT: _STOPS | {_S.EVALUATED, _S.ACTIVE, _S.ARCHIVED},
    _S.ARCHIVED: _STOPS | {_S.ACTIVE},
}
"Staying as it is is always legal. What is flagged becomes active by force only."


def check_move(spelled: str, before: DeploymentStatus, after: DeploymentStatus) -> None:
    """Nothing where the move is legal.

    Raises:
        IllegalTransition: it is not; the message says which are.
    """
    if before is not after and after not in LEGAL_MOVES[before]:
        legal = ", ".join(sorted(LEGAL_MOVES[before]))
        raise IllegalTransition(f"{spelled} is {before} and cannot become {after}; it can become: {legal}")
