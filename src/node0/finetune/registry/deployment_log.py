# SPDX-License-Identifier: Apache-2.0
"""The log of deployments: what is at work for each role, and what comes back when that is taken away.

For each role, in a town or in the same rigs, deployments lie on a stack: the top one is active, those below
were replaced. Aliases and states of versions follow from the stacks.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select, update

from node0.finetune.registry import aliases, versions
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.events import append_event, now, short
from node0.finetune.registry.schema import ModelName
from node0.finetune.registry.states import Alias, DeploymentStatus
from node0.store.tables import deployments
from node0.store.transactions import Store, actor

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
        with self._store.read() as connection:
            return _rows(connection, *states)

    def unfinished(self) -> Sequence[Deployment]:
        """Those whose process is at work now, or died; oldest first."""
        return self.list(*_UNFINISHED)

    def stack(self, role: str, rigs: Sequence[str] = ()) -> Sequence[Deployment]:
        """What is at work for a role, last, on top of what it replaced."""
        with self._store.read() as connection:
            return _stack(connection, role, sorted(rigs))

    def begin(self, draft: Deployment) -> Deployment:
        """Write down what is about to change, before anything does; the row as it is kept."""
        with self._store.write(f"Begin deploying {draft.spelled}") as connection:
            last = connection.scalar(select(func.max(deployments.c.number))) or 0
            kept = {"number": last + 1, "actor": actor(), "started_at": now(), "reason": short(draft.reason)}
            row = draft.model_copy(update=kept)
            values = row.model_dump(mode="json") | {"forced": int(row.forced)}
            connection.execute(insert(deployments), [values])
        return row

    def commit(self, row: Deployment) -> Deployment:
        """The deployment is made: it is at work, and what was at work before lies below it."""
        with self._store.write(f"Deploy {row.spelled} for {row.role}") as connection:
            below = _stack(connection, row.role, row.rigs)
            if below:
                _set(connection, below[-1], DeploymentState.REPLACED)
            _set(connection, row, DeploymentState.ACTIVE)
            detail = {"role": row.role, "rigs": row.rigs, "forced": row.forced}
            append_event(connection, row.name, row.version, "deployed", reason=row.reason, detail=detail)
            _follow(connection, row, *below[-1:])
        return row.model_copy(update={"state": DeploymentState.ACTIVE})

    def revert(self, row: Deployment, *, reason: str) -> None:
        """The deployment was not made, and nothing of it is left."""
        with self._store.write(f"Deploying {row.spelled} failed") as connection:
            _set(connection, row, DeploymentState.REVERTED)
            append_event(connection, row.name, row.version, "not deployed", reason=reason)

    def begin_rollback(self, row: Deployment) -> None:
        """Write down that a deployment is being taken back, before anything is."""
        with self._store.write(f"Begin rolling back {row.spelled}") as connection:
            _set(connection, row, DeploymentState.ROLLING_BACK)

    def finish_rollback(self, row: Deployment, *, reason: str) -> None:
        """The deployment is taken back: what lay below it is at work again."""
        with self._store.write(f"Roll back {row.spelled} for {row.role}") as connection:
            _set(connection, row, DeploymentState.ROLLED_BACK)
            below = _stack(connection, row.role, row.rigs)
            if below:
                _set(connection, below[-1], DeploymentState.ACTIVE)
            append_event(connection, row.name, row.version, "rolled back", reason=reason)
            _follow(connection, row, *below[-1:])


def stacked(connection: Connection) -> Sequence[Deployment]:
    """Everything that is at work or comes back by a rollback, and what is being changed now."""
    return _rows(connection, *_STACKED, *_UNFINISHED)


def _rows(connection: Connection, *states: DeploymentState) -> Sequence[Deployment]:
    query = select(deployments).order_by(deployments.c.number)
    if states:
        query = query.where(deployments.c.state.in_([state.value for state in states]))
    return [Deployment(**row) for row in connection.execute(query).mappings()]


def _stack(connection: Connection, role: str, rigs: Sequence[str]) -> Sequence[Deployment]:
    return [row for row in _rows(connection, *_STACKED) if row.role == role and row.rigs == list(rigs)]


def _set(connection: Connection, row: Deployment, state: DeploymentState) -> None:
    goes_on = state in (DeploymentState.ACTIVE, *_UNFINISHED)
    values = {"state": state.value, "ended_at": "" if goes_on else now()}
    connection.execute(update(deployments).where(deployments.c.number == row.number).values(values))


def _follow(connection: Connection, *changed: Deployment) -> None:
    """Bring aliases and states of the versions concerned to what the stacks say."""
    rows = _rows(connection, *_STACKED)
    for name in {row.name for row in changed}:
        own = [row for row in rows if row.name == name]
        active = [row.version for row in own if row.state is DeploymentState.ACTIVE]
        top = active[-1] if active else None
        below = [row.version for row in own if row.version != top]
        aliases.move(connection, name, Alias.ACTIVE, top)
        aliases.move(connection, name, Alias.PREVIOUS, below[-1] if top and below else None)
        if top and aliases.version_of(connection, name, Alias.CANDIDATE) == top:
            aliases.move(connection, name, Alias.CANDIDATE, None)
    for name, version in {(row.name, row.version) for row in changed}:
        _follow_version(connection, name, version, rows)


def _follow_version(connection: Connection, name: str, version: int, rows: Sequence[Deployment]) -> None:
    entry = versions.find(connection, ModelName(name, version))
    if entry is None:
        return
    at_work = [row for row in rows if (row.name, row.version) == (name, version) and row.state == "active"]
    status = entry.deployment_status
    if at_work:
        status = DeploymentStatus.ACTIVE
    elif status is DeploymentStatus.ACTIVE:
        status = DeploymentStatus.ARCHIVED
    places = sorted({rig for row in at_work for rig in row.rigs or [WHOLE_TOWN]})
    versions.change(connection, entry, {"deployment_status": status.value, "deployed_to": places})
