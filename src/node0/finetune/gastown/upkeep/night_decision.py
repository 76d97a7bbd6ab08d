# SPDX-License-Identifier: Apache-2.0
"""What a night does for a role: a decision about what is known of it, with the reason, and nothing else.

What was begun is ended first: a run goes on, a version is evaluated, then put before the gate. Only then
does a night ask whether there is enough to train on again.
"""

from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.registry.evaluations import REPLAY, SHIPPED

DOABLE = (SHIPPED, REPLAY)
"Suites that can be done without being told where they lie."


class NightlySettings(BaseModel):
    """The block `nightly` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_sessions: int = Field(50, ge=1)
    "Sessions that a role's first version waits for."

    new_sessions: int = Field(50, ge=1)
    "Sessions that the newest version has not seen, at which another one is trained."

    stale_sessions: int = Field(5, ge=1)
    "The same where the newest version is stale: on old sessions alone it would learn the old ways again."

    epochs: int = Field(5, ge=1)
    "Trials of each item of a suite."

    config: str = ""
    "YAML file of a training, from the town's root, or the name of a shipped one; empty takes the defaults."

    deploy: bool = True
    "Whether a version that was evaluated is put before the gate."


class Step(StrEnum):
    """What is done next."""

    TRAIN = "train"
    EVALUATE = "evaluate"
    DEPLOY = "deploy"
    WAIT = "wait"


class RoleState(NamedTuple):
    """What is known of a role."""

    role: str
    sessions: int = 0
    "In the corpus, good enough to be trained on."

    new_sessions: int = 0
    "Those of them that the newest version has not seen."

    newest: str = ""
    "`NAME:VER`; empty where no version is registered."

    staleness: float | None = None
    "Of the newest version; None where its conventions were not recorded."

    unfinished: str = ""
    "Directory of a run that was begun and has not ended, or whose end was not registered."

    is_training: bool = False
    "Whether a process trains there now."

    to_do: tuple[str, ...] = ()
    "Suites that the newest version has still to do before the gate looks at it."

    is_at_work: bool = False
    refused: str = ""
    "What the gate said of the newest version since it was last evaluated."

    was_taken_back: bool = False
    "Whether it was at work before, and somebody or the breaker ended that."

    held: str = ""
    "Why the newest version is not to be put to work yet: the rollout, or its server; empty where it may."


class Decision(NamedTuple):
    """A step, and why it is that one."""

    role: str
    step: Step
    why: str
    subject: str = ""
    "Of a step that goes on: the run's directory, the version."

    suite: str = ""
    "That is to be done."


def decide(state: RoleState, settings: NightlySettings, *, limit: float) -> Decision:
    """What a night does next for a role.

    Args:
        state: what is known of it.
        settings: the town's.
        limit: staleness above which a version is to be trained again.
    """
    if state.unfinished:
        return _going_on(state)
    if state.newest and (found := _with_newest(state, settings)) is not None:
        return found
    return _training(state, settings, limit)


def _going_on(state: RoleState) -> Decision:
    if state.is_training:
        return Decision(state.role, Step.WAIT, f"a run is at work in {state.unfinished}")
    return Decision(
        state.role, Step.TRAIN, f"the run in {state.unfinished} has no version yet", subject=state.unfinished
    )


def _with_newest(state: RoleState, settings: NightlySettings) -> Decision | None:
    """What is left to do with the newest version; None where there is nothing that a night may do."""
    if state.is_at_work or state.was_taken_back:
        return None
    if doable := [suite for suite in state.to_do if suite in DOABLE]:
        why = f"{state.newest} has not done suite {doable[0]}"
        return Decision(state.role, Step.EVALUATE, why, subject=state.newest, suite=doable[0])
    if state.to_do or state.refused or state.held or not settings.deploy:
        return None
    return Decision(state.role, Step.DEPLOY, f"{state.newest} was evaluated", subject=state.newest)


def _training(state: RoleState, settings: NightlySettings, limit: float) -> Decision:
    if not state.newest:
        enough, of = state.sessions, settings.first_sessions
        told = f"{enough} of {of} sessions for a first version"
    else:
        enough, of = state.new_sessions, settings.new_sessions
        told = f"{enough} of {of} sessions that {state.newest} has not seen"
        if state.staleness is not None and state.staleness > limit:
            of = settings.stale_sessions
            drift = f"{state.staleness:.2f} of {limit:.2f}"
            told = f"{state.newest} is stale ({drift}), {enough} of {of} new sessions"
    if enough >= of:
        return Decision(state.role, Step.TRAIN, told)
    return Decision(state.role, Step.WAIT, "; ".join([told, *_left(state, settings)]))


def _left(state: RoleState, settings: NightlySettings) -> list[str]:
    """Why the newest version is not put to work, where it is not."""
    if not state.newest or state.is_at_work:
        return []
    if state.was_taken_back:
        return [f"{state.newest} was taken back: a person deploys it again"]
    if state.to_do:
        return [
            f"{state.newest} has not done suite {state.to_do[0]}: node0 eval run {state.newest} --suite PATH"
        ]
    if state.refused:
        return [f"the gate refused {state.newest}: {state.refused}"]
    if state.held:
        return [state.held]
    return [f"nightly.deploy is off: node0 model deploy {state.newest}"] if not settings.deploy else []
