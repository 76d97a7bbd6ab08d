# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.finetune.jobs.job_states import LEGAL_MOVES, JobState

S = JobState
UNDER_WAY = {S.TRAINING, S.SYNCING, S.CHECKPOINTING, S.EVALUATING, S.DEGRADED}


def test_the_nine_states_of_the_plan_and_a_tenth_are_spelled_as_promised() -> None:
    assert [state.value for state in S] == [
        "corpus-validating",
        "ready",
        "training",
        "syncing",
        "checkpointing",
        "evaluating",
        "done",
        "failed",
        "degraded",
        "interrupted",
    ]
    assert set(LEGAL_MOVES) == set(S)


def test_every_state_can_be_reached_from_the_first_and_none_leads_to_itself() -> None:
    reached, ahead = set(), {S.CORPUS_VALIDATING}
    while ahead:
        reached |= ahead
        ahead = set().union(*(LEGAL_MOVES[state] for state in ahead)) - reached

    assert reached == set(S)
    assert [state for state in S if state in LEGAL_MOVES[state]] == []


def test_a_job_that_ended_can_only_start_over() -> None:
    for ended in (S.DONE, S.FAILED, S.INTERRUPTED):
        assert LEGAL_MOVES[ended] == {S.CORPUS_VALIDATING}


def test_only_a_job_that_is_not_under_way_starts_over() -> None:
    starts = {state for state in S if S.CORPUS_VALIDATING in LEGAL_MOVES[state]}

    assert starts == {S.READY, S.DONE, S.FAILED, S.INTERRUPTED}


def test_whatever_has_not_ended_may_fail() -> None:
    unended = set(S) - {S.DONE, S.FAILED, S.INTERRUPTED}

    assert {state for state in S if S.FAILED in LEGAL_MOVES[state]} == unended
    assert {state for state in S if S.INTERRUPTED in LEGAL_MOVES[state]} == unended


@pytest.mark.parametrize("state", sorted(UNDER_WAY))
def test_a_job_under_way_may_be_interrupted_and_every_pause_ends_in_training(state: JobState) -> None:
    assert {S.READY, S.INTERRUPTED} <= LEGAL_MOVES[state]
    assert state == S.TRAINING or S.TRAINING in LEGAL_MOVES[state]


@pytest.mark.parametrize("state", [S.CHECKPOINTING, S.EVALUATING, S.DEGRADED])
def test_a_stage_may_be_lost_while_states_are_saved_or_sessions_scored(state: JobState) -> None:
    assert S.SYNCING in LEGAL_MOVES[state]


def test_a_run_ends_well_only_where_its_weights_are_whole() -> None:
    assert {state for state in S if S.DONE in LEGAL_MOVES[state]} == {
        S.TRAINING,
        S.CHECKPOINTING,
        S.EVALUATING,
    }
