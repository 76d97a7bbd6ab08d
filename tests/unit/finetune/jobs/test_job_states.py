# SPDX-License-Identifier: Apache-2.0
from node0.finetune.jobs.job_states import LEGAL_MOVES, JobState


def test_every_state_has_its_moves_and_none_leads_to_itself() -> None:
    assert set(LEGAL_MOVES) == set(JobState)
    assert all(state not in following for state, following in LEGAL_MOVES.items())


def test_every_state_can_be_reached_from_the_first_one() -> None:
    reached, new = set(), {JobState.CORPUS_VALIDATING}

    while new:
        reached |= new
        new = {state for known in new for state in LEGAL_MOVES[known]} - reached

    assert reached == set(JobState)


def test_what_is_at_work_may_fail_or_stop_and_what_ended_only_starts_over() -> None:
    ended = {JobState.DONE, JobState.FAILED}

    for state in set(JobState) - ended:
        assert JobState.FAILED in LEGAL_MOVES[state]
        assert JobState.READY in LEGAL_MOVES[state] or state is JobState.READY
    assert all(LEGAL_MOVES[state] == {JobState.CORPUS_VALIDATING} for state in ended)
