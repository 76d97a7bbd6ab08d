# SPDX-License-Identifier: Apache-2.0
"""A training job: the states it can be in, and which may follow which.

    corpus-validating ─► ready ─► training ─┬► syncing        stages go to a common state
                           ▲        ▲   │   ├► checkpointing
                           └────────┤   │   ├► evaluating
                        interrupted │   │   └► degraded       steps are skipped
                                    └───┼──── (each back)
                                        └► done | failed

A stage may be lost while states are saved or sessions are scored: `syncing` follows these too.
`done`, `failed` and `ready` may start over at `corpus-validating`: the run directory is trained in again.
"""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

LONGEST_REASON = 1024


class JobState(StrEnum):
    """What a job is doing, or how it ended."""

    CORPUS_VALIDATING = "corpus-validating"
    READY = "ready"
    TRAINING = "training"
    SYNCING = "syncing"
    CHECKPOINTING = "checkpointing"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    DEGRADED = "degraded"


_S = JobState
LEGAL_MOVES: dict[JobState, frozenset[JobState]] = {
    _S.CORPUS_VALIDATING: frozenset({_S.READY, _S.FAILED}),
    _S.READY: frozenset({_S.CORPUS_VALIDATING, _S.TRAINING, _S.SYNCING, _S.FAILED}),
    _S.TRAINING: frozenset(
        {_S.READY, _S.SYNCING, _S.CHECKPOINTING, _S.EVALUATING, _S.DEGRADED, _S.DONE, _S.FAILED}
    ),
    _S.SYNCING: frozenset({_S.READY, _S.TRAINING, _S.DEGRADED, _S.FAILED}),
    _S.CHECKPOINTING: frozenset({_S.READY, _S.TRAINING, _S.SYNCING, _S.EVALUATING, _S.DONE, _S.FAILED}),
    _S.EVALUATING: frozenset({_S.READY, _S.TRAINING, _S.SYNCING, _S.CHECKPOINTING, _S.DONE, _S.FAILED}),
    _S.DEGRADED: frozenset({_S.READY, _S.TRAINING, _S.SYNCING, _S.CHECKPOINTING, _S.EVALUATING, _S.FAILED}),
    _S.DONE: frozenset({_S.CORPUS_VALIDATING}),
    _S.FAILED: frozenset({_S.CORPUS_VALIDATING}),
}
"Which states may follow each."


class Job(BaseModel):
    """The training in one run directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    "Name of the run directory and eight digits of the sha256 of its path."

    run_dir: str
    bead_id: str | None = Field(None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    "The bead that asked for it."

    role: str
    mode: str
    state: JobState
    created_at: str
    updated_at: str
    "ISO 8601, UTC."


class Transition(BaseModel):
    """One state that a job was in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    "1, 2, ... of one job."

    at: str
    "ISO 8601, UTC."

    state: JobState
    reason: str
