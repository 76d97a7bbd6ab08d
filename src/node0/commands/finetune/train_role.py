# SPDX-License-Identifier: Apache-2.0
"""Train a role's adapter, or all weights, as a job of its town; or show the plan of that."""

import shlex
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from node0 import console
from node0.commands.finetune.training_request import TrainingRequest
from node0.commands.lazy import when_called
from node0.commands.model.open_registry import conventions_of, open_registry
from node0.finetune.config import FineTuneConfig
from node0.finetune.jobs.job_recorder import job_of_run
from node0.finetune.jobs.job_states import JobState
from node0.finetune.registry.publish import publish
from node0.finetune.training.engines.cluster import joined, prepare
from node0.finetune.training.engines.placement import OpenEngine, Placement
from node0.finetune.training.hooks import StepHook
from node0.finetune.training.output.progress import watching
from node0.finetune.training.output.resume import Resume, entries_begun_with
from node0.finetune.training.output.run_lock import hold, refuse_unusable
from node0.finetune.training.output.run_result import (
    RunResult,
    finished_result,
    next_run_directory,
    unused_settings,
)
from node0.finetune.training.plan.run_place import refuse_misplaced
from node0.finetune.training.plan.run_plan import (
    RunPlan,
    describe,
    make_plan,
    refuse_full_disk_of,
    refuse_oversize_plan,
    warnings,
)
from node0.finetune.training.run import run_plan
from node0.pipeline.ranks import ALONE, Ranks
from node0.settings import Resolved

if TYPE_CHECKING:
    from node0.finetune.training.engines import remote_stages
else:
    # Only a run whose stages are elsewhere needs the packages of the swarm.
    remote_stages = when_called("node0.finetune.training.engines.remote_stages")

Entered = Callable[[JobState, str], None]
"Told of a state of the run and the reason."


def show_plan(request: TrainingRequest, resolved: Resolved[FineTuneConfig], *, as_json: bool) -> None:
    """Print what a training would do; nothing is written."""
    config = resolved.values
    refuse_unusable(config.checkpoint_dir)
    if (finished := finished_result(config.checkpoint_dir, _resume(request.resume))) is not None:
        _show(_summary(finished, finished.steps), as_json=as_json)
        _tell_finished(finished, resolved)
        return
    plan = _plan(config, console.torchrun(), _resume(request.resume))
    console.emit(describe(plan), as_json=as_json, title="Plan")
    _refuse_oversize(plan, request)
    _warn(plan)


def train(request: TrainingRequest, resolved: Resolved[FineTuneConfig], *, as_json: bool) -> None:
    """Train, register the result where that is asked for, and print where it lies.

    The records of a run that has ended stay as they are; what was asked for and not used is told.
    """
    job, run_dir = console.torchrun(), resolved.values.checkpoint_dir
    leads = job is None or job.rank == 0
    with hold(run_dir) if leads else nullcontext():
        finished = finished_result(run_dir, _resume(request.resume))
        result, total = _train(request, resolved, job) if finished is None else (finished, finished.steps)
    if not leads:
        return
    summary = _summary(result, total)
    if request.register is not None and result.finished:
        summary["registered"] = _registered(result, request)
    _show(summary, as_json=as_json)
    if finished is not None:
        _tell_finished(finished, resolved)
    elif not (as_json or result.doubts):
        console.note(f"next: {_next(result, resolved.values, summary.get('registered'))}")
    for line in result.doubts:
        console.note(f"warning: {line}")


def _next(result: RunResult, config: FineTuneConfig, registered: str | None) -> str:
    run_dir = shlex.quote(str(result.run_dir))
    if not result.finished:
        return "the same command without --stop-after goes on"
    if registered is None:
        return f"node0 model register {run_dir} --name {config.role}"
    base = [shlex.quote(config.base_model)] if config.base_model else []
    return f"node0 measure {' '.join([*base, registered])} --run {run_dir}"


def _train(
    request: TrainingRequest, resolved: Resolved[FineTuneConfig], job: console.Torchrun | None
) -> tuple[RunResult, int]:
    """What the run left behind, and of how many steps it is."""
    with _recorded(request, resolved.values, job) as entered:
        plan = _plan(resolved.values, job, _resume(request.resume))
        _refuse_oversize(plan, request)
        entered(JobState.READY, f"{plan.total_steps} steps on {plan.data.kept} entries")
        hook = _Progress(lambda: _banner(resolved, plan), entered)
        return _run(plan, request, resolved, hook, job), plan.total_steps


