# SPDX-License-Identifier: Apache-2.0
"""The report of an evaluation: scores with bounds by category, role and difficulty, null models, every item.

It holds no time and no path, so that the same results make the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from node0.finetune.eval.running.run_files import EvalPlan
from node0.finetune.eval.running.task import Task
from node0.finetune.eval.schema import EvalResult, outcomes_of
from node0.finetune.statistics.regression import Compared, Outcomes
from node0.finetune.statistics.tallies import Estimate, Tally, composite, estimate, pass_power
from node0.finetune.statistics.verdict import against

FORMAT = 1

Report = dict[str, Any]
"The document, as JSON has it."


@dataclass(frozen=True, slots=True)
class Bars:
    """What the lower bounds must reach."""

    composite: float
    category: float


def build_report(
    plan: EvalPlan,
    tasks: Sequence[Task],
    results: Sequence[EvalResult],
    *,
    nulls: Mapping[str, Outcomes],
    bars: Bars,
    replayed: Sequence[Mapping[str, Any]] = (),
) -> Report:
    """The report of every trial of a plan.

    Args:
        plan, tasks, results: what was to be done, and what was judged.
        nulls: outcomes of the null models on the same tasks, by their names.
        bars: of the gate, for the verdicts.
        replayed: figures on the town's own sessions (`eval.replay`), where they were measured.

    Raises:
        ValueError: there are no results.
    """
    outcomes = outcomes_of(results)
    parts = {name: estimate(list(items.values())) for name, items in sorted(outcomes.items())}
    whole = composite(parts)
    return {
        "format": FORMAT,
        "plan": asdict(plan),
        "bars": asdict(bars),
        "composite": _shown(whole, bars.composite),
        "categories": {
            name: _shown(part, bars.category) | _reliability(outcomes[name], plan.epochs)
            for name, part in parts.items()
        },
        "by_role": _grouped(tasks, outcomes, lambda task: task.role),
        "by_difficulty": _grouped(tasks, outcomes, lambda task: task.difficulty),
        "null_models": {name: _null(found, bars) for name, found in nulls.items()},
        "replay": [dict(row) for row in replayed],
        "items": [_item(task, results) for task in sorted(tasks, key=lambda task: (task.category, task.id))],
    }


def compared_rows(compared: Iterable[Compared]) -> list[dict[str, Any]]:
    """A comparison as records, rounded as reports are."""
    return [
        {
            "category": one.category,
            "items": one.items,
            "old": _round(one.old),
            "new": _round(one.new),
            "delta": _round(one.delta),
            "low": _round(one.low),
            "high": _round(one.high),
            "gains": one.gains,
            "losses": one.losses,
            "p_holm": _round(one.chance),
            "detectable": _round(one.detectable),
            "verdict": one.verdict.value,
        }
        for one in compared
    ]


def outcomes_of_report(report: Report) -> Outcomes:
    """The tallies of a report's items, by category."""
    found: dict[str, dict[str, Tally]] = {}
    for item in report["items"]:
        found.setdefault(item["category"], {})[item["id"]] = Tally(item["passes"], item["trials"])
    return found


def _shown(found: Estimate, bar: float) -> dict[str, Any]:
    return _figures(found) | {"verdict": against(found, bar).value}


def _figures(found: Estimate) -> dict[str, Any]:
    return {
        "score": _round(found.score),
        "low": _round(found.low),
        "high": _round(found.high),
        "items": found.items,
    }


def _reliability(items: Mapping[str, Tally], epochs: int) -> dict[str, Any]:
    tallies = list(items.values())
    return {
        "trials": sum(tally.trials for tally in tallies),
        "passes": sum(tally.passes for tally in tallies),
        f"pass^{epochs}": _round(pass_power(tallies, epochs)),
    }


def _null(outcomes: Outcomes, bars: Bars) -> dict[str, Any]:
    found = {name: estimate(list(items.values())) for name, items in sorted(outcomes.items())}
    return {name: _shown(one, bars.category) for name, one in found.items()}


def _grouped(tasks: Sequence[Task], outcomes: Outcomes, key: Callable[[Task], str]) -> dict[str, Any]:
    groups: dict[str, list[Tally]] = {}
    for task in tasks:
        groups.setdefault(key(task), []).append(outcomes[task.category][task.id])
    found = {name: estimate(tallies) for name, tallies in sorted(groups.items()) if name}
    return {name: _figures(one) for name, one in found.items()}


def _item(task: Task, results: Sequence[EvalResult]) -> dict[str, Any]:
    trials = [result for result in results if (result.category, result.item) == (task.category, task.id)]
    tally = outcomes_of(trials)[task.category][task.id]
    return {
        "id": task.id,
        "category": task.category,
        "role": task.role,
        "difficulty": task.difficulty,
        "tags": list(task.tags),
        "prompt": task.prompt,
        "passes": tally.passes,
        "trials": tally.trials,
        "checks": _round(sum(trial.score for trial in trials) / len(trials)),
        "tried": [
            {
                "epoch": trial.epoch,
                "passed": trial.passed,
                "checks": [check.model_dump() for check in trial.checks],
                "answers": list(trial.answers),
            }
            for trial in trials
        ],
    }


def _round(value: float) -> float:
    return round(value, 4)
