# SPDX-License-Identifier: Apache-2.0
"""Exact tool calls on turns that depend on a tool result."""

from typing import Any

from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.eval.tool_calls import measured_turns, score


def _call(command: str, number: int) -> dict[str, Any]:
    use = {"type": "tool_use", "id": f"t{number}", "name": "Bash", "input": {"command": command}}
    return {"role": "assistant", "content": [use]}


def _result(text: str, number: int) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": f"t{number}", "content": text}],
    }


def _entry(*messages: dict[str, Any], opening: str = "Begin.") -> CorpusEntry:
    return CorpusEntry(
        id="e1",
        role="deacon",
        rig="hq",
        task_type="patrol",
        outcome="success",
        created_at="2026-01-05T00:00:00Z",
        messages=[{"role": "user", "content": opening}, *messages],
    )


def test_a_call_with_an_id_that_only_a_result_showed_is_measured() -> None:
    entry = _entry(
        _call("gt agents list", 0), _result("stale harbor/nux 47m", 0), _call("gt nudge harbor/nux", 1)
    )

    turns = measured_turns(entry)

    assert [turn.calls[0][1] for turn in turns] == ['{"command": "gt nudge harbor/nux"}']
    assert len(turns[0].request["messages"]) == 3


def test_a_word_that_the_prompt_gave_does_not_make_a_turn_depend_on_a_result() -> None:
    messages = (_call("gt agents list", 0), _result("stale harbor/nux", 0), _call("gt nudge harbor/nux", 1))

    assert measured_turns(_entry(*messages, opening="Look after harbor/nux.")) == []


def test_a_call_before_the_result_is_not_measured() -> None:
    assert measured_turns(_entry(_call("gt nudge harbor/nux", 0), _result("stale harbor/nux", 0))) == []


def test_words_of_the_agents_own_turns_count_as_seen_in_the_result() -> None:
    said = {
        "role": "assistant",
        "content": [{"type": "text", "text": "hb-xy2 it is"}, *_call("x", 1)["content"]],
    }
    entry = _entry(
        _call("bd ready", 0), _result("hb-xy2", 0), said, _result("", 1), _call("bd show hb-xy2", 2)
    )

    assert len(measured_turns(entry)) == 1


def test_recorded_requests_bring_their_system_text_and_tools() -> None:
    entry = _entry(_call("a", 0), _result("hb-xy2 open", 0), _call("bd show hb-xy2", 1))
    recorded = {
        **entry.model_dump(),
        "systems": {"s": "Beware of hb-xy2."},
        "toolsets": {"t": []},
        "requests": [{"n_messages": 3, "system": "s", "tools": "t"}],
    }

    assert measured_turns(CorpusEntry.model_validate(recorded)) == []


def test_score_compares_names_and_inputs_and_ignores_words_and_ids() -> None:
    entry = _entry(
        _call("list", 0),
        _result("stale harbor/nux\nstale harbor/ace", 0),
        _call("gt nudge harbor/nux", 1),
        _result("ok", 1),
        _call("gt nudge harbor/ace", 2),
    )
    turns = measured_turns(entry)
    right = [{"type": "text", "text": "So."}, *_call("gt nudge harbor/nux", 9)["content"]]
    wrong = _call("gt nudge harbor/nux", 9)["content"]

    result = score(turns, [right, wrong])

    assert (result.turns, result.exact, result.share) == (2, 1, 0.5)
    assert result.commonest_share == 0.5


def test_a_constant_answer_scores_its_own_frequency() -> None:
    entry = _entry(
        _call("list", 0), _result("hb-a22 hb-b33", 0), _call("bd show hb-a22", 1), _call("bd show hb-a22", 2)
    )
    turns = measured_turns(entry)

    result = score(turns, [[], []])

    assert result.exact == 0
    assert result.commonest == 2
    assert "hb-a22" in result.commonest_call


def test_nothing_measured_scores_zero_without_failing() -> None:
    result = score([], [])

    assert (result.turns, result.share, result.commonest_share) == (0, 0.0, 0.0)