def _plan(config: FineTuneConfig, job: console.Torchrun | None, resume: Resume) -> RunPlan:
    refuse_misplaced(config)
    frozen = entries_begun_with(config, resume)
    if job is None:
        return make_plan(config, frozen=frozen)
    prepare(job, config)
    return make_plan(config, processes=job.local_world_size, frozen=frozen)


def _refuse_oversize(plan: RunPlan, request: TrainingRequest) -> None:
    """Refuse a run that does not fit: in memory, unless the stages of a swarm share the model, or on disk."""
    if not request.remote.swarm:
        refuse_oversize_plan(plan)
    refuse_full_disk_of(plan)


def _recorded(
    request: TrainingRequest, config: FineTuneConfig, job: console.Torchrun | None
) -> AbstractContextManager[Entered]:
    """The run as a job of its town, which one process of it keeps."""
    if job is not None and job.rank:
        return nullcontext(lambda state, reason: None)
    return job_of_run(
        config.checkpoint_dir,
        corpus=config.corpus_path,
        role=config.role,
        mode=config.mode,
        bead_id=request.bead_id,
        root=request.town,
        asked=request.is_for_a_town,
    )


def _run(
    plan: RunPlan,
    request: TrainingRequest,
    resolved: Resolved[FineTuneConfig],
    hook: StepHook,
    job: console.Torchrun | None,
) -> RunResult:
    with (
        _ranks(job, plan) as ranks,
        watching(terminal=sys.stderr.isatty(), total=plan.total_steps) as watch,
    ):
        return run_plan(
            plan,
            resolved.sources,
            progress=watch,
            resume=_resume(request.resume),
            stop_after=request.stop_after,
            hook=hook,
            placement=Placement(ranks, _remote(request)),
        )


def _ranks(job: console.Torchrun | None, plan: RunPlan) -> AbstractContextManager[Ranks]:
    return nullcontext(ALONE) if job is None else joined(job, plan.device)


def _remote(request: TrainingRequest) -> OpenEngine | None:
    flags = request.remote
    if not flags.wanted:
        return None
    return remote_stages.RemoteStages(flags.run, flags.initial_peers, flags.local_swarm).open


def _resume(text: str) -> Resume:
    if text == "auto":
        return "auto"
    return "never" if text == "never" else Path(text).expanduser()


class _Progress(StepHook):
    """Shows the banner when nothing can be refused any more, and passes states on."""

    def __init__(self, banner: Callable[[], None], entered: Entered) -> None:
        self._banner, self._entered = banner, entered

    def started(self) -> None:
        self._banner()

    def entered(self, phase: JobState, reason: str = "") -> None:
        self._entered(phase, reason)


def _banner(resolved: Resolved[FineTuneConfig], plan: RunPlan) -> None:
    data, dtype = plan.data, str(plan.dtype).removeprefix("torch.")
    console.note(
        f"{plan.config.mode} for {plan.config.role}: {data.kept} entries, {data.examples} examples, "
        f"{plan.total_steps} steps, {plan.trained_parameters:,} trained weights on {plan.device} ({dtype})"
    )
    for row in resolved.rows():
        if row["from"] != "default":
            console.note(f"  {row['setting']} = {row['value']}  ({row['from']})")
    _warn(plan)


def _warn(plan: RunPlan) -> None:
    for line in warnings(plan):
        console.note(f"note: {line}")


def _summary(result: RunResult, total: int) -> dict[str, Any]:
    return {
        "run_dir": str(result.run_dir),
        "steps": result.steps,
        "of": total,
        "best_step": result.best_step,
        "val_loss": result.val_loss,
        "finished": result.finished,
        **({"doubts": "; ".join(result.doubts)} if result.doubts else {}),
    }


def _show(summary: Mapping[str, Any], *, as_json: bool) -> None:
    rows = [summary] if as_json else [{"result": name, "value": value} for name, value in summary.items()]
    console.emit(rows, as_json=as_json)


def _tell_finished(finished: RunResult, resolved: Resolved[FineTuneConfig]) -> None:
    """Say that nothing was trained, which settings were not used, and how to go on."""
    run_dir = finished.run_dir
    unused = ", ".join(f"{name}={value}" for name, value in unused_settings(run_dir, resolved).items())
    note = f"; these settings were not used: {unused}" if unused else ""
    console.note(
        f"{run_dir} is already finished ({finished.steps} steps){note}. To go on from it: --resume {run_dir} "
        f"--checkpoint-dir {next_run_directory(run_dir)}; to train it anew: --resume never"
    )


def _registered(result: RunResult, request: TrainingRequest) -> str:
    """The version that the result is registered as."""
    with open_registry(request.town, create=True) as (registry, town):
        return publish(
            registry,
            result.run_dir,
            name=request.register,
            models=town.models,
            conventions=conventions_of(town),
        ).entry.spelled
