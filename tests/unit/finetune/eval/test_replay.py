# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Sequence

import pytest
from replayed_sessions import Ruled, call, perfect, session

from node0.finetune.chat.same_calls import Call
from node0.finetune.eval.effect.same_effect import Effect
from node0.finetune.eval.replay import MOST_TRIED, Agreement, agreement, commonest_answer, replay_tasks
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


class Judged:
    """Compares by a table of what was answered; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def can_try(self, recorded: Sequence[Call], answered: Sequence[Call]) -> bool:
        return "untried" not in answered[0][1]

    def judge(self, recorded: Sequence[Call], answered: Sequence[Call]) -> Effect:
        self.asked.append(answered[0][1])
        return Effect.SAME if "same" in answered[0][1] else Effect.OTHER


def test_a_call_that_does_the_same_passes_and_one_that_was_seen_to_differ_is_told() -> None:
    answers = iter(["same", "other", "untried", "bd close gt-b-77"])
    judge = Judged()
    tasks = replay_tasks([session("gt-a"), session("gt-b")], judge=judge)
    first, second = EvalRunner(tasks, Trying(epochs=1, concurrency=1)).run(Ruled(lambda last: next(answers)))

    assert [check.check for check in first.checks] == [Agreement.SAME_EFFECT, Agreement.WRONG]
    assert [check.passed for check in first.checks] == [True, False]
    assert first.checks[1].reason.endswith(", which was seen to do something else")
    assert [check.check for check in second.checks] == [Agreement.WRONG, Agreement.EXACT]
    assert "seen" not in second.checks[0].reason
    assert len(judge.asked) == 2


def test_only_so_many_answers_of_a_session_are_tried_whatever_others_were() -> None:
    turns = session("gt-a").messages[:2] * (MOST_TRIED + 3)
    sessions = [session(f"gt-{name}").model_copy(update={"messages": turns}) for name in "ab"]
    judge = Judged()
    results = EvalRunner(replay_tasks(sessions, judge=judge), TRYING).run(Ruled(lambda last: "same"))

    for result in results:
        assert [check.passed for check in result.checks] == [True] * MOST_TRIED + [False] * 3
    assert len(judge.asked) == 2 * MOST_TRIED


def test_a_replay_that_tries_effects_is_another_suite() -> None:
    plain, judged = (suite_digest(replay_tasks([session("gt-a")], judge=one)) for one in (None, Judged()))

    assert plain != judged


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
