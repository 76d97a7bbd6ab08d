# SPDX-License-Identifier: Apache-2.0
"""Which version a new one would take the place of, and how that one did."""

from collections.abc import Sequence
from typing import NamedTuple

from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.evaluations import Evaluation
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry


class AtWork(NamedTuple):
    """The version at work."""

    spelled: str
    evaluations: Sequence[Evaluation]
    "Oldest first."

    def of_suite(self, digest: str) -> Evaluation | None:
        """Its last evaluation of these items."""
        fitting = [one for one in self.evaluations if one.detail and one.detail.suite_digest == digest]
        return fitting[-1] if fitting else None


def at_work(registry: ModelRegistry, entry: ModelRegistryEntry, *, rigs: Sequence[str] = ()) -> AtWork | None:
    """The version at work for an entry's role in these rigs, else in the town; None where it is itself."""
    log = DeploymentLog(registry.store)
    stack = log.stack(entry.role, rigs) or log.stack(entry.role)
    found = registry.get(stack[-1].spelled) if stack else None
    if found is None or found.spelled == entry.spelled:
        return None
    return AtWork(found.spelled, registry.evaluations(found))
