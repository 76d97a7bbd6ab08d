# SPDX-License-Identifier: Apache-2.0
from typing import Any

from node0.commands.chat.chat_state import ChatState
from node0.finetune.inference.reply import Answering

WORDS: Any = {"type": "text", "text": "I look."}


def _call(number: int) -> Any:
    return {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {}}


def _state() -> ChatState:
    return ChatState(Answering())


def test_each_question_is_asked_after_the_turns_before() -> None:
    state = _state()

    assert state.add("one")
    state.answered([WORDS])
    assert state.add("two")

    assert state.request()["messages"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": [WORDS]},
        {"role": "user", "content": "two"},
    ]


def test_calls_get_their_results_one_by_one_and_then_the_model_goes_on() -> None:
    state = _state()
    state.add("one")
    state.answered([WORDS, _call(1), _call(2)])

    waited = [state.waiting, state.add("first"), state.waiting, state.add("second"), state.waiting]

    assert waited == [_call(1), False, _call(2), True, None]
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": "first"},
        {"type": "tool_result", "tool_use_id": "t2", "content": "second"},
    ]
    assert state.turns[-1] == {"role": "user", "content": results}


def test_a_question_without_an_answer_is_taken_back_and_results_are_asked_for_again() -> None:
    state = _state()
    state.add("one")
    state.answered([])
    assert state.turns == []

    state.add("one")
    state.answered([_call(1)])
    state.add("result")
    state.take_back()

    assert state.waiting == _call(1)


def test_without_history_the_model_sees_the_last_words_and_what_followed() -> None:
    state = _state()
    state.add("one")
    state.answered([WORDS])
    state.add("two")
    state.answered([_call(1)])
    state.add("result")
    state.history = False

    seen = state.request()["messages"]

    assert [turn["role"] for turn in seen] == ["user", "assistant", "user"]
    assert seen[0]["content"] == "two"


def test_clearing_forgets_turns_and_keeps_settings() -> None:
    state = ChatState(Answering(), system="Be short.")
    state.add("one")
    state.answered([_call(1), _call(2)])
    state.add("first")

    state.clear()

    assert (state.turns, state.waiting, state.system) == ([], None, "Be short.")
    assert state.add("again")
