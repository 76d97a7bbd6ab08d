# SPDX-License-Identifier: Apache-2.0
"""What the gate of a town would say of an evaluation, before anybody deploys."""

from collections.abc import Sequence
from pathlib import Path

from node0.commands.model.open_registry import open_registry
from node0.errors import NotFound
from node0.finetune.deploy.at_work import at_work
from node0.finetune.deploy.counted import counted
from node0.finetune.deploy.gate import GateSettings, gate_of, missing, objections, stops
from node0.finetune.registry.evaluations import Evaluation


def town_gate(root: Path | None) -> GateSettings:
    """The settings of the town's gate; the defaults where there is no town."""
    try:
        with open_registry(root) as (registry, town):
            return gate_of(town, registry)
    except NotFound:
        return GateSettings()


def refusals(
    found: Sequence[Evaluation], gate: GateSettings, *, spelled: str | None, role: str, root: Path | None
) -> list[str]:
    """Why the gate would not let a model pass, each in a line; nothing where it would.

    Args:
        found: what it did now, kept or not.
        spelled: the registered version that did it: its state, its role and what it did before count then.
        role: of any other model, which is judged by what it did now alone.
    """
    if spelled is None:
        return [line for one in found for line in objections(one, gate, role=role)]
    with open_registry(root) as (registry, _):
        entry = registry.require(spelled)
        every = [*registry.evaluations(entry), *found]
        active = at_work(registry, entry)
        lines = [*stops(entry, registry.holding(entry)), *missing(entry, every, gate)]
        for one in counted(every, gate.asked_of(entry.role)):
            lines += objections(one, gate, role=entry.role, active=active)
        return lines
