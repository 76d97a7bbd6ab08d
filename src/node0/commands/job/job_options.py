# SPDX-License-Identifier: Apache-2.0
"""`node0 job`: the training runs of a town, and what each of them went through."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from node0 import console
from node0.console import JsonOption, TownOption
from node0.errors import ConfigError

if TYPE_CHECKING:
    from node0.finetune.jobs.job_states import Job, JobState
    from node0.finetune.jobs.job_store import JobStore

app = typer.Typer(
    help="List the training runs of the town, and show the states that one went through.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 job")


@app.command("list")
def list_jobs(
    *,
    state: Annotated[str | None, typer.Option(help="In this state only.")] = None,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every job, the last one touched first."""
    with _jobs(town) as jobs:
        found = jobs.list(_state(state))
    if as_json:
        console.emit([job.model_dump(mode="json") for job in found], as_json=True)
    elif found:
        console.emit([_row(job) for job in found], as_json=False)
    else:
        in_state = f" is {state}" if state else " was recorded"
        console.note(f"no job{in_state}; a run below the town, or with --bead-id, becomes one")


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="JOB", help="Its id, or the bead that asked for it.")],
    *,
    town: TownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one job and every state that it was in, with time and reason."""
    with _jobs(town) as jobs:
        job = jobs.require(name)
        transitions = [transition.model_dump(mode="json") for transition in jobs.transitions(job.id)]
    fields = job.model_dump(mode="json")
    if as_json:
        console.emit([fields | {"transitions": transitions}], as_json=True)
        return
    rows = [{"field": field, "value": "-" if value is None else value} for field, value in fields.items()]
    console.emit(rows, as_json=False, title=job.id)
    console.emit(transitions, as_json=False, title="states")


@contextmanager
def _jobs(root: Path | None) -> Iterator["JobStore"]:
    from node0.finetune.jobs.job_store import JobStore
    from node0.town import Town

    jobs = JobStore(Town.locate(root), create=False)
    try:
        yield jobs
    finally:
        jobs.close()


def _state(name: str | None) -> "JobState | None":
    from node0.finetune.jobs.job_states import JobState

    if name is None:
        return None
    if name not in list(JobState):
        raise ConfigError(f"no state {name!r} of a job; use one of {', '.join(JobState)}")
    return JobState(name)


def _row(job: "Job") -> dict[str, Any]:
    return {
        "JOB": job.id,
        "ROLE": job.role,
        "MODE": job.mode,
        "BEAD": job.bead_id or "-",
        "STATE": job.state.value,
        "SINCE": job.updated_at[:19],
    }
