# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from replayed_sessions import Ruled, call, perfect, session

from node0.finetune.eval.replay import Agreement, agreement, commonest_answer, replay_tasks
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.eval.schema import EvalResult, outcomes_of
from node0.finetune.statistics.tallies import Tally

TRYING = Trying(epochs=1, temperature=0.0)


def _replay(model: Ruled, *names: str) -> list[EvalResult]:
    return EvalRunner(replay_tasks([session(name) for name in names]), TRYING).run(model)


def test_each_recorded_call_is_asked_with_the_recorded_context() -> None:
    model = Ruled(lambda last: "wrong")

    [found] = _replay(model, "gt-a")

    assert [len(request["messages"]) for request in model.asked] == [1, 3]
    assert [check.check for check in found.checks] == [Agreement.WRONG] * 2
    assert found.checks[1].reason == 'recorded was Bash {"command": "bd close gt-a-77"}'
    assert found.answers == ('Bash {"command": "wrong"}',) * 2


def test_the_same_command_written_otherwise_is_equivalent() -> None:
    model = Ruled(lambda last: perfect(last).replace("--status=open", "--status  open"))

    [found] = _replay(model, "gt-a")

    assert [check.check for check in found.checks] == [Agreement.EQUIVALENT, Agreement.EXACT]
    assert found.passed


def test_the_calls_of_a_session_are_the_trials_of_one_item() -> None:
    knows_the_first = Ruled(lambda last: "bd list --status=open")

    found = _replay(knows_the_first, "gt-a", "gt-b")

    assert outcomes_of(found) == {"replay": {"gt-a": Tally(1, 2), "gt-b": Tally(1, 2)}}


def test_a_limit_asks_so_many_calls_evenly_spread() -> None:
    model = Ruled()
    tasks = replay_tasks([session(f"gt-{number}") for number in range(5)], limit=5)

    results = EvalRunner(tasks, TRYING).run(model)

    assert len(model.asked) == 5
    assert len(results) == len({result.item for result in results}) == 5


def test_what_a_model_would_not_meet_is_no_call_to_replay() -> None:
    tasks = replay_tasks([session("gt-a")], reduce=lambda message: None)

    assert tasks == []


def test_another_session_or_another_call_is_another_suite() -> None:
    one = suite_digest(replay_tasks([session("gt-a")]))
    changed = session("gt-a")
    changed.messages[1]["content"] = [call("bd ready")]
    rescrubbed = session("gt-a").model_copy(update={"content_digest": "d2"})
    others = [
        suite_digest(replay_tasks([entry], limit=limit))
        for entry, limit in (
            (session("gt-b"), None),
            (changed, None),
            (rescrubbed, None),
            (session("gt-a"), 1),
        )
    ]

    assert suite_digest(replay_tasks([session("gt-a")])) == one
    assert len({one, *others}) == 5


def test_the_commonest_call_is_a_null_model() -> None:
    tasks = replay_tasks([session("gt-b"), session("gt-a")])
    model = commonest_answer(tasks)

    answer = model.answer(tasks[0], tasks[0].turns[0].request, Sampling(0, 0.0, 9))

    assert [block["type"] for block in answer] == ["tool_use"]
    assert json.dumps(answer[0]).count("bd list --status=open") == 1
    with pytest.raises(ValueError, match="no recorded calls"):
        commonest_answer([])


@pytest.mark.parametrize(
    ("calls", "found"),
    [
        ([("Bash", '{"command": "bd list"}')], Agreement.EXACT),
        ([("Bash", '{"command": "bd  list", "description": "look"}')], Agreement.EQUIVALENT),
        ([("Bash", '{"command": "bd ready"}')], Agreement.WRONG),
        ([], Agreement.WRONG),
    ],
)
def test_calls_agree_or_do_not(calls: list[tuple[str, str]], found: Agreement) -> None:
    assert agreement(calls, (("Bash", '{"command": "bd list"}'),)) is found
