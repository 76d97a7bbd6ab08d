# SPDX-License-Identifier: Apache-2.0
"""Try one suite: every task and the null models beside it, in a directory that lets it go on."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from node0 import console
from node0.commands.eval.eval_tasks import ChosenTasks
from node0.finetune.eval.running.answerer import Answerer
from node0.finetune.eval.running.eval_runner import EvalRunner, Trying
from node0.finetune.eval.running.null_outcomes import null_outcomes
from node0.finetune.eval.running.run_files import EvalDirectory, EvalPlan
from node0.finetune.eval.schema import EvalResult
from node0.finetune.statistics.regression import Outcomes
from node0.town import Town


@dataclass(frozen=True, slots=True)
class TriedSuite:
    """A suite, and all that was judged of it."""

    chosen: ChosenTasks
    plan: EvalPlan
    results: Sequence[EvalResult]
    nulls: Mapping[str, Outcomes]
    directory: Path


def try_suite(
    chosen: ChosenTasks,
    trying: Trying,
    answerer: Answerer,
    *,
    output: Path | None,
    town: Path | None,
    nulls_in: Path | None = None,
) -> TriedSuite:
    """Try what was not tried yet.

    Args:
        chosen, trying, answerer: what is tried, how, and by whom.
        output: where; None is a directory of this plan among the town's evaluations.
        town: whose evaluations.
        nulls_in: where null models are kept; None is `output`, or beside all of the town's evaluations.
    """
    plan = trying.plan(chosen.suite, chosen.tasks, answerer)
    directory = EvalDirectory(output or Town.locate(town).models / "evals" / directory_name(plan))
    with console.progress() as shown:
        bar = shown.add_task(f"trials of {chosen.suite}", total=len(chosen.tasks) * plan.epochs, detail="")
        runner = EvalRunner(chosen.tasks, trying, lambda result: shown.advance(bar))
        results = runner.run(answerer, suite=chosen.suite, directory=directory)
        bar = shown.add_task("null models", total=None, detail="")
        nulls = null_outcomes(
            chosen.tasks,
            concurrency=trying.concurrency,
            more=chosen.nulls,
            kept_in=nulls_in or (directory.root if output else directory.root.parent),
            on_result=lambda result: shown.advance(bar),
        )
    return TriedSuite(chosen, plan, results, nulls, directory.root)


def directory_name(plan: EvalPlan) -> str:
    """A name that says model and suite, and is another one for another plan."""
    digest = hashlib.sha256(json.dumps(asdict(plan), sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(plan.model).name if "/" in plan.model else plan.model)
    return f"{name.strip('-.')[:60]}-{plan.suite}-{digest[:10]}"
