# SPDX-License-Identifier: Apache-2.0
"""Evaluate the checkpoints of a run while it trains, in a process of its own: training never waits."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.eval.eval_tasks import ChosenTasks, choose_tasks
from node0.commands.eval.kept_reports import read_report
from node0.commands.eval.model_answerer import loaded_answerer
from node0.commands.eval.suite_judge import SuiteJudge
from node0.commands.eval.town_gate import town_gate
from node0.commands.eval.tried_suite import TriedSuite, try_suite
from node0.errors import NotFound, RunInUse
from node0.finetune.checkpoint.step_adapter import complete_steps, write_step_adapter
from node0.finetune.eval.report.eval_report import Report
from node0.finetune.eval.running.eval_runner import Trying
from node0.finetune.eval.running.run_files import REPORT
from node0.finetune.eval.running.task import suite_digest
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.output.run_lock import refuse_unusable
from node0.step_directories import step_directory, step_numbers

MODEL = "model"
"In the directory of a step, while it is evaluated: the adapter."


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """What a person asked for."""

    run: Path
    suite: Path | None
    trying: Trying
    role: str | None = None
    every: int = 1
    "Only steps that are a multiple of it."

    seconds: float = 10.0
    "Between two looks at the run."

    device: str = "auto"
    dtype: str = "auto"
    town: Path | None = None


def follow_run(request: FollowRequest, *, as_json: bool) -> None:
    """Evaluate the newest checkpoint again and again until nobody trains and none is left; print the scores.

    A step that is over before the last one was evaluated is passed over.

    Raises:
        NotFound: there is no such run.
        ConfigError: it trains no adapter, or the suite cannot be used.
    """
    # The path names the model in the plan: the same from wherever this is called.
    run = RunDirectory(request.run.resolve())
    run.require_settings()
    chosen = choose_tasks(request.suite, categories=(), role=request.role)
    digest = suite_digest(chosen.tasks)
    while True:
        # Asked before the steps are looked at: what is saved last is seen, too.
        goes_on = _is_training(run)
        step = _due(run, digest, every=request.every)
        if step is not None and _evaluate(run, step, chosen, request):
            continue
        if not goes_on:
            break
        time.sleep(request.seconds)
    console.emit(_rows(run, digest), as_json=as_json)


def _due(run: RunDirectory, digest: str, *, every: int) -> int | None:
    """The newest step that is to be evaluated; None where it was, or there is none."""
    steps = [step for step in complete_steps(run) if step % every == 0]
    return steps[-1] if steps and _report(run, steps[-1], digest) is None else None


def _evaluate(run: RunDirectory, step: int, chosen: ChosenTasks, request: FollowRequest) -> bool:
    """Try the suite with a step's weights, and report it beside the last one's; False where it is gone."""
    directory, town = step_directory(run.evals, step), request.town
    try:
        write_step_adapter(run, step, directory / MODEL)
    except NotFound as gone:
        console.note(f"step {step} is passed over: {gone}")
        return False
    try:
        tried = _tried(run, directory, chosen, request)
    finally:
        shutil.rmtree(directory / MODEL)
    judge = SuiteJudge(town_gate(town), request.role or "", spelled=None, store=False, town=town)
    judge.report(tried, _before(run, step, suite_digest(chosen.tasks)), rows=())
    console.note(f"step {step}: {_score(read_report(str(directory), None))}")
    return True


def _tried(run: RunDirectory, directory: Path, chosen: ChosenTasks, request: FollowRequest) -> TriedSuite:
    name, town = str(directory / MODEL), request.town
    with loaded_answerer(name, town=town, device=request.device, dtype=request.dtype) as answerer:
        return try_suite(chosen, request.trying, answerer, output=directory, town=town, nulls_in=run.evals)


def _before(run: RunDirectory, step: int, digest: str) -> Report | None:
    """The report of the last step before this one that did the same items."""
    earlier = [each for each in step_numbers(run.evals) if each < step]
    return next((found for each in reversed(earlier) if (found := _report(run, each, digest))), None)


def _report(run: RunDirectory, step: int, digest: str) -> Report | None:
    """What a step did on these items, where that is known."""
    directory = step_directory(run.evals, step)
    report = read_report(str(directory), None) if (directory / REPORT).is_file() else None
    return report if report is not None and report["plan"]["suite_digest"] == digest else None


def _rows(run: RunDirectory, digest: str) -> list[dict[str, Any]]:
    found = [(step, _report(run, step, digest)) for step in step_numbers(run.evals)]
    return [
        {"step": step, **{name: report["composite"][name] for name in ("score", "low", "high")}}
        | {name: score["score"] for name, score in report["categories"].items()}
        for step, report in found
        if report is not None
    ]


def _score(report: Report) -> str:
    whole = report["composite"]
    return f"{whole['score']:.1%} ({whole['low']:.1%} to {whole['high']:.1%})"


def _is_training(run: RunDirectory) -> bool:
    try:
        refuse_unusable(run.root)
    except RunInUse:
        return True
    return False
