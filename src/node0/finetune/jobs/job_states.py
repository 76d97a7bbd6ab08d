# SPDX-License-Identifier: Apache-2.0
"""The states that a training job can be in, and which may follow which.

    corpus-validating ─► ready ─► training ─┬► syncing        stages go to a common state
                           ▲        ▲   │   ├► checkpointing
                           └────────┤   │   ├► evaluating
            stopped on request      │   │   └► degraded       steps are skipped
                                    └───┼──── (each back)
                                        └► done | failed | interrupted

A stage may be lost while states are saved or sessions are scored: `syncing` follows these too.
`done`, `failed`, `interrupted` and `ready` may start over at `corpus-validating`: the run directory is
trained in again.
"""

from enum import StrEnum


class JobState(StrEnum):
    """What a job is doing, or how it ended."""

    CORPUS_VALIDATING = "corpus-validating"
    READY = "ready"
    "Checked and not started, or stopped where `--stop-after` said; may go on."

    TRAINING = "training"
    SYNCING = "syncing"
    "Stages load a common state."

    CHECKPOINTING = "checkpointing"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    DEGRADED = "degraded"
    "Steps are skipped."

    INTERRUPTED = "interrupted"
    "Ended by Ctrl-C or SIGTERM before it was done; may go on."


_S = JobState
_ENDS = frozenset({_S.FAILED, _S.INTERRUPTED})
"How a job may end wherever it is."

LEGAL_MOVES: dict[JobState, frozenset[JobState]] = {
    _S.CORPUS_VALIDATING: _ENDS | {_S.READY},
    _S.READY: _ENDS | {_S.CORPUS_VALIDATING, _S.TRAINING, _S.SYNCING},
    _S.TRAINING: _ENDS | {_S.READY, _S.SYNCING, _S.CHECKPOINTING, _S.EVALUATING, _S.DEGRADED, _S.DONE},
    _S.SYNCING: _ENDS | {_S.READY, _S.TRAINING, _S.DEGRADED},
    _S.CHECKPOINTING: _ENDS | {_S.READY, _S.TRAINING, _S.SYNCING, _S.EVALUATING, _S.DONE},
    _S.EVALUATING: _ENDS | {_S.READY, _S.TRAINING, _S.SYNCING, _S.CHECKPOINTING, _S.DONE},
    _S.DEGRADED: _ENDS | {_S.READY, _S.TRAINING, _S.SYNCING, _S.CHECKPOINTING, _S.EVALUATING},
    _S.DONE: frozenset({_S.CORPUS_VALIDATING}),
    _S.FAILED: frozenset({_S.CORPUS_VALIDATING}),
    _S.INTERRUPTED: frozenset({_S.CORPUS_VALIDATING}),
}
"Which states may follow each."

AT_WORK = frozenset(_S) - {_S.READY, _S.DONE, _S.FAILED, _S.INTERRUPTED}
"States that a living process is in."
