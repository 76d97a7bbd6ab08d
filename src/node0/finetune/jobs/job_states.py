# SPDX-License-Identifier: Apache-2.0
"""The states that a training job can be in, and which may follow which.

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


class JobState(StrEnum):
    """What a job is doing, or how it ended."""

    CORPUS_VALIDATING = "corpus-validating"
    READY = "ready"
    "Checked and not started, or stopped; may go on."

    TRAINING = "training"
    SYNCING = "syncing"
    "Stages load a common state."

    CHECKPOINTING = "checkpointing"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    DEGRADED = "degraded"
    "Steps are skipped."


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
