# SPDX-License-Identifier: Apache-2.0
"""One run: its lock and plan, the engine that holds its weights, the signals it obeys; around the trainer."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext

from node0.files import write_atomically
from node0.finetune.config import FineTuneConfig
from node0.finetune.run_dir import RunDirectory
from node0.finetune.training.engines.placement import IN_PROCESS, Placement
from node0.finetune.training.hooks import StepHook, report_end
from node0.finetune.training.interrupt import telling_what_is_kept, watch_signals
from node0.finetune.training.output.metrics import Metrics, StepRecord
from node0.finetune.training.output.resume import (
    Resume,
    entries_begun_with,
    find_state,
    read_state,
    refuse_other_run,
)
from node0.finetune.training.output.run_lock import hold
from node0.finetune.training.output.run_result import RunResult, finished_result
from node0.finetune.training.plan.disk_estimate import telling_need
from node0.finetune.training.plan.run_place import refuse_misplaced
from node0.finetune.training.plan.run_plan import (
    RunPlan,
    make_plan,
    refuse_full_disk_of,
    refuse_oversize_plan,
)
from node0.finetune.training.trackers.open_trackers import open_trackers
from node0.finetune.training.trainer import Trainer
from node0.models.device import one_order
from node0.pipeline.ranks import Ranks
from node0.settings import Resolved

Watch = Callable[[StepRecord, int], None]
"Called with each record and the number of steps of the run."


def train(
    config: FineTuneConfig,
    sources: Mapping[str, str],
    *,
    progress: Watch | None = None,
    resume: Resume = "auto",
    stop_after: int | None = None,
) -> RunResult:
    """Train as `config` says and leave the artefacts in its run directory; a finished run stays as it is.

    Args:
        config: the run.
        sources: who set each setting, for `config.resolved.yaml`.
        progress: told about each step.
        resume: `auto` goes on where the run directory stands, `never` starts over, a path names a state.
        stop_after: save and return after this step, so that a later call can go on.

    Raises:
        RunInUse: another process trains in this directory.
        ConfigError: the run directory is that of something else.
        DoesNotFit: the run needs more memory, or more room on its disk, than is free.
        NonFiniteGradients: too many skipped steps in a row; the last state is kept.
        KeyboardInterrupt: interrupted; the state is saved.
    """
    with hold(config.checkpoint_dir):
        if (finished := finished_result(config.checkpoint_dir, resume)) is not None:
            return finished
        refuse_misplaced(config)
        plan = make_plan(config, frozen=entries_begun_with(config, resume))
        refuse_oversize_plan(plan)
        refuse_full_disk_of(plan)
        return run_plan(plan, sources, progress=progress, resume=resume, stop_after=stop_after)


def run_plan(
    plan: RunPlan,
    sources: Mapping[str, str],
    *,
    progress: Watch | None = None,
    resume: Resume = "auto",
    stop_after: int | None = None,
    hook: StepHook | None = None,
    placement: Placement = IN_PROCESS,
) -> RunResult:
    """`train`, from a plan that was checked. `hook` is told what the run does.

    Each of the ranks calls this with the same run directory; the one that leads writes it, and holds its
    lock (`run_lock.hold`) from before the plan was made.
    """
    hook = hook or StepHook()
    run, ranks = RunDirectory(plan.config.checkpoint_dir), placement.ranks
    with ExitStack() as stack:
        ranks.wait()
        found = find_state(run, resume)
        if found is not None:
            refuse_other_run(read_state(found).fingerprint, plan.fingerprint)
        if plan.config.deterministic:
            stack.enter_context(one_order())
        engine = stack.enter_context(placement.open(plan))
        engine.follow(hook)
        trainer = Trainer(plan, engine, stop_after=stop_after, hook=hook, ranks=ranks)
        with (
            report_end(hook, lambda: trainer.state.step),
            telling_need(run.root, plan.disk.total),
        ):
            trainer.begin(found)
            hook.started()
            if ranks.leads:
                write_atomically(run.config_file, Resolved(plan.config, dict(sources)).to_yaml())
            # From here on the run is one of these entries, whatever the corpus becomes.
            trainer.checkpoints.write_entries()
            watch = None if progress is None else lambda record: progress(record, plan.total_steps)
            with (
                _metrics(plan, ranks, watch) as metrics,
                watch_signals(lambda: trainer.state.step + 1, on_request=engine.stop_waiting) as interrupt,
                telling_what_is_kept(interrupt, run),
            ):
                finished = trainer.loop(metrics, interrupt)
            result = trainer.end(finished=finished)
            ranks.wait()
            return result


def _metrics(
    plan: RunPlan, ranks: Ranks, watch: Callable[[StepRecord], None] | None
) -> AbstractContextManager[Metrics | None]:
    if not ranks.leads:
        return nullcontext()
    run = RunDirectory(plan.config.checkpoint_dir)
    return Metrics(run, watch=watch, trackers=open_trackers(plan))
