# SPDX-License-Identifier: Apache-2.0
"""`DPORouter`: give one task to two versions, and keep which of them did it better."""

import re

from node0.errors import ConfigError
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.dpo.preference_log import SIDES, Preference, PreferenceLog, Side
from node0.finetune.registry.model_events import now, short
from node0.finetune.registry.store import ModelRegistry
from node0.store.transactions import actor

BEAD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,47}")
"What names a task: its length leaves room for `dpo-NNN-` and `-a` in 64 characters."


class DPORouter:
    """Comparisons in the store of one registry."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._log = PreferenceLog(registry.store)

    def create_comparison(self, task_bead_id: str, model_a: str, model_b: str) -> tuple[str, str]:
        """Begin to compare two versions on a task; the names of their branches.

        On a store without branches the names only tell the sides apart.

        Raises:
            ConfigError: the task's name is none, both are the same version, their roles differ, or the last
                comparison on the task is not decided.
            NotFound: there is no such version.
        """
        if BEAD.fullmatch(task_bead_id) is None:
            raise ConfigError(
                f"{task_bead_id!r} names no bead: letters, digits, '.', '_' and '-', at most 48"
            )
        first, second = self._registry.require(model_a), self._registry.require(model_b)
        if first.spelled == second.spelled:
            raise ConfigError(f"{first.spelled} cannot be compared with itself; name two versions")
        if first.role != second.role:
            raise ConfigError(f"{first.spelled} is for {first.role}, {second.spelled} for {second.role}")
        before = [one for one in self._log.list() if one.task_bead_id == task_bead_id]
        if before and before[-1].winner is None:
            raise ConfigError(
                f"{task_bead_id} is being compared already ({before[-1].model_a}, {before[-1].model_b}); "
                f"decide first: node0 dpo record {task_bead_id} --winner a"
            )
        number = f"-{len(before) + 1}" if before else ""
        name = f"dpo-{task_bead_id}{number}"
        self._log.begin(
            Preference(
                id=name, task_bead_id=task_bead_id, role=first.role, model_a=first.spelled,
                model_b=second.spelled, branch_a=f"{name}-a", branch_b=f"{name}-b", actor=actor(),
                created_at=now("microseconds"),
            )
        )  # fmt: skip
        return f"{name}-a", f"{name}-b"

    def attach(self, task_bead_id: str, side: str, entry: CorpusEntry) -> Preference:
        """Keep what a side did, as a collected session tells it.

        Raises:
            NotFound: the task is not compared.
            ConfigError: there is no such side, or the session is another role's.
        """
        preference = self._log.find(task_bead_id)
        if entry.role != preference.role:
            raise ConfigError(
                f"entry {entry.id} is of {entry.role}; {task_bead_id} compares {preference.role}"
            )
        self._log.attach(preference, _side(side), entry)
        return preference

    def record_winner(self, task_bead_id: str, winner: str, *, reason: str = "") -> Preference:
        """Keep which side did better; said again, the last word counts.

        Raises:
            NotFound: the task is not compared.
            ConfigError: there is no such side.
        """
        preference, side = self._log.find(task_bead_id), _side(winner)
        other = SIDES[1 - SIDES.index(side)]
        decided = preference.model_copy(
            update={
                "chosen_branch": preference.branch(side),
                "rejected_branch": preference.branch(other),
                "reason": short(reason),
                "actor": actor(),
                "decided_at": now(),
            }
        )
        self._log.decide(decided)
        return decided


def _side(text: str) -> Side:
    if text not in SIDES:
        raise ConfigError(f"no side {text!r}; there are a and b")
    return text
