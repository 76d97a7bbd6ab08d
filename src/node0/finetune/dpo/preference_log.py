# SPDX-License-Identifier: Apache-2.0
"""Comparisons of two versions on one task, what each did, and which a person preferred.

On a Dolt store each side has a branch of its own, and its transcript is a commit there; any other store keeps
both transcripts in one place, and so does a Dolt store for what was copied into it.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from node0.errors import NotFound
from node0.finetune.corpus.schema import CorpusEntry
from node0.store.dolt_store import DoltStore
from node0.store.preference_table import (
    find_transcript,
    insert_preference,
    list_preferences,
    put_transcript,
    update_preference,
)
from node0.store.transactions import Store

Side = Literal["a", "b"]
SIDES: tuple[Side, Side] = ("a", "b")


class Preference(BaseModel):
    """One comparison."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    id: str
    task_bead_id: str
    role: str
    model_a: str
    model_b: str
    "`NAME:VER`."

    branch_a: str
    branch_b: str
    chosen_branch: str | None = None
    rejected_branch: str | None = None
    "Empty until somebody has decided."

    reason: str = ""
    actor: str
    created_at: str
    decided_at: str | None = None

    def branch(self, side: Side) -> str:
        """The branch of a side."""
        return self.branch_a if side == "a" else self.branch_b

    @property
    def winner(self) -> Side | None:
        """The side that was preferred."""
        return next((side for side in SIDES if self.branch(side) == self.chosen_branch), None)


class PreferenceLog:
    """Reads and writes comparisons; every change is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def has_branches(self) -> bool:
        """Whether each side lies on a branch of its own."""
        return isinstance(self._store, DoltStore)

    def begin(self, preference: Preference) -> None:
        """Keep a comparison, and make its branches where the store has some."""
        with self._store.write(f"Compare {preference.model_a} and {preference.model_b}") as transaction:
            insert_preference(transaction, preference.model_dump())
        if isinstance(self._store, DoltStore):
            for side in SIDES:
                self._store.make_branch(preference.branch(side))

    def decide(self, preference: Preference) -> None:
        """Keep who was preferred, by whom and why."""
        with self._store.write(f"Prefer {preference.chosen_branch}") as transaction:
            update_preference(transaction, preference.id, preference.model_dump(exclude={"id"}))

    def list(self, *, role: str | None = None) -> Sequence[Preference]:
        """All comparisons, or those of one role, oldest first."""
        with self._store.read() as transaction:
            return [Preference(**row) for row in list_preferences(transaction, role=role)]

    def find(self, task_bead_id: str) -> Preference:
        """The last comparison on a task.

        Raises:
            NotFound: there is none.
        """
        found = [one for one in self.list() if one.task_bead_id == task_bead_id]
        if not found:
            raise NotFound(
                f"no comparison on {task_bead_id!r}; make one: node0 dpo compare {task_bead_id} A B"
            )
        return found[-1]

    def attach(self, preference: Preference, side: Side, entry: CorpusEntry) -> None:
        """Keep what a side did."""
        content = entry.model_dump(mode="json")
        row = {"comparison": preference.id, "side": side, "entry_id": entry.id, "entry": content}
        store = self._of(preference, side)
        try:
            with store.write(f"{entry.id} is side {side} of {preference.task_bead_id}") as transaction:
                put_transcript(transaction, row)
        finally:
            self._let_go(store)

    def transcript(self, preference: Preference, side: Side) -> CorpusEntry | None:
        """What a side did; None where nothing is attached."""
        store = self._of(preference, side)
        try:
            with store.read() as transaction:
                row = find_transcript(transaction, preference.id, side)
        finally:
            self._let_go(store)
        return None if row is None else CorpusEntry.model_validate(row["entry"])

    def _of(self, preference: Preference, side: Side) -> Store:
        branch = preference.branch(side)
        if isinstance(self._store, DoltStore) and branch in self._store.branches():
            return self._store.on_branch(branch)
        return self._store

    def _let_go(self, store: Store) -> None:
        if store is not self._store:
            store.close()
