# SPDX-License-Identifier: Apache-2.0
"""What a replay found, in figures: how calls stand to the recorded ones, by role and task type."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from node0.finetune.eval.replay import Agreement, ReplayTask
from node0.finetune.eval.schema import CheckOutcome, EvalResult, outcomes_of
from node0.finetune.eval.tool_calls import MeasuredTurn
from node0.finetune.statistics.tallies import Tally, estimate

NOTE = (
    "At each recorded call the model was asked with the recorded context. Equivalent: the same calls after "
    "normalising. Same effect: commands of bd and git that do the same in throwaway places; what cannot be "
    "tried there is not claimed. Shown: calls that hold a word only a tool result showed. Bounds take a "
    "session as one item."
)
EVERY = "all"


class _Call(NamedTuple):
    turn: MeasuredTurn
    found: CheckOutcome


def replay_rows(tasks: Iterable[ReplayTask], results: Iterable[EvalResult]) -> list[dict[str, Any]]:
    """Figures of all calls, then by role and task type; nothing of no sessions.

    Args:
        tasks: the sessions.
        results: one of each session.
    """
    by_id = {task.id: task for task in tasks}
    found = list(results)
    if not found:
        return []
    groups: dict[tuple[str, str], list[EvalResult]] = {}
    for one in found:
        task = by_id[one.item]
        groups.setdefault((task.role, task.task_type), []).append(one)
    named = [((EVERY, EVERY), found), *sorted(groups.items())]
    return [_row(*key, by_id=by_id, results=group) for key, group in named]


def _row(
    role: str, task_type: str, *, by_id: dict[str, ReplayTask], results: Sequence[EvalResult]
) -> dict[str, Any]:
    calls = [
        _Call(turn, check)
        for one in results
        for turn, check in zip(by_id[one.item].turns, one.checks, strict=True)
    ]
    shown = [call for call in calls if call.turn.depends]
    counts = {kind.value: sum(call.found.check == kind for call in calls) for kind in Agreement}
    tallies: list[Tally] = [
        tally for sessions in outcomes_of(results).values() for tally in sessions.values()
    ]
    found = estimate(tallies)
    return {
        "role": role,
        "task_type": task_type,
        "sessions": len(tallies),
        "turns": len(calls),
        **counts,
        "score": round(found.score, 4),
        "low": round(found.low, 4),
        "high": round(found.high, 4),
        "shown": len(shown),
        "shown_agree": sum(call.found.passed for call in shown),
    }
