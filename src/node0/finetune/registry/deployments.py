# SPDX-License-Identifier: Apache-2.0
"""Deployments as the registry keeps them: what was put to work, what it replaced, and how that ended."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, func, insert, select, update

from node0.finetune.registry.events import now, short
from node0.store.tables import deployments
from node0.store.transactions import actor


class DeploymentState(StrEnum):
    """How far a deployment is."""

    STARTED = "started"
    "Settings are being changed; without a process that does it, it is undone."

    ACTIVE = "active"
    REPLACED = "replaced"
    "A later one took its place; it comes back when that one is rolled back."

    ROLLING_BACK = "rolling_back"
    "Being taken back; without a process that does it, that is finished."

    ROLLED_BACK = "rolled_back"
    REVERTED = "reverted"
    "It failed or was cut off, and nothing of it is left."


class Edit(BaseModel):
    """One member of a settings file, before and after; each as JSON text, or None where it is absent."""

    model_config = ConfigDict(frozen=True)

    file: str
    path: tuple[str, ...]
    before: str | None
    after: str | None
    made_file: bool = False
    "Whether the file itself was not there before."

    made_table: bool = False
    "Whether the table that holds the member was not there before."


class Deployment(BaseModel):
    """One row."""

    model_config = ConfigDict(frozen=True)

    number: int
    name: str
    version: int
    role: str
    agent: str
    rigs: list[str]
    "Empty for the whole town."

    endpoint: dict[str, Any]
    state: DeploymentState
    forced: bool
    actor: str
    reason: str
    edits: list[Edit]
    "What it changed in settings files."

    started_at: str
    ended_at: str

    @property
    def spelled(self) -> str:
        """`NAME:VER`."""
        return f"{self.name}:{self.version}"


def begin(
    connection: Connection,
    *,
    name: str,
    version: int,
    role: str,
    agent: str,
    rigs: Sequence[str],
    endpoint: dict[str, Any],
    edits: Sequence[Edit],
    forced: bool,
    reason: str,
) -> Deployment:
    """Write down what is about to change, before anything does."""
    last = connection.scalar(select(func.max(deployments.c.number))) or 0
    made = Deployment(
        number=last + 1,
        name=name,
        version=version,
        role=role,
        agent=agent,
        rigs=sorted(rigs),
        endpoint=endpoint,
        state=DeploymentState.STARTED,
        forced=forced,
        actor=actor(),
        reason=short(reason),
        edits=list(edits),
        started_at=now(),
        ended_at="",
    )
    connection.execute(insert(deployments), [made.model_dump(mode="json") | {"forced": int(forced)}])
    return made


def finish(connection: Connection, number: int, state: DeploymentState) -> None:
    """Bring a row to its next state."""
    ended = "" if state is DeploymentState.ACTIVE else now()
    values = {"state": state.value, "ended_at": ended}
    connection.execute(update(deployments).where(deployments.c.number == number).values(values))


def all_deployments(connection: Connection, *states: DeploymentState) -> Sequence[Deployment]:
    """Rows in these states, or all, oldest first."""
    query = select(deployments).order_by(deployments.c.number)
    if states:
        query = query.where(deployments.c.state.in_([state.value for state in states]))
    return [Deployment(**row) for row in connection.execute(query).mappings()]


def stack_of(connection: Connection, role: str, rigs: Sequence[str]) -> Sequence[Deployment]:
    """What is at work for a role in a town or in these rigs, and what lies below it, oldest first."""
    rows = all_deployments(connection, DeploymentState.ACTIVE, DeploymentState.REPLACED)
    return [row for row in rows if row.role == role and row.rigs == sorted(rigs)]
