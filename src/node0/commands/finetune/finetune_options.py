# SPDX-License-Identifier: Apache-2.0
"""`node0-finetune`: train a role's adapter, or all weights, on the corpus."""

import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.console import JsonOption, TownOption
from node0.errors import ConfigError
from node0.finetune.jobs.job_states import JobState
from node0.finetune.training.hooks import StepHook

if TYPE_CHECKING:
    from node0.finetune.config import FineTuneConfig
    from node0.finetune.training.engines.remote_stages import RemoteStages
    from node0.finetune.training.output.resume import Resume
    from node0.finetune.training.plan.run_plan import RunPlan
    from node0.finetune.training.trainer import RunResult
    from node0.pipeline.ranks import Ranks
    from node0.settings import Resolved

Entered = Callable[[JobState, str], None]
"Told of a state of the run and the reason."

app = typer.Typer(add_completion=False, rich_markup_mode=None)

NEEDED = ("role", "corpus_path", "checkpoint_dir")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    if console.is_rank():
        _end_with_torchrun()
    return console.run(app, argv, name="node0-finetune", within=_report_once(console.torchrun()))


@app.command()
def finetune(  # noqa: PLR0913  # one parameter a flag
    *,
    config: Annotated[
        str | None, typer.Option("--config", "-c", help="YAML file, or the name of a shipped one.")
    ] = None,
    corpus_path: Annotated[str | None, typer.Option(help="Corpus, or one role's directory in it.")] = None,
    checkpoint_dir: Annotated[str | None, typer.Option(help="Run directory.")] = None,
    role: Annotated[str | None, typer.Option(help="Role to train for; all takes every role.")] = None,
    base_model: Annotated[str | None, typer.Option(help="Directory or hub id of the base.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: lora.rank=8. Repeatable.")
    ] = None,
    run_config: Annotated[str | None, typer.Option(help="run.json; beats the YAML file.")] = None,
    resume: Annotated[str, typer.Option(help="auto, never, or a run or state directory.")] = "auto",
    stop_after: Annotated[
        int | None, typer.Option(min=1, help="Save and leave after this step; a later call goes on.")
    ] = None,
    register: Annotated[
        str | None, typer.Option(help="Register the result in the town under this name.")
    ] = None,
    bead_id: Annotated[
        str | None, typer.Option(help="The bead that asked for this run; see: node0 job show BEAD.")
    ] = None,
    town: TownOption = None,
    local_mode: Annotated[
        bool, typer.Option("--local-mode", help="Train in this process, without authorization.")
    ] = False,
    local_stage: Annotated[
        str | None, typer.Option(help="This machine's stage, as head-0; a single process runs all.")
    ] = None,
    swarm: Annotated[bool, typer.Option("--swarm", help="Train over the running stages of a swarm.")] = False,
    run: Annotated[Path | None, typer.Option(help="The swarm's directory, made by node0 swarm init.")] = None,
    initial_peers: Annotated[
        list[str] | None, typer.Option(help="Full address of a running stage to join by. Repeatable.")
    ] = None,
    local_swarm: Annotated[
        int | None, typer.Option(min=1, help="Start so many stages as processes of this machine.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done; write nothing.")
    ] = False,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Show every setting and who set it.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Train, and leave weights, card and metrics in the run directory.

    Settings come from flags, then run.json, then the YAML file, then defaults. Running the same
    command again goes on where the last one stopped.
    """
    from node0.finetune.training.engines.remote_stages import RemoteStages
    from node0.settings import flag_layer

    job = console.torchrun()
    peers = RemoteStages(swarm=swarm, run=run, initial_peers=initial_peers or [], local_swarm=local_swarm)
    peers.refuse_contradictions(is_torchrun=job is not None)
    _refuse_name(register)
    flags = flag_layer(
        {
            "corpus_path": corpus_path,
            "checkpoint_dir": checkpoint_dir,
            "role": role,
            "base_model": base_model,
            "device": device,
            "num_stages": local_swarm,
        },
        settings or [],
    )
    config = config or peers.config
    resolved, local = _resolve(flags, config=config, run_config=run_config, town=town)
    _announce_local(local_mode or bool(local.get("local_mode")), local_stage or local.get("local_stage"))
    if print_settings:
        console.emit(resolved.rows(), as_json=as_json)
        return 0
    if dry_run:
        _show(_plan(resolved.values, job), whole=not swarm, as_json=as_json)
        return 0
    asked = (bead_id or register or town) is not None
    with _recorded(resolved.values, town, bead_id=bead_id, asked=asked, job=job) as entered:
        plan = _plan(resolved.values, job)
        _refuse_oversize(plan, whole=not swarm)
        entered(JobState.READY, f"{plan.total_steps} steps on {plan.data.kept} entries")
        hook = _Told(lambda: _banner(resolved, plan), entered)
        result = _train(
            plan, resolved, hook, job=job, peers=peers, resume=_resume(resume), stop_after=stop_after
        )
    if job is not None and job.rank:
        return 0
    summary = _summary(result, plan, register=register, town=town)
    rows = [summary] if as_json else [{"result": name, "value": value} for name, value in summary.items()]
    console.emit(rows, as_json=as_json)
    return 0


def _end_with_torchrun() -> None:
    """Leave as after Ctrl-C when torchrun itself is killed: it then ends none of its ranks."""
    from node0.swarm.transport.guard import die_with_parent

    die_with_parent(signal.SIGTERM)


def _report_once(job: console.Torchrun | None) -> AbstractContextManager[None]:
    if job is None:
        return nullcontext()
    from node0.finetune.training.engines.cluster import report_once

    return report_once(job)


def _plan(config: "FineTuneConfig", job: console.Torchrun | None) -> "RunPlan":
    from node0.finetune.training.output.run_lock import refuse_unusable
    from node0.finetune.training.plan.run_plan import make_plan

    if job is None:
        refuse_unusable(config.checkpoint_dir)
        return make_plan(config)
    from node0.finetune.training.engines.cluster import prepare

    if job.rank == 0:
        refuse_unusable(config.checkpoint_dir)
    prepare(job, config)
    return make_plan(config, processes=job.local_world_size)


def _resolve(
    flags: dict[str, Any], *, config: str | None, run_config: str | None, town: Path | None
) -> "tuple[Resolved[FineTuneConfig], dict[str, Any]]":
    """The settings, and what run.json says about local mode."""
    from node0.finetune.training.plan.training_settings import resolve_training

    if config is None and run_config is None:
        _refuse_missing(flags)
    return resolve_training(flags, config=config, run_config=run_config, town=town)


def _refuse_missing(flags: Mapping[str, Any]) -> None:
    missing = [f"--{name.replace('_', '-')}" for name in NEEDED if name not in flags]
    if missing:
        raise typer.BadParameter(f"missing {', '.join(missing)}; give them, or --config FILE")


def _announce_local(local_mode: bool, local_stage: object) -> None:
    if local_stage is not None:
        from node0.models.stage_name import StageName

        StageName.parse(str(local_stage))
        if not local_mode:
            raise ConfigError("--local-stage needs --local-mode; without it a coordinator assigns the stage")
        console.note(f"local stage {local_stage}: this process runs every stage")
    if local_mode:
        console.note("WARNING: running in local mode: no external auth. NOT for production.")


def _resume(text: str) -> "Resume":
    if text == "auto":
        return "auto"
    return "never" if text == "never" else Path(text).expanduser()


def _banner(resolved: "Resolved[FineTuneConfig]", plan: "RunPlan") -> None:
    data, dtype = plan.data, str(plan.dtype).removeprefix("torch.")
    console.note(
        f"{plan.config.mode} for {plan.config.role}: {data.kept} entries, {data.examples} examples, "
        f"{plan.total_steps} steps, {plan.trained_parameters:,} trained weights on {plan.device} ({dtype})"
    )
    for row in resolved.rows():
        if row["from"] != "default":
            console.note(f"  {row['setting']} = {row['value']}  ({row['from']})")
    _warn(plan)


def _show(plan: "RunPlan", *, whole: bool, as_json: bool) -> None:
    from node0.finetune.training.plan.run_plan import describe

    console.emit(describe(plan), as_json=as_json, title="Plan")
    _refuse_oversize(plan, whole=whole)
    _warn(plan)


def _refuse_oversize(plan: "RunPlan", *, whole: bool) -> None:
    """Refuse a run that does not fit; `whole` says that the whole model comes to this machine."""
    from node0.finetune.training.plan.run_plan import refuse_oversize_plan

    if whole:
        refuse_oversize_plan(plan)


def _warn(plan: "RunPlan") -> None:
    from node0.finetune.training.plan.run_plan import warnings

    for line in warnings(plan):
        console.note(f"note: {line}")


class _Told(StepHook):
    """Shows the banner when nothing can be refused any more, and passes phases on."""

    def __init__(self, banner: Callable[[], None], entered: Entered) -> None:
        self._banner, self._entered = banner, entered

    def started(self) -> None:
        self._banner()

    def entered(self, phase: JobState, reason: str = "") -> None:
        self._entered(phase, reason)


def _recorded(
    config: "FineTuneConfig",
    root: Path | None,
    *,
    bead_id: str | None,
    asked: bool,
    job: console.Torchrun | None,
) -> AbstractContextManager[Entered]:
    """The run as a job of its town, which one process of it keeps."""
    if job is not None and job.rank:
        return nullcontext(lambda state, reason: None)
    from node0.finetune.jobs.job_recorder import job_of_run
    from node0.finetune.training.output.run_lock import refuse_unusable

    # A job that another process is at work on is not touched.
    refuse_unusable(config.checkpoint_dir)
    return job_of_run(
        config.checkpoint_dir,
        corpus=config.corpus_path,
        role=config.role,
        mode=config.mode,
        bead_id=bead_id,
        root=root,
        asked=asked,
    )


def _train(
    plan: "RunPlan",
    resolved: "Resolved[FineTuneConfig]",
    hook: StepHook,
    *,
    job: console.Torchrun | None,
    peers: "RemoteStages",
    resume: "Resume",
    stop_after: int | None,
) -> "RunResult":
    from node0.finetune.training.engines.placement import Placement
    from node0.finetune.training.output.progress import watching
    from node0.finetune.training.trainer import run_plan

    with (
        _ranks(job, plan) as ranks,
        watching(terminal=sys.stderr.isatty(), total=plan.total_steps) as watch,
    ):
        return run_plan(
            plan,
            resolved.sources,
            progress=watch,
            resume=resume,
            stop_after=stop_after,
            hook=hook,
            placement=Placement(ranks, peers.open if peers.wanted else None),
        )


def _ranks(job: console.Torchrun | None, plan: "RunPlan") -> "AbstractContextManager[Ranks]":
    from node0.finetune.training.engines.cluster import joined
    from node0.pipeline.ranks import ALONE

    return nullcontext(ALONE) if job is None else joined(job, plan.device)


def _summary(
    result: "RunResult", plan: "RunPlan", *, register: str | None, town: Path | None
) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "run_dir": str(result.run_dir),
        "steps": result.steps,
        "of": plan.total_steps,
        "best_step": result.best_step,
        "val_loss": result.val_loss,
        "finished": result.finished,
    }
    if register is not None and result.finished:
        summary["registered"] = _register(result.run_dir, register, town)
    return summary


def _refuse_name(register: str | None) -> None:
    """Raise `ConfigError` before training, not after it, for a name that no model can have."""
    from node0.finetune.registry.schema import NAME

    if register is not None and not re.fullmatch(NAME, register):
        raise ConfigError(
            f"--register {register!r} is no name of a model: use letters, digits, dots, - and _; "
            "begin with a letter or a digit"
        )


def _register(run_dir: Path, name: str, town: Path | None) -> str:
    from node0.finetune.registry.publish import publish
    from node0.finetune.registry.store import ModelRegistry
    from node0.town import Town

    place = Town.locate(town)
    registry = ModelRegistry(place)
    try:
        return publish(registry, run_dir, name=name, models=place.models).spelled
    finally:
        registry.close()
