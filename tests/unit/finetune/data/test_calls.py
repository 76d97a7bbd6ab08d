# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from tiny_chat import BASH, calls, entry, recorded, result, says, system, user

from node0.finetune.chat.profile import load_profile
from node0.finetune.corpus.schema import RecordedCall
from node0.finetune.data.calls import dialogue_pair, dialogues, recorded_calls

TALK = [user("a"), says("b"), user("c"), says("d")]
DEACON = load_profile("deacon")


def test_an_answer_that_two_calls_name_is_one_call() -> None:
    talk = recorded(TALK)
    talk.requests = [talk.requests[1], *talk.requests]

    messages, found = recorded_calls(talk, None)

    assert messages == TALK
    assert [(call.answer, call.system) for call in found] == [
        (1, "You are Claude Code."),
        (3, "You are Claude Code."),
    ]
    assert all(call.tools == [BASH] for call in found)


def test_without_recorded_calls_every_answer_is_one_under_the_leading_system_turn() -> None:
    messages, found = recorded_calls(entry([system("Be brief."), *TALK], tools=[BASH]), None)

    assert messages == TALK
    assert [(call.system, call.answer) for call in found] == [("Be brief.", 1), ("Be brief.", 3)]


@pytest.mark.parametrize(("exact", "named"), [(True, []), (False, [tool.name for tool in DEACON.tools])])
def test_only_a_reconstructed_call_gets_the_profiles_tools(exact: bool, named: list[str]) -> None:
    talk = recorded(TALK[:2])
    talk.toolsets["t"], talk.requests[0].exact = [], exact

    (call,) = recorded_calls(talk, DEACON)[1]

    assert [tool["name"] for tool in call.tools] == named
    assert recorded_calls(talk, None)[1][0].tools == []


def test_calls_under_one_prompt_make_one_dialogue_and_another_prompt_another() -> None:
    talk = recorded(TALK)
    talk.systems["other"] = "Be brief."
    talk.requests[1] = RecordedCall(n_messages=3, system="other", tools="t")

    found, dropped = dialogues(talk, None)

    assert [(one.system, one.answers) for one in found] == [("You are Claude Code.", [1]), ("Be brief.", [3])]
    assert found[1].request(3) == {"system": "Be brief.", "tools": [BASH], "messages": TALK[:3]}
    assert not dropped
    assert [one.answers for one in dialogues(talk, DEACON)[0]] == [[1, 3]]


def test_each_answer_is_in_one_dialogue_or_counted() -> None:
    edit = {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "Edit", "input": {}}]}
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]}
    talk = recorded([user("a"), edit, user("b"), thought, user("c"), calls("ls"), result("x"), says("d")])
    talk.requests += [RecordedCall(n_messages=number, system="s", tools="t") for number in (0, 99)]

    (one,), dropped = dialogues(talk, DEACON)

    assert one.answers == [5, 7]
    assert dropped == {"answer not recorded": 2, "tool outside the profile": 1, "empty answer": 1}


@pytest.mark.parametrize(("one_answer", "learnt"), [(False, [3, 5]), (True, [3])])
def test_a_pair_shares_its_prompt_and_learns_what_follows(one_answer: bool, learnt: list[int]) -> None:
    prompt = [*TALK[:2], user("c")]
    more = [says("yes"), user("e"), says("f")]

    pair = dialogue_pair(
        entry(prompt, chosen=more, rejected=[*prompt, says("no")]), None, one_answer=one_answer
    )

    assert pair is not None
    assert (pair.shared, pair.chosen.answers, pair.rejected.answers) == (3, learnt, [3])
    assert list(pair.chosen.messages) == [*prompt, *more]


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [([says("x")], [says("x")]), ([says("x")], []), (None, None), ([user("x")], [says("y")])],
)
def test_a_pair_needs_an_answer_on_each_side(chosen: Any, rejected: Any) -> None:
    assert dialogue_pair(entry([user("a")], chosen=chosen, rejected=rejected), None, one_answer=False) is None
