# SPDX-License-Identifier: Apache-2.0
"""Canaries: a share of a role's sessions is answered by a candidate, the others by the version at work.

Agents that are started meanwhile ask for `NAME@canary-NUMBER`, which stands for one of two versions, by a
hash of the session. So a session has one version from its first request to its last, on every server and
after a restart; sessions that began before ask for a version by its name and have no part in it.

starting     written down before anything changes; without a process that does it, it is undone
running      agents ask for it
promoting, taking back    decided; without a process that does it, it is finished
promoted     sessions that began in it go on with the version that they had
taken back   sessions of the candidate that still run go on with the version at work
"""

import hashlib
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from node0.finetune.registry import aliases
from node0.finetune.registry.model_events import now, short
from node0.finetune.registry.schema import NAME, ModelName
from node0.finetune.registry.states import Alias
from node0.finetune.statistics.power import ALPHA
from node0.store.canary_table import find_canary, insert_canary, list_canaries, next_canary, update_canary
from node0.store.transactions import Store, Transaction, actor

_ASKED = re.compile(rf"({NAME})@canary-([1-9][0-9]{{0,8}})")


class CanarySettings(BaseModel):
    """The block `canary` of `<town>/.models/settings.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(0.2, gt=0, le=0.5)
    "Share of a role's sessions that the candidate answers."

    margin: float = Field(0.15, gt=0, lt=1)
    "Fall in the share of successes from which on a candidate may not be promoted."

    alpha: float = Field(ALPHA, gt=0, lt=0.5)
    "Chance of each wrong decision, over all looks together."

    max_sessions: int = Field(400, ge=1)
    "Sessions with an outcome, of both versions, after which an undecided candidate is taken back."

    max_days: float = Field(14.0, gt=0)
    "Days after which it is taken back."

    @property
    def per_candidate(self) -> int:
        """Sessions of the version at work for each of the candidate."""
        return max(1, int((1 - self.share) / self.share + 1e-9))


class CanaryState(StrEnum):
    """How far a canary is."""

    STARTING = "starting"
    RUNNING = "running"
    PROMOTING = "promoting"
    TAKING_BACK = "taking back"
    PROMOTED = "promoted"
    TAKEN_BACK = "taken back"


ENDED = (CanaryState.PROMOTED, CanaryState.TAKEN_BACK)


class Canary(BaseModel):
    """One row."""

    model_config = ConfigDict(frozen=True)

    number: int = 0
    "1, 2, ...; 0 until it is kept."

    role: str
    rigs: list[str]
    "Empty for the whole town."

    stable: str
    candidate: str
    "`NAME:VER`."

    settings: CanarySettings
    "As they were when it began."

    deployment: int = 0
    "Number of the deployment whose agent asks for it; 0 until there is one."

    state: CanaryState = CanaryState.STARTING
    evidence: dict[str, Any] = Field(default_factory=dict)
    "Of the last look."

    actor: str = ""
    reason: str = ""
    started_at: str = ""
    ended_at: str = ""

    @property
    def asked(self) -> str:
        """The model id that agents ask for."""
        return f"{self.stable.rpartition(':')[0]}@canary-{self.number}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in ENDED

    def answers(self, session: str) -> str:
        """The version, as `NAME:VER`, that answers a session; one that names none is no part of the trial."""
        back = self.state in (CanaryState.TAKING_BACK, CanaryState.TAKEN_BACK)
        return self.stable if back else self.drawn(session)

    def drawn(self, session: str) -> str:
        """The version that was drawn for a session, whatever became of the canary since."""
        if not session:
            return self.stable
        digest = hashlib.sha256(f"{self.asked}\n{session}".encode("utf-8", "surrogatepass")).digest()
        is_chosen = int.from_bytes(digest[:8]) < self.settings.share * 2**64
        return self.candidate if is_chosen else self.stable


def canary_number(model: str) -> int | None:
    """The number of the canary that a model id means; None where it means none."""
    found = _ASKED.fullmatch(model)
    return int(found[2]) if found else None


def _drop_alias(transaction: Transaction, candidate: ModelName) -> None:
    if aliases.version_of(transaction, candidate.name, Alias.CANDIDATE) == candidate.version:
        aliases.move(transaction, candidate.name, Alias.CANDIDATE, None)


class CanaryLog:
    """Reads and writes canaries; every change is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> Sequence[Canary]:
        """All, oldest first."""
        with self._store.read() as transaction:
            return [Canary.model_validate(row) for row in list_canaries(transaction)]

    def unfinished(self) -> Sequence[Canary]:
        """Those that have not ended."""
        return [one for one in self.list() if not one.has_ended]

    def find(self, number: int) -> Canary | None:
        """One of them."""
        with self._store.read() as transaction:
            row = find_canary(transaction, number)
        return None if row is None else Canary.model_validate(row)

    def begin(self, draft: Canary) -> Canary:
        """Write down what is about to begin; the row as it is kept."""
        with self._store.write(f"Begin a canary of {draft.candidate}") as transaction:
            kept = {"number": next_canary(transaction), "actor": actor(), "started_at": now()}
            row = draft.model_copy(update={**kept, "reason": short(draft.reason)})
            insert_canary(transaction, row.model_dump(mode="json"))
            name = ModelName.parse(row.candidate)
            aliases.move(transaction, name.name, Alias.CANDIDATE, name.version, reason=f"canary {row.number}")
        return row

    def change(self, row: Canary, state: CanaryState, **changes: Any) -> Canary:
        """Let it be in a state from now on, with other columns that change with it."""
        values = {**changes, "state": state, "ended_at": now() if state in ENDED else ""}
        if "reason" in values:
            values["reason"] = short(values["reason"])
        with self._store.write(f"Canary {row.number} of {row.candidate} is {state}") as transaction:
            update_canary(transaction, row.number, values | {"state": state.value})
            if state is CanaryState.TAKEN_BACK:
                _drop_alias(transaction, ModelName.parse(row.candidate))
        return row.model_copy(update=values)
