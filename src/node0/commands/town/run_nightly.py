# SPDX-License-Identifier: Apache-2.0
"""A night of a town: collect what ended; train, evaluate and put before the gate what that asks for."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.open_registry import open_registry
from node0.commands.town.installed_places import places
from node0.commands.town.rollout_state import rollout_stages
from node0.commands.town.town_savings import town_savings
from node0.errors import ConfigError, Node0Error, RunInUse
from node0.files import private_directory, try_locked
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.deploy.endpoint import Endpoint, Wanted, probe
from node0.finetune.gastown.own_settings import OwnSettings, read_own_settings
from node0.finetune.gastown.upkeep.considered import keep_considered
from node0.finetune.gastown.upkeep.night_decision import Decision, NightlySettings, Step, decide
from node0.finetune.gastown.upkeep.night_report import NightReport, NightStep, keep_report
from node0.finetune.gastown.upkeep.role_state import new_run, role_state, usable_ids
from node0.finetune.gastown.upkeep.savings import RoleSavings
from node0.finetune.gastown.upkeep.stages import held
from node0.finetune.gastown.upkeep.step_commands import (
    BEFORE,
    deploy_command,
    evaluate_command,
    train_command,
)
from node0.finetune.registry.canaries import CanaryLog
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.role import require_known_role
from node0.settings import read_block
from node0.town import Town

MOST = 4
"Steps of a role in one night: a run that goes on, an evaluation for each suite, the gate."


def nightly(root: Path | None, *, roles: Sequence[str], dry_run: bool, as_json: bool) -> int:
    """Do what a night has to do, or show it; 1 when a step failed."""
    town = Town.locate(root)
    own = read_own_settings(town)
    chosen = _chosen(town, own, roles)
    if dry_run:
        rows = [_row(_decided(town, role)) for role in chosen]
        console.emit([row.model_dump(include={"role", "step", "why"}) for row in rows], as_json=as_json)
        return 0
    private_directory(town.models)
    busy = RunInUse(f"another night is at work in {town.root}; wait for it")
    with try_locked(town.models / ".night.lock", busy=busy):
        at = datetime.now(UTC).isoformat(timespec="seconds")
        steps = list(_night(town, own, chosen))
        report = NightReport(at=at, steps=steps, savings=_saved(town))
        path = keep_report(town, report)
    saved = [_savings_row(one) for one in report.savings] if as_json else []
    console.emit([*(step.model_dump() for step in report.steps), *saved], as_json=as_json)
    for one in report.savings:
        console.note(f"{one}")
    console.note(f"kept in {path}")
    return console.FAILED if any(step.has_failed for step in report.steps) else 0


def _chosen(town: Town, own: OwnSettings, roles: Sequence[str]) -> list[str]:
    for role in roles:
        require_known_role(role, town.own_roles())
    if not own.base_model:
        raise ConfigError(
            f"no base model is known in {town.root}; say it: node0 town install --base-model DIR"
        )
    if not (chosen := list(roles) or own.roles):
        raise ConfigError(f"no role is to get a model in {town.root}; say it: node0 town install --role ROLE")
    return chosen


def _night(town: Town, own: OwnSettings, roles: Sequence[str]) -> Iterator[NightStep]:
    for words in BEFORE:
        step = _done(town, Decision("", Step.WAIT, ""), [*words, "--town", str(town.root)])
        yield step.model_copy(update={"role": "all", "step": " ".join(words), "why": "every night"})
    for role in roles:
        yield from _role(town, own, role)


def _role(town: Town, own: OwnSettings, role: str) -> Iterator[NightStep]:
    """Steps of a role until it waits, or one does not succeed."""
    for _ in range(MOST):
        step = _next(town, own, role)
        yield step
        if step.step == Step.WAIT or step.code:
            return


def _next(town: Town, own: OwnSettings, role: str) -> NightStep:
    """What is due for a role, done; an error is of this role alone, and the night goes on to the others."""
    row = NightStep(role=role, step="decide", why="every night")
    try:
        decision = _decided(town, role)
        row = _row(decision)
        return row if decision.step is Step.WAIT else _carried_out(town, own, decision)
    except Node0Error as error:
        return row.model_copy(update={"result": str(error), "code": error.exit_code})


def _decided(town: Town, role: str) -> Decision:
    with open_registry(town.root) as (registry, _):
        state = role_state(town, registry, role, held=_held(town, registry, role))
        limit = ConventionStalenessTracker(registry, town).limit
    settings = _settings(town)
    decision = decide(state, settings, limit=limit)
    if decision.step is not Step.DEPLOY or not (unserved := _unserved(town, decision)):
        return decision
    # What waits for a server keeps nobody from training.
    return decide(state._replace(held=unserved), settings, limit=limit)


def _held(town: Town, registry: ModelRegistry, role: str) -> str:
    """Why nothing is put to work for a role now; empty where nothing speaks against it."""
    running = [one for one in CanaryLog(registry.store).unfinished() if one.role == role]
    if running:
        return f"canary {running[-1].number} of {running[-1].candidate} is {running[-1].state}"
    return held(role, rollout_stages(town, registry))


def _carried_out(town: Town, own: OwnSettings, decision: Decision) -> NightStep:
    settings = _settings(town)
    if decision.step is Step.TRAIN:
        run = decision.subject or _begun_run(town, decision.role)
        words = train_command(decision, settings, town=town, base_model=own.base_model, run=run)
        return _done(town, decision, words)
    if decision.step is Step.EVALUATE:
        run = _files_of(town, decision.subject)
        return _done(town, decision, evaluate_command(decision, settings, town=town, run=run))
    return _deployed(town, decision)


def _begun_run(town: Town, role: str) -> str:
    run = new_run(town, role, datetime.now(UTC))
    keep_considered(town, role, run, usable_ids(town, role))
    return run


def _deployed(town: Town, decision: Decision) -> NightStep:
    endpoint, rigs = _serving(town, decision.role)
    return _done(town, decision, deploy_command(decision, town=town, endpoint=endpoint, rigs=rigs))


def _unserved(town: Town, decision: Decision) -> str:
    """Why a version is not put before the gate: nobody is there at night to make a server serve it."""
    endpoint, _ = _serving(town, decision.role)
    if endpoint.model:
        return f"{endpoint.url} serves {endpoint.model} by that name: a person changes it there"
    try:
        probe(endpoint, Wanted(model=decision.subject, context_window=1))
    except Node0Error as error:
        return f"{decision.subject} is not put to work: {error}"
    return ""


def _serving(town: Town, role: str) -> tuple[Endpoint, Sequence[str]]:
    """What answers for the role now, and in which rigs; our own server where nothing of ours is at work."""
    with open_registry(town.root) as (registry, _):
        rows = DeploymentLog(registry.store).list(DeploymentState.ACTIVE)
    row = next((row for row in reversed(rows) if row.role == role), None)
    return (Endpoint.model_validate(row.endpoint), row.rigs) if row is not None else (Endpoint(), ())


def _saved(town: Town) -> list[RoleSavings]:
    """What ours did until now; nothing where that cannot be found out, which is no fault of the night."""
    try:
        with open_registry(town.root) as (registry, _):
            return town_savings(town, registry)
    except Node0Error as error:
        console.note(f"warning: what was saved is not known: {error}")
        return []


def _done(town: Town, decision: Decision, words: Sequence[str]) -> NightStep:
    """Run a command of ours; what it says is passed on, and its last line kept."""
    console.note(f"node0 {' '.join(words)}")
    began, said = time.monotonic(), ""
    with subprocess.Popen(
        [str(places(town).program), *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            console.note(line.rstrip("\n"))
            said = line.strip() or said
    seconds = round(time.monotonic() - began, 1)
    return _row(decision).model_copy(update={"result": said, "code": process.returncode, "seconds": seconds})


def _row(decision: Decision) -> NightStep:
    return NightStep(role=decision.role, step=decision.step, why=decision.why)


def _savings_row(one: RoleSavings) -> dict[str, Any]:
    """What was saved for a role, as a row among the steps with the figures as `savings`."""
    row = NightStep(role=one.role, step="savings", why="every night", result=str(one))
    return row.model_dump() | {"savings": one.model_dump()}


def _files_of(town: Town, name: str) -> str:
    with open_registry(town.root) as (registry, _):
        return registry.require(name).artifact_path


def _settings(town: Town) -> NightlySettings:
    return read_block(NightlySettings, town.model_settings_file, block="nightly")
