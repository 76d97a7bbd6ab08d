# SPDX-License-Identifier: Apache-2.0
"""Choose which side of a comparison did better, with both side by side and without their names."""

from collections.abc import Sequence
from pathlib import Path

from node0 import console
from node0.commands.chat.typed_message import line_reader
from node0.commands.dpo.asked_key import LATER, QUIT, ask
from node0.commands.dpo.side_by_side import show_beside
from node0.commands.known_role import require_role
from node0.commands.model.open_registry import open_registry
from node0.finetune.dpo.preference_log import SIDES, Preference, PreferenceLog
from node0.finetune.dpo.router import DPORouter


def choose(bead: str | None, town: Path | None, *, role: str | None) -> None:
    """Ask about a task, or about each one that both versions have done and nobody has decided."""
    with open_registry(town, create=True) as (registry, place):
        require_role(role, place, (entry.role for entry in registry.list()))
        log, router = PreferenceLog(registry.store), DPORouter(registry)
        wanted = [log.find(bead)] if bead is not None else _undecided(log, role)
        if not wanted:
            console.note("no comparison waits for a choice; see: node0 dpo list")
            return
        _ask_about(wanted, log, router)


def _undecided(log: PreferenceLog, role: str | None) -> Sequence[Preference]:
    return [one for one in log.list(role=role) if one.winner is None]


def _ask_about(wanted: Sequence[Preference], log: PreferenceLog, router: DPORouter) -> None:
    read = line_reader()
    for one in wanted:
        sides = {side: log.transcript(one, side) for side in SIDES}
        first, second = ([] if entry is None else entry.messages for entry in sides.values())
        if not first or not second:
            console.note(f"{one.task_bead_id}: a side has no session yet; passed over")
            continue
        # Who knows which version is the new one prefers it, or does not.
        alike = show_beside(first, second, titles=SIDES, about=one.task_bead_id)
        console.note(f"{alike} turns before these are the same")
        said = ask(read, SIDES)
        if said.word == QUIT:
            break
        if said.word != LATER:
            decided = router.record_winner(one.task_bead_id, said.word, reason=said.reason)
            better = decided.model_a if said.word == "a" else decided.model_b
            console.note(f"{one.task_bead_id}: that was {better}")
