# SPDX-License-Identifier: Apache-2.0
"""Mined pairs and what was said of them, in the store: nothing is trained on before a person has looked."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from node0.errors import NotFound
from node0.finetune.dpo.mined_pair import MinedPair, Verdict
from node0.finetune.registry.model_events import now, short
from node0.store.mined_pair_table import (
    delete_mined_pairs,
    insert_mined_pairs,
    list_mined_pairs,
    update_mined_pair,
)
from node0.store.transactions import Store, Transaction, actor


class Kept(NamedTuple):
    """What became of the pairs of one mining."""

    new: int
    waiting: int
    "Found before; nobody has looked yet."

    decided: int
    "Found before; somebody has."

    gone: int
    "Waited, and the corpus gives them no more."


class MinedLog:
    """Reads and writes mined pairs; every change is one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(self, found: Sequence[MinedPair], *, role: str | None = None) -> Kept:
        """Keep what a mining of a role, or of all, has found; a verdict stays as it is.

        What waits is as the newest mining has it: its sessions and counts are replaced, and what is no
        longer found is forgotten.
        """
        with self._store.write("Keep mined pairs") as transaction:
            known = {one.id: one for one in self._rows(transaction, role)}
            fresh = [one for one in found if one.id not in known]
            again = [one for one in found if one.id in known]
            waiting = [one for one in again if known[one.id].verdict == "waiting"]
            gone = _waiting(known.values()) - {one.id for one in found}
            insert_mined_pairs(transaction, [one.model_dump(mode="json") for one in fresh])
            for one in waiting:
                sides = one.model_dump(mode="json", include={"chosen", "rejected"})
                update_mined_pair(transaction, one.id, sides)
            delete_mined_pairs(transaction, gone)
        return Kept(len(fresh), len(waiting), len(again) - len(waiting), len(gone))

    def list(self, *, role: str | None = None, verdicts: Sequence[Verdict] = ()) -> Sequence[MinedPair]:
        """All pairs, or those of a role or with one of these verdicts, oldest first."""
        with self._store.read() as transaction:
            found = self._rows(transaction, role)
        return [one for one in found if not verdicts or one.verdict in verdicts]

    def decide(self, pair_id: str, verdict: Verdict, *, reason: str = "") -> MinedPair:
        """Keep what a person said; said again, the last word counts.

        Raises:
            NotFound: there is no such pair.
        """
        with self._store.write(f"{pair_id} is {verdict}") as transaction:
            found = next((one for one in self._rows(transaction, None) if one.id == pair_id), None)
            if found is None:
                raise NotFound(f"no mined pair {pair_id!r}; see: node0 dpo review --json")
            words = {"verdict": verdict, "reason": short(reason), "actor": actor(), "decided_at": now()}
            update_mined_pair(transaction, pair_id, words)
        return found.model_copy(update=words)

    def _rows(self, transaction: Transaction, role: str | None) -> Sequence[MinedPair]:
        return [MinedPair(**row) for row in list_mined_pairs(transaction, role=role)]


def _waiting(pairs: Iterable[MinedPair]) -> set[str]:
    return {one.id for one in pairs if one.verdict == "waiting"}
