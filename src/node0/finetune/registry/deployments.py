# SPDX-License-Identifier: Apache-2.0
"""A deployment as the registry keeps it: what was put to work, what that changed, and how it ended."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


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
    "Below the town's root."

    path: tuple[str, ...]
    before: str | None
    after: str | None
    made_file: bool = False
    "Whether the file itself was not there before, but for deployments."

    made_table: bool = False
    "Whether the table that holds the member was not there before, but for deployments."


class Deployment(BaseModel):
    """One row."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    "1, 2, ...; 0 until it is kept."

    name: str
    version: int
    role: str
    agent: str
    rigs: list[str]
    "Empty for the whole town."

    endpoint: dict[str, Any]
    edits: list[Edit]
    "What it changes in settings files."

    state: DeploymentState = DeploymentState.STARTED
    forced: bool = False
    "Whether it went past the gate."

    actor: str = ""
    reason: str = ""
    started_at: str = ""
    ended_at: str = ""

    @property
    def spelled(self) -> str:
        """`NAME:VER`."""
        return f"{self.name}:{self.version}"
