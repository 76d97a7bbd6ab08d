# SPDX-License-Identifier: Apache-2.0
import pytest
from tiny_chat import BASH, calls, entry, recorded, result, says, system, user

from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.dpo.situations import Decision, decisions, names_before

PROFILE = DeploymentProfile(role="deacon", card="You patrol.", tools=("Bash",))
TURNS = [user("Mend gt-1 in lantern."), calls("bd show gt-1"), result("It is shut."), calls("gt oil")]


def decided(one: CorpusEntry) -> list[Decision]:
    return list(decisions(one, PROFILE))


def test_an_answer_is_told_with_its_turn_and_how_its_session_ended() -> None:
    first, second = decided(entry(TURNS, session_id="s1", outcome="failure"))

    assert [(one.turn, one.session, one.succeeded, one.makes_calls) for one in (first, second)] == [
        (1, "s1", False, True),
        (3, "s1", False, True),
    ]
    assert first.situation != second.situation
    assert decided(entry([user("Go."), says("Gone.")]))[0].makes_calls is False


@pytest.mark.parametrize(
    "other",
    [
        recorded(TURNS),
        entry([system("Another stock prompt."), *TURNS], tools=[BASH]),
        entry(
            [user("Mend gt-7 in harbor."), calls("bd show gt-7"), *TURNS[2:]], bead_id="gt-7", rig="harbor"
        ),
        entry(
            [TURNS[0], calls("bd  show 'gt-1'", 9, text="I look first."), result("It is shut.", 9), TURNS[3]]
        ),
        entry([TURNS[0], system("Today's date is 2026-03-02."), *TURNS[1:]]),
    ],
    ids=["recorded calls", "another harness's prompt", "other names", "other words", "a listing"],
)
def test_what_the_deployed_model_meets_alike_is_one_situation(other: CorpusEntry) -> None:
    mine = entry(TURNS, bead_id="gt-1", rig="lantern")
    other = other.model_copy(
        update={"bead_id": other.bead_id or "gt-1", "rig": other.rig.replace("town", "lantern")}
    )

    assert [one.situation for one in decided(other)] == [one.situation for one in decided(mine)]
    assert [one.answer for one in decided(other)] == [one.answer for one in decided(mine)]


@pytest.mark.parametrize(
    "other",
    [
        entry([user("Mend gt-1 in lantern, please."), *TURNS[1:]]),
        entry([TURNS[0], calls("bd show --long gt-1"), *TURNS[2:]]),
        entry([TURNS[0], TURNS[1], result("It is open."), TURNS[3]]),
        entry(TURNS, role="witness"),
    ],
    ids=["asked otherwise", "did otherwise", "saw otherwise", "another role"],
)
def test_a_situation_is_another_one_where_anything_before_it_was(other: CorpusEntry) -> None:
    assert decided(other)[1].situation != decided(entry(TURNS))[1].situation


def test_a_failed_call_is_not_one_that_went_well() -> None:
    failed = result("It is shut.")
    failed["content"][0]["is_error"] = True

    assert decided(entry([*TURNS[:2], failed, TURNS[3]]))[1].situation != decided(entry(TURNS))[1].situation


def test_names_are_those_that_were_met_before_the_answer() -> None:
    turns = [user("Mend gt-1."), calls("bd show gt-2"), result("gt-3 waits for it."), calls("gt oil gt-4")]
    one = entry(turns, bead_id="gt-1")

    assert names_before(one, 1, PROFILE) == ["gt-1"]
    assert names_before(one, 3, PROFILE) == ["gt-1", "gt-2", "gt-3"]
    with pytest.raises(ValueError, match="no answer at turn 2"):
        names_before(one, 2, PROFILE)
