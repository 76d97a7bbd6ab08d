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
LEGAL_MOVES: dict[DeploymentStatus, frozenset[DeploymentStatus]] = {
    _S.REGISTERED: frozenset({_S.EVALUATED, _S.ACTIVE, _S.FLAGGED, _S.HOLDS_ROLLOUT, _S.ARCHIVED}),
    _S.EVALUATED: frozenset({_S.ACTIVE, _S.FLAGGED, _S.HOLDS_ROLLOUT, _S.ARCHIVED}),
    _S.ACTIVE: frozenset({_S.ARCHIVED, _S.DEGRADED, _S.FLAGGED, _S.HOLDS_ROLLOUT, _S.EVALUATED, _S.REGISTERED}),
    _S.DEGRADED: frozenset({_S.ACTIVE, _S.ARCHIVED, _S.FLAGGED, _S.HOLDS_ROLLOUT}),
    _S.FLAGGED: frozenset({_S.EVALUATED, _S.ARCHIVED, _S.HOLDS_ROLLOUT}),
    _S.HOLDS_ROLLOUT: frozenset({_S.EVALUATED, _S.ARCHIVED, _S.FLAGGED}),
    _S.ARCHIVED: frozenset({_S.ACTIVE, _S.FLAGGED, _S.HOLDS_ROLLOUT}),
}
"Staying as it is is always legal. An active version goes back to what it was when its deployment is undone."


def check_move(spelled: str, before: DeploymentStatus, after: DeploymentStatus) -> None:
    """Nothing where the move is legal.

    Raises:
        IllegalTransition: it is not; the message says which are.
    """
    if before is not after and after not in LEGAL_MOVES[before]:
        legal = ", ".join(sorted(LEGAL_MOVES[before]))
        raise IllegalTransition(f"{spelled} is {before} and cannot become {after}; it can become: {legal}")
