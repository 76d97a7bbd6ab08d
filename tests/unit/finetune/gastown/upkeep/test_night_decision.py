# SPDX-License-Identifier: Apache-2.0
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.gastown.upkeep.night_decision import Decision, NightlySettings, RoleState, Step, decide

SETTINGS = NightlySettings(first_sessions=10, new_sessions=4, stale_sessions=2)
LIMIT = 0.2
TRAINED = RoleState("deacon", sessions=12, newest="deacon:1", to_do=("roles",))


def decided(state: RoleState, settings: NightlySettings = SETTINGS) -> Decision:
    return decide(state, settings, limit=LIMIT)


@pytest.mark.parametrize(
    ("sessions", "step"), [(0, Step.WAIT), (9, Step.WAIT), (10, Step.TRAIN), (500, Step.TRAIN)]
)
def test_a_first_version_waits_for_enough_sessions(sessions: int, step: Step) -> None:
    found = decided(RoleState("deacon", sessions=sessions, new_sessions=sessions))

    assert found.step is step and f"{sessions} of 10 sessions" in found.why


def test_a_run_that_did_not_end_goes_on_before_anything_else() -> None:
    found = decided(TRAINED._replace(unfinished="/runs/a"))

    assert (found.step, found.subject) == (Step.TRAIN, "/runs/a")


def test_a_run_that_is_at_work_is_left_alone() -> None:
    assert decided(TRAINED._replace(unfinished="/runs/a", is_training=True)).step is Step.WAIT


def test_what_was_trained_is_evaluated_and_then_put_before_the_gate() -> None:
    first, second = (decided(TRAINED._replace(to_do=left)) for left in (("roles", "replay"), ("replay",)))
    last = decided(TRAINED._replace(to_do=()))

    assert [(one.step, one.subject, one.suite) for one in (first, second, last)] == [
        (Step.EVALUATE, "deacon:1", "roles"),
        (Step.EVALUATE, "deacon:1", "replay"),
        (Step.DEPLOY, "deacon:1", ""),
    ]


def test_new_sessions_ask_for_another_version_of_what_is_at_work() -> None:
    at_work = TRAINED._replace(to_do=(), is_at_work=True)

    assert decided(at_work._replace(new_sessions=3)).step is Step.WAIT
    assert decided(at_work._replace(new_sessions=4)).step is Step.TRAIN


def test_a_stale_version_asks_for_fewer_sessions_but_for_some() -> None:
    stale = TRAINED._replace(to_do=(), is_at_work=True, staleness=0.21)

    found = [decided(stale._replace(new_sessions=number)) for number in (0, 1, 2)]
    assert [one.step for one in found] == [Step.WAIT, Step.WAIT, Step.TRAIN]
    assert "stale (0.21 of 0.20), 1 of 2" in found[1].why
    assert decided(stale._replace(staleness=0.2, new_sessions=2)).step is Step.WAIT


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"refused": "score 40 %"}, "the gate refused deacon:1: score 40 %"),
        ({"was_taken_back": True}, "was taken back"),
        ({"held": "deacon waits: x"}, "deacon waits: x"),
        ({"to_do": ("our-own",)}, "has not done suite our-own"),
    ],
)
def test_what_a_night_may_not_deploy_waits_with_the_reason(changed: dict[str, object], told: str) -> None:
    state = TRAINED._replace(**{"to_do": (), **changed})

    found = decided(state)
    assert found.step is Step.WAIT and told in found.why
    assert decided(state._replace(new_sessions=4)).step is Step.TRAIN


def test_a_town_may_keep_deploying_to_people() -> None:
    found = decided(TRAINED._replace(to_do=()), SETTINGS.model_copy(update={"deploy": False}))

    assert found.step is Step.WAIT and "node0 model deploy deacon:1" in found.why


STATES = st.builds(
    RoleState,
    role=st.just("deacon"),
    sessions=st.integers(0, 20),
    new_sessions=st.integers(0, 20),
    newest=st.sampled_from(["", "deacon:1"]),
    staleness=st.none() | st.floats(0, 1),
    unfinished=st.sampled_from(["", "/runs/a"]),
    is_training=st.booleans(),
    to_do=st.sampled_from([(), ("roles",), ("replay",), ("own", "roles"), ("own",)]),
    is_at_work=st.booleans(),
    refused=st.sampled_from(["", "no"]),
    was_taken_back=st.booleans(),
    held=st.sampled_from(["", "waits"]),
)


@given(STATES, st.booleans())
def test_nothing_is_deployed_that_was_not_evaluated_or_that_somebody_stopped(
    state: RoleState, deploy: bool
) -> None:
    found = decided(state, SETTINGS.model_copy(update={"deploy": deploy}))

    assert found.why
    if found.step is Step.DEPLOY:
        stops = (state.to_do, state.refused, state.held, state.was_taken_back, state.is_at_work)
        assert deploy and found.subject == state.newest != "" and not any(stops)
    if found.step is Step.TRAIN and not state.unfinished:
        assert max(state.sessions, state.new_sessions) >= min(10, 4, 2)


@given(STATES)
def test_steps_that_succeed_come_to_an_end(state: RoleState) -> None:
    """Each step takes away what asked for it, as the commands do."""
    for number in itertools.count():
        found = decided(state)
        if found.step is Step.WAIT:
            break
        assert number < 5
        if found.step is Step.TRAIN:
            state = RoleState("deacon", sessions=state.sessions, newest="deacon:2", to_do=("roles",))
        elif found.step is Step.EVALUATE:
            state = state._replace(to_do=tuple(one for one in state.to_do if one != found.suite))
        else:
            state = state._replace(is_at_work=True)
