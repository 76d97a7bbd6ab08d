# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from tiny_chat import BASH, calls, result, says, system, user

from node0.finetune.chat.conversation import FILLER, Conversation, short_id, to_conversation
from node0.finetune.chat.traits import Traits

EVERYTHING = Traits()
WORK = [user("go"), calls("ls"), result("two"), says("done")]


def made(
    *messages: Any, traits: Traits = EVERYTHING, head: str = "", tools: Any = (), prompt: bool = False
) -> Conversation:
    return to_conversation(head, tools, messages, traits, escape=str, prompt=prompt)


def turns(conversation: Conversation) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in conversation.turns]


def test_calls_and_results_become_turns_of_their_own() -> None:
    found = made(*WORK, head="Be brief.", tools=[BASH])

    assert [turn["role"] for turn in found.turns] == ["system", "user", "assistant", "tool", "assistant"]
    (call,) = found.turns[2]["tool_calls"]
    assert call["id"] == found.turns[3]["tool_call_id"]
    assert call["function"] == {"name": "Bash", "arguments": {"command": "ls"}}
    assert found.turns[3]["name"] == "Bash"
    assert found.answers == {1: 2, 3: 4}
    assert found.tools and found.tools[0]["function"]["name"] == "Bash"


def test_a_template_without_tools_gets_them_in_words() -> None:
    found = made(*WORK, traits=Traits(tools=False), head="Be brief.", tools=[BASH])

    assert found.tools is None
    assert found.turns[0]["content"].startswith("Be brief.\n\nTools, called as")
    assert "<tool_call>" in found.turns[2]["content"]
    assert found.turns[3] == {"role": "user", "content": "<tool_response>\ntwo\n</tool_response>"}


def test_parallel_calls_that_a_template_refuses_stand_in_words() -> None:
    both = {"role": "assistant", "content": [*calls("a", 1)["content"], *calls("b", 2)["content"]]}

    whole, folded = (
        made(user("go"), both, traits=Traits(parallel_calls=taken), tools=[BASH]) for taken in (True, False)
    )

    assert len(whole.turns[1]["tool_calls"]) == 2
    assert folded.turns[1]["content"].count("<tool_call>") == 2


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (EVERYTHING, [("user", "a"), ("system", "b"), ("user", "c"), ("assistant", "d")]),
        (Traits(middle_system=False), [("user", "a"), ("user", "b"), ("user", "c"), ("assistant", "d")]),
        (Traits(middle_system=False, user_runs=False), [("user", "a\n\nb\n\nc"), ("assistant", "d")]),
    ],
)
def test_turns_between_answers_are_folded_as_the_template_wants(
    traits: Traits, expected: list[tuple[str, str]]
) -> None:
    assert turns(made(user("a"), system("b"), user("c"), says("d"), traits=traits)) == expected


def test_a_system_prompt_that_is_refused_joins_the_first_user_turn() -> None:
    found = made(user("a"), says("b"), head="Be brief.", traits=Traits(system=False, user_runs=False))

    assert turns(found) == [("user", "Be brief.\n\na"), ("assistant", "b")]


def test_words_behind_a_result_join_it_where_nothing_may_follow_a_tool() -> None:
    found = made(*WORK[:3], user("more"), says("done"), traits=Traits(user_after_tool=False))

    assert turns(found)[2] == ("tool", "two\n\nmore")


@pytest.mark.parametrize(
    ("messages", "traits", "fillers"),
    [
        ([says("a")], EVERYTHING, 1),
        ([system("x"), says("a")], EVERYTHING, 0),
        ([system("x"), says("a")], Traits(assistant_first=False), 1),
        ([user("x"), says("a"), says("b")], EVERYTHING, 0),
        ([user("x"), says("a"), says("b")], Traits(assistant_runs=False), 1),
    ],
)
def test_a_filler_stands_only_where_the_template_wants_words(
    messages: list[Any], traits: Traits, fillers: int
) -> None:
    found = made(*messages, traits=traits)

    assert [turn["content"] for turn in found.turns].count(FILLER) == fillers


def test_a_prompt_holds_what_stands_behind_the_last_answer_and_an_example_does_not() -> None:
    messages = [user("a"), says("b"), user("c")]

    assert turns(made(*messages, prompt=True))[-1] == ("user", "c")
    assert turns(made(*messages))[-1] == ("assistant", "b")


def test_a_message_that_is_gone_keeps_its_number_and_an_empty_answer_has_no_turn() -> None:
    found = made(None, user("a"), says(" "), says("b"))

    assert turns(found) == [("user", "a"), ("assistant", "b")]
    assert found.answers == {3: 1}


def test_every_word_is_escaped_and_no_key_is() -> None:
    found = to_conversation("head", [BASH], WORK, EVERYTHING, escape=str.upper, prompt=False)

    assert [turn["content"] for turn in found.turns] == ["HEAD", "GO", "", "TWO", "DONE"]
    assert found.turns[2]["tool_calls"][0]["function"] == {"name": "Bash", "arguments": {"command": "LS"}}


def test_ids_are_nine_letters_and_digits_and_follow_from_the_call() -> None:
    ids = {short_id(f"toolu_{number}") for number in range(200)}

    assert len(ids) == 200
    assert all(len(one) == 9 and one.isascii() and one.isalnum() for one in ids)
    assert short_id("toolu_1") in ids
