# SPDX-License-Identifier: Apache-2.0
"""`node0 doctor`: what keeps this machine, or a run on it, from working."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node0 import console
from node0.console import JsonOption

if TYPE_CHECKING:
    from node0.doctor.check_result import CheckResult
    from node0.swarm.run.swarm_run import SwarmRun

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    return console.run(app, argv, name="node0 doctor")


@app.command()
def doctor(
    *,
    run: Annotated[
        Path | None, typer.Option(help="Directory of a run, or its run.json; without it, the machine alone.")
    ] = None,
    base_model: Annotated[
        Path | None, typer.Option(help="Directory of the base here; default: as run.json says.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Look for what is wrong, and say what to do about it. Changes nothing.

    Exits with 0 when nothing is wrong, else with 1.
    """
    place = run.expanduser() if run is not None else None
    if place is not None and place.is_file():
        place = place.parent
    findings = list(_findings(place, base_model))
    console.emit([asdict(finding) for finding in findings], as_json=as_json)
    return console.FAILED if any(finding.state == "bad" for finding in findings) else 0


def _findings(directory: Path | None, base_model: Path | None) -> "Iterator[CheckResult]":
    from node0.doctor.check_result import note
    from node0.doctor.machine_checks import machine_checks

    yield from machine_checks()
    if directory is None:
        if base_model is not None:
            yield _base(base_model)
        yield note("clock", "not compared: no run is given", "node0 doctor --run RUN asks its members")
        return
    yield from _of_run(directory, base_model)


def _of_run(directory: Path, base_model: Path | None) -> "Iterator[CheckResult]":
    from node0.doctor.check_result import bad, note
    from node0.doctor.run_checks import answering, run_checks
    from node0.errors import ConfigError, Node0Error
    from node0.swarm.run.run_file import read_run

    try:
        run = read_run(directory)
    except ConfigError as error:
        yield bad("run.json", str(error), "repair it, or copy it from another machine of the run")
        return
    yield from run_checks(directory, run)
    if find_spec("torch") is None or find_spec("hivemind") is None:
        yield note("peers", "not asked, and base not compared", "install the packages first")
        return
    from node0.doctor.member_checks import judge
    from node0.pipeline.swarm.observe import observe

    yield _base(base_model, run)
    members = answering(run)
    try:
        answers = observe(directory, run, members) if members else []
    except Node0Error as error:
        yield note("peers", f"not asked: {error}", "run node0 doctor where node0 swarm init was run")
        return
    yield from judge(answers, run)


def _base(directory: Path | None, run: "SwarmRun | None" = None) -> "CheckResult":
    """Whether the base that is named, or that a run names, can be read and is the run's."""
    from node0.doctor.base_check import base_check
    from node0.doctor.check_result import bad
    from node0.swarm.run.swarm_run import SwarmRun

    if directory is not None and not directory.is_dir():
        return bad("base", f"{directory} is no directory", "name the directory of the base with --base-model")
    return base_check(run or SwarmRun(num_stages=1), directory)
