# SPDX-License-Identifier: Apache-2.0
"""Run every check of this machine, and of a run on it, in order."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from node0 import console
from node0.check_result import CheckResult, bad, note
from node0.commands.lazy import when_called
from node0.doctor.machine_checks import machine_checks
from node0.errors import ConfigError, Node0Error
from node0.swarm.run.run_file import read_run
from node0.swarm.run.swarm_run import SwarmRun

if TYPE_CHECKING:
    from node0.doctor import base_check, device_checks, member_checks, run_checks
    from node0.pipeline.swarm import observe
else:
    # These need packages that the machine may lack, which the checks before them find out.
    base_check = when_called("node0.doctor.base_check")
    device_checks = when_called("node0.doctor.device_checks")
    member_checks = when_called("node0.doctor.member_checks")
    run_checks = when_called("node0.doctor.run_checks")
    observe = when_called("node0.pipeline.swarm.observe")


def examine(run: Path | None, base_model: Path | None, *, as_json: bool) -> int:
    """Print what every check found; 1 when something is wrong.

    Args:
        run: directory of a run, or its run.json; None checks the machine alone.
        base_model: directory of the base here; None takes the run's.
        as_json: one JSON document instead of a table.
    """
    directory = run.expanduser() if run is not None else None
    if directory is not None and directory.is_file():
        directory = directory.parent
    results = list(_results(directory, base_model))
    console.emit([asdict(result) for result in results], as_json=as_json)
    return console.FAILED if any(result.state == "bad" for result in results) else 0


def _results(directory: Path | None, base_model: Path | None) -> Iterator[CheckResult]:
    yield from machine_checks(swarm=directory is not None or find_spec("hivemind") is not None)
    if find_spec("torch") is not None:
        yield device_checks.device()
        yield device_checks.memory()
    if directory is not None:
        yield from _of_run(directory, base_model)
        return
    if base_model is not None:
        yield _of_base(base_model)
    if find_spec("hivemind") is not None:
        yield note("clock", "not compared: no run is given", "node0 doctor --run RUN asks its members")


def _of_run(directory: Path, base_model: Path | None) -> Iterator[CheckResult]:
    try:
        run = read_run(directory)
    except ConfigError as error:
        yield bad("run.json", str(error), "repair it, or copy it from another machine of the run")
        return
    yield from run_checks.run_checks(directory, run)
    if find_spec("torch") is None or find_spec("hivemind") is None:
        yield note("peers", "not asked, and base not compared", "install the packages first")
        return
    yield _of_base(base_model, run)
    yield from _of_members(directory, run)


def _of_members(directory: Path, run: SwarmRun) -> Iterator[CheckResult]:
    members = run_checks.answering(run)
    try:
        answers = observe.observe(directory, run, members) if members else []
    except Node0Error as error:
        yield note("peers", f"not asked: {error}", "run node0 doctor where node0 swarm init was run")
        return
    yield from member_checks.judge(answers, run)


def _of_base(directory: Path | None, run: SwarmRun | None = None) -> CheckResult:
    """Whether the base that is named, or that a run names, can be read and is the run's."""
    if directory is not None and not directory.is_dir():
        return bad("base", f"{directory} is no directory", "name the directory of the base with --base-model")
    return base_check.base_check(run or SwarmRun(num_stages=1), directory)
