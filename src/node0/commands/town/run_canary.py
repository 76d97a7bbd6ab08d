# SPDX-License-Identifier: Apache-2.0
"""Begin a canary, look at it, let it be decided, end it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from node0 import console
from node0.commands.model.deploy_models import probing
from node0.commands.model.open_registry import open_deployer, open_registry
from node0.commands.town.canary_outcomes import outcomes_of
from node0.errors import Node0Error, NotFound
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.deploy.canary import CanaryKeeper, Outcomes, seen
from node0.finetune.registry.canaries import Canary, CanaryLog, CanaryState
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.store import ModelRegistry
from node0.town import Town


class _Opened(NamedTuple):
    keeper: CanaryKeeper
    registry: ModelRegistry
    town: Town


def start(
    root: Path | None, name: str, *, rigs: Sequence[str], share: float | None, reason: str, as_json: bool
) -> None:
    """Let a share of new sessions be answered by a version."""
    with _keeper(root) as (keeper, _, _):
        row = keeper.start(name, rigs=rigs, share=share, reason=reason)
    console.note(
        f"canary {row.number}: {row.candidate} answers {row.settings.share:.0%} of new sessions of {row.role}"
    )
    console.note(
        f"to see how it does: node0 town canary status; to end it: node0 town canary stop --role {row.role}"
    )
    if as_json:
        console.emit([_record(row, None)], as_json=True)


def show(root: Path | None, *, as_json: bool) -> None:
    """Print a row for each canary, with what its sessions say so far, and why those that ended did."""
    with open_registry(root) as (registry, town):
        rows = CanaryLog(registry.store).list()
        found = [(row, None if row.has_ended else _outcomes(town, registry, row)) for row in rows]
    if as_json:
        console.emit([_record(*one) for one in found], as_json=True)
    elif found:
        console.emit([_cells(*one) for one in found], as_json=False)
        for row in (row for row, _ in found if row.has_ended):
            console.note(_told(row))
    else:
        console.note("no canary yet; begin one: node0 town canary start NAME:VER")


def check(root: Path | None, *, as_json: bool) -> int:
    """Decide every canary that runs by the sessions that are collected; 1 when one could not be."""
    with _keeper(root) as (keeper, registry, town):
        rows: list[Canary] = []
        failed = False
        try:
            rows += keeper.settle()
        except Node0Error as error:
            failed = True
            console.note(f"what a process left could not be ended: {error}")
        for row in CanaryLog(registry.store).unfinished():
            try:
                rows.append(keeper.decide(row, _outcomes(town, registry, row)))
            except Node0Error as error:
                failed = True
                console.note(f"canary {row.number} of {row.candidate} could not be decided: {error}")
    for row in rows:
        console.note(_told(row))
    if not rows and not failed:
        console.note("no canary runs")
    if as_json:
        console.emit([_record(row, None) for row in rows], as_json=True)
    return console.FAILED if failed else 0


def stop(root: Path | None, *, role: str, reason: str) -> None:
    """Take the candidate of a role back."""
    with _keeper(root) as (keeper, registry, _):
        running = [row for row in CanaryLog(registry.store).unfinished() if row.role == role]
        if not running:
            raise NotFound(f"no canary runs for {role}; see: node0 town canary status")
        row = keeper.stop(running[-1], reason=reason)
    console.note(_told(row))


@contextmanager
def _keeper(root: Path | None) -> Iterator[_Opened]:
    with open_deployer(root, probe=probing(root), create=True) as (deployer, registry, town):
        keeper = CanaryKeeper(town, registry, deployer)
        yield _Opened(keeper, registry, town)


def _outcomes(town: Town, registry: ModelRegistry, row: Canary) -> Outcomes:
    return outcomes_of(row, CorpusStore(town).headers(row.role), DeploymentLog(registry.store).list())


def _told(row: Canary) -> str:
    told = f"canary {row.number} of {row.candidate} for {row.role} is {row.state}"
    if row.state is CanaryState.RUNNING:
        cells = _cells(row, None)
        return f"{told}: candidate {cells['CANDIDATE']} succeeded, version at work {cells['STABLE']}"
    return f"{told}: {row.reason}"


def _record(row: Canary, outcomes: Outcomes | None) -> dict[str, Any]:
    """What JSON says of a canary; `evidence` is of now where outcomes are given, else of the last look."""
    return row.model_dump(mode="json") | ({} if outcomes is None else {"evidence": seen(row, outcomes)})


def _cells(row: Canary, outcomes: Outcomes | None) -> dict[str, Any]:
    told = _record(row, outcomes)["evidence"]
    shown = {
        name.upper(): f"{told.get(f'{name}_succeeded', 0)} of {told.get(f'{name}_sessions', 0)}"
        for name in ("candidate", "stable")
    }
    return {
        "CANARY": row.number,
        "ROLE": row.role,
        "VERSION": row.candidate,
        "SHARE": f"{row.settings.share:.0%}",
        **shown,
        "STATE": row.state.value,
    }
