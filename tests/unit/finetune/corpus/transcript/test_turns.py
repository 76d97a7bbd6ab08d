# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from typing import Any

import pytest

from node0.finetune.corpus.transcript.turns import (
    MISSING_CALL,
    MISSING_RESULT,
    NO_BEGINNING,
    REWOUND,
    TOO_DEEP,
    NewContext,
    Rewind,
    Step,
    Turn,
    trajectories_of,
)
from node0.finetune.corpus.transcript.wire_messages import TOO_LARGE


def ask(words: str = "Go.", name: str = "") -> Turn:
    return Turn("user", [{"type": "text", "text": words}], name=name)


def say(words: str, name: str = "", why: str = "") -> Turn:
    return Turn("assistant", [{"type": "text", "text": words}], name=name or words, unlearnt=why)


def call(*names: str, tool: str = "bash", **given: Any) -> Turn:
    blocks = [{"type": "tool_use", "id": name, "name": tool, "input": given} for name in names]
    return Turn("assistant", blocks, name=names[0])


def result(*names: str) -> Turn:
    return Turn("user", [{"type": "tool_result", "tool_use_id": name, "content": "ok"} for name in names])


def learnt(*steps: Step) -> tuple[list[list[str]], dict[str, int]]:
    """The answers that are learnt, context by context, and what was counted."""
    skipped = Counter[str]()
    found = list(trajectories_of(steps, skipped=skipped))
    return [[one.answer_id for one in row.calls] for row in found], dict(skipped)


def test_each_answer_is_a_call_over_the_turns_before_it() -> None:
    turns = [ask(), call("a", "b", command="ls"), result("b", "a"), say("Done.")]

    (row,) = trajectories_of(turns, agent="side", system=["Card."], skipped=Counter())

    assert [(one.n_messages, one.answer_id, one.exact) for one in row.calls] == [
        (1, "a", False),
        (3, "Done.", False),
    ]
    assert [message["role"] for message in row.messages] == ["user", "assistant", "user", "assistant"]
    assert (row.agent, row.calls[0].shape.system) == ("side", ("Card.",))


def test_a_call_names_the_model_that_answered_it() -> None:
    told = Turn("assistant", [{"type": "text", "text": "a"}], model="deacon:2")
    (row,) = trajectories_of([ask(), told, ask(), say("b")], skipped=Counter())

    assert [one.model for one in row.calls] == ["deacon:2", ""]


def test_tools_are_those_that_were_called_with_the_inputs_that_they_got() -> None:
    turns = [ask(), call("a", command="ls"), result("a"), call("b", timeout=3), result("b"), say("Done.")]

    (row,) = trajectories_of(turns, skipped=Counter())

    (tool,) = row.calls[0].shape.tools
    assert (tool["name"], list(tool["input_schema"]["properties"])) == ("bash", ["command", "timeout"])


def test_an_answer_that_is_context_only_is_counted_and_stays() -> None:
    skipped = Counter[str]()

    (row,) = trajectories_of([ask(), say("Half", why="cut"), ask("More."), say("Whole.")], skipped=skipped)

    assert ([one.answer_id for one in row.calls], len(row.messages)) == (["Whole."], 4)
    assert skipped == {"cut": 1}


def test_behind_a_result_without_its_call_nothing_is_learnt() -> None:
    assert learnt(ask(), say("One."), result("lost"), say("Two."), ask(), say("Three.")) == (
        [["One."]],
        {MISSING_CALL: 2},
    )


def test_behind_a_call_without_its_result_nothing_is_learnt() -> None:
    assert learnt(ask(), call("a", "b"), result("a"), say("Two.")) == ([["a"]], {MISSING_RESULT: 1})


def test_a_new_context_forgets_what_was_missing() -> None:
    steps: list[Step] = [result("lost"), say("One."), NewContext(), ask(), say("Two.")]

    assert learnt(*steps) == ([["Two."]], {MISSING_CALL: 1})


def test_a_context_whose_beginning_is_missing_teaches_nothing() -> None:
    assert learnt(ask(), say("One."), NewContext(whole=False), ask(), say("Two.")) == (
        [["One."]],
        {NO_BEGINNING: 1},
    )


def test_what_was_taken_back_is_neither_learnt_nor_context() -> None:
    steps: list[Step] = [
        ask(),
        say("One."),
        ask("Wrong.", "u2"),
        call("a"),
        Rewind("u2"),
        ask("Right."),
        say("Two."),
    ]

    assert learnt(*steps) == ([["One.", "Two."]], {REWOUND: 2})
    assert learnt(ask(), say("One."), Rewind("nowhere"), Rewind("")) == ([["One."]], {})


def test_at_and_behind_a_turn_that_is_too_deep_nothing_is_learnt() -> None:
    deep: Any = "leaf"
    for _ in range(200):
        deep = [deep]
    turn = Turn("assistant", [{"type": "tool_use", "id": "d", "name": "bash", "input": {"x": deep}}])

    assert learnt(ask(), say("One."), turn, result("d"), say("Two.")) == ([["One."]], {TOO_DEEP: 2})


def test_a_conversation_beyond_the_memory_bound_ends_at_its_last_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("node0.finetune.corpus.transcript.turns.MAX_HELD", 4096)
    skipped = Counter[str]()

    (row,) = trajectories_of(
        [ask(), say("One."), ask("x" * 9000), say("Two."), ask("y"), say("Three.")], skipped=skipped
    )

    assert ([one.answer_id for one in row.calls], len(row.messages)) == (["One."], 2)
    assert skipped == {TOO_LARGE: 2}


def test_no_answer_makes_no_trajectory() -> None:
    assert learnt(ask(), NewContext()) == ([], {})
