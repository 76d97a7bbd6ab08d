# SPDX-License-Identifier: Apache-2.0
"""The stages of a rollout: which role may get a model of ours next, by how the roles before it do.

A deacon that errs is noticed and costs little, a polecat that errs writes code: so the order is the plan's,
and a stage opens when enough sessions of the one before ended well. Roles beside these are no stage.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.role import Role
from node0.finetune.statistics.wilson import wilson

STAGES = (Role.DEACON, Role.WITNESS, Role.POLECAT)


class RolloutSettings(BaseModel):
    """The block `rollout` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: int = Field(20, ge=1)
    "Sessions with an outcome that a stage must have had before the next one opens."

    success: float = Field(0.6, ge=0, le=1)
    "What the lower bound of their share of successes (Wilson, 95 %) must reach."


class StageState(StrEnum):
    """How far a stage is."""

    AT_WORK = "at work"
    OPEN = "open"
    WAITS = "waits"


class AtStage(NamedTuple):
    """How a version at work does."""

    version: str
    "`NAME:VER`."

    sessions: int
    succeeded: int


class Stage(NamedTuple):
    """A role, how far it is, and why."""

    role: str
    state: StageState
    why: str


def stages(roles: Sequence[str], at_work: Mapping[str, AtStage], settings: RolloutSettings) -> list[Stage]:
    """Every stage of a town, in order.

    Args:
        roles: that are to get a model; the others are left out.
        at_work: by role, what is at work of ours.
        settings: when a stage opens the next one.
    """
    found: list[Stage] = []
    before = ""
    for role in (role.value for role in STAGES if role in roles):
        reason = _unproven(before, at_work, settings) if before else ""
        if role in at_work:
            found.append(Stage(role, StageState.AT_WORK, _told(at_work[role])))
        elif reason:
            found.append(Stage(role, StageState.WAITS, reason))
        else:
            found.append(Stage(role, StageState.OPEN, f"after {before}" if before else "the first stage"))
        before = role
    return found


def held(role: str, found: Sequence[Stage]) -> str:
    """Why a role may get no model yet; empty where it may."""
    return next((f"{role} waits: {one.why}" for one in found if one.role == role and _waits(one)), "")


def _waits(stage: Stage) -> bool:
    return stage.state is StageState.WAITS


def _unproven(role: str, at_work: Mapping[str, AtStage], settings: RolloutSettings) -> str:
    """Why a stage does not open the next one; empty where it does."""
    if role not in at_work:
        return f"nothing of ours is at work for {role}"
    now = at_work[role]
    if now.sessions < settings.sessions:
        return f"{_told(now)} for {role}, {settings.sessions} are asked"
    low, _ = wilson(now.succeeded, now.sessions)
    if low < settings.success:
        return f"{_told(now)} for {role}: at least {low:.0%}, where {settings.success:.0%} are asked"
    return ""


def _told(one: AtStage) -> str:
    return f"{one.version}: {one.succeeded} of {one.sessions} sessions succeeded"
