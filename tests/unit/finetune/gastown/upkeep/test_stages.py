# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from node0.finetune.gastown.upkeep.stages import AtStage, RolloutSettings, Stage, StageState, held, stages

ROLES = ["polecat", "mayor", "witness", "deacon"]
SETTINGS = RolloutSettings(sessions=20, success=0.6)
GOOD, FEW, POOR = AtStage("m:1", 40, 38), AtStage("m:1", 19, 19), AtStage("m:1", 40, 24)


def states(at_work: dict[str, AtStage], roles: list[str] = ROLES) -> list[tuple[str, str]]:
    return [(one.role, one.state.value) for one in stages(roles, at_work, SETTINGS)]


def test_the_first_stage_is_open_and_the_others_wait() -> None:
    assert states({}) == [("deacon", "open"), ("witness", "waits"), ("polecat", "waits")]


def test_a_stage_that_did_well_opens_the_next_one_alone() -> None:
    assert states({"deacon": GOOD}) == [("deacon", "at work"), ("witness", "open"), ("polecat", "waits")]
    assert states({"deacon": GOOD, "witness": GOOD})[2] == ("polecat", "open")


def test_few_sessions_and_poor_ones_open_nothing_and_are_told() -> None:
    for shown, told in ((FEW, "20 are asked"), (POOR, "at least 45%, where 60% are asked")):
        found = stages(ROLES, {"deacon": shown}, SETTINGS)[1]

        assert found.state is StageState.WAITS and told in found.why


def test_a_role_that_is_to_get_no_model_holds_nobody() -> None:
    assert states({}, ["polecat", "witness"]) == [("witness", "open"), ("polecat", "waits")]


def test_a_role_that_is_no_stage_or_open_is_not_held() -> None:
    found = stages(ROLES, {}, SETTINGS)

    assert held("refinery", found) == held("deacon", found) == ""
    assert held("witness", found) == "witness waits: nothing of ours is at work for deacon"


AT = st.builds(AtStage, st.just("m:1"), st.integers(0, 60), st.just(0)).flatmap(
    lambda one: st.integers(0, one.sessions).map(lambda number: one._replace(succeeded=number))
)


@given(
    st.lists(st.sampled_from(["deacon", "witness", "polecat", "crew"]), unique=True),
    st.dictionaries(st.sampled_from(["deacon", "witness", "polecat"]), AT),
)
def test_at_most_one_stage_is_open_and_what_opened_it_is_proven(
    roles: list[str], at_work: dict[str, AtStage]
) -> None:
    found: list[Stage] = stages(roles, at_work, SETTINGS)

    assert {one.role for one in found} == set(roles) - {"crew"}
    for before, one in pairwise(found):
        if one.state is StageState.OPEN:
            proof = at_work[before.role]
            assert proof.sessions >= 20 and proof.succeeded / proof.sessions > 0.6
