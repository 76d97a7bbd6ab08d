# SPDX-License-Identifier: Apache-2.0
"""The log of deployments: what is at work for each role, and what comes back when that is taken away.

For each role, in a town or in the same rigs, deployments lie on a stack: the top one is active, those below
were replaced. Aliases and states of versions follow from the stacks.
"""

from collections.abc import Sequence

from node0.finetune.registry import aliases, versions
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.model_events import append_event, now, short
from node0.finetune.registry.schema import ModelName
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.store.deployment_tables import (
    insert_deployment,
    list_deployments,
    next_deployment,
    update_deployment,
)
from node0.store.transactions import Store, Transaction, actor

WHOLE_TOWN = "*"
"What a version's `deployed_to` says where it is not single rigs."

_STACKED = (DeploymentState.ACTIVE, DeploymentState.REPLACED)
_UNFINISHED = (DeploymentState.STARTED, DeploymentState.ROLLING_BACK)


class DeploymentLog:
    """Reads and writes deployments; every change of state is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, *states: DeploymentState) -> Sequence[Deployment]:
        """Deployments in these states, or all, oldest first."""
        with self._store.read() as transaction:
            return _rows(transaction, *states)

    def unfinished(self) -> Sequence[Deployment]:
        """Those whose process is at work now, or died; oldest first."""
        return self.list(*_UNFINISHED)

    def stack(self, role: str, rigs: Sequence[str] = ()) -> Sequence[Deployment]:
        """What is at work for a role, last, on top of what it replaced."""
        with self._store.read() as transaction:
            return _stack(transaction, role, sorted(rigs))

    def begin(self, draft: Deployment) -> Deployment:
        """Write down what is about to change, before anything does; the row as it is kept."""
        with self._store.write(f"Begin deploying {draft.spelled}") as transaction:
            number, reason = next_deployment(transaction), short(draft.reason)
            kept = {"number": number, "actor": actor(), "started_at": now(), "reason": reason}
            row = draft.model_copy(update=kept)
            insert_deployment(transaction, row.model_dump(mode="json") | {"forced": int(row.forced)})
        return row

    def commit(self, row: Deployment) -> Deployment:
        """The deployment is made: it is at work, and what was at work before lies below it."""
        with self._store.write(f"Deploy {row.spelled} for {row.role}") as transaction:
            below = _stack(transaction, row.role, row.rigs)
            if below:
                _set(transaction, below[-1], DeploymentState.REPLACED)
            _set(transaction, row, DeploymentState.ACTIVE)
            detail = {"role": row.role, "rigs": row.rigs, "forced": row.forced}
            append_event(transaction, row.name, row.version, "deployed", reason=row.reason, detail=detail)
            _follow(transaction, row, *below[-1:])
        return row.model_copy(update={"state": DeploymentState.ACTIVE})

    def revert(self, row: Deployment, *, reason: str) -> None:
        """The deployment was not made, and nothing of it is left."""
        with self._store.write(f"Deploying {row.spelled} failed") as transaction:
            _set(transaction, row, DeploymentState.REVERTED)
            append_event(transaction, row.name, row.version, "not deployed", reason=reason)

    def begin_rollback(self, row: Deployment) -> None:
        """Write down that a deployment is being taken back, before anything is."""
        with self._store.write(f"Begin rolling back {row.spelled}") as transaction:
            _set(transaction, row, DeploymentState.ROLLING_BACK)

    def finish_rollback(self, row: Deployment, *, reason: str) -> None:
        """The deployment is taken back: what lay below it is at work again."""
        with self._store.write(f"Roll back {row.spelled} for {row.role}") as transaction:
            _set(transaction, row, DeploymentState.ROLLED_BACK)
            below = _stack(transaction, row.role, row.rigs)
            if below:
                _set(transaction, below[-1], DeploymentState.ACTIVE)
            append_event(transaction, row.name, row.version, "rolled back", reason=reason)
            _follow(transaction, row, *below[-1:])


def stacked(transaction: Transaction) -> Sequence[Deployment]:
    """Everything that is at work or comes back by a rollback, and what is being changed now."""
    return _rows(transaction, *_STACKED, *_UNFINISHED)


def _rows(transaction: Transaction, *states: DeploymentState) -> Sequence[Deployment]:
    found = list_deployments(transaction, [state.value for state in states])
    return [Deployment(**row) for row in found]


def _stack(transaction: Transaction, role: str, rigs: Sequence[str]) -> Sequence[Deployment]:
    return [row for row in _rows(transaction, *_STACKED) if row.role == role and row.rigs == list(rigs)]


def _set(transaction: Transaction, row: Deployment, state: DeploymentState) -> None:
    goes_on = state in (DeploymentState.ACTIVE, *_UNFINISHED)
    values = {"state": state.value, "ended_at": "" if goes_on else now()}
    update_deployment(transaction, row.number, values)


def _follow(transaction: Transaction, *changed: Deployment) -> None:
    """Bring aliases and states of the versions concerned to what the stacks say."""
    rows = _rows(transaction, *_STACKED)
    for name in {row.name for row in changed}:
        own = [row for row in rows if row.name == name]
        active = [row.version for row in own if row.state is DeploymentState.ACTIVE]
        top = active[-1] if active else None
        below = [row.version for row in own if row.version != top]
        aliases.move(transaction, name, Alias.ACTIVE, top)
        aliases.move(transaction, name, Alias.PREVIOUS, below[-1] if top and below else None)
        if top and aliases.version_of(transaction, name, Alias.CANDIDATE) == top:
            aliases.move(transaction, name, Alias.CANDIDATE, None)
    for name, version in {(row.name, row.version) for row in changed}:
        _follow_version(transaction, name, version, rows)


def _follow_version(transaction: Transaction, name: str, version: int, rows: Sequence[Deployment]) -> None:
    entry = versions.find(transaction, ModelName(name, version))
    if entry is None:
        return
    at_work = [row for row in rows if (row.name, row.version) == (name, version) and row.state == "active"]
    status = entry.deployment_status
    if at_work:
        status = DeploymentStatus.ACTIVE
    elif status is DeploymentStatus.ACTIVE:
        status = DeploymentStatus.ARCHIVED
    places = sorted({rig for row in at_work for rig in row.rigs or [WHOLE_TOWN]})
    versions.change(transaction, entry, {"deployment_status": status.value, "deployed_to": places})
