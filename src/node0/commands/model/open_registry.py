# SPDX-License-Identifier: Apache-2.0
"""Opens the registry of a town for one command."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from node0 import console
from node0.errors import ConfigError, GateRefused
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.corpus.town.conventions import fingerprints
from node0.finetune.deploy.deployer import Check, Deployer, Probe
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.deploy.gate import FORCE
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.role import require_known_role
from node0.town import Town


def _probe_nothing(endpoint: Endpoint, entry: ModelRegistryEntry, profile: DeploymentProfile) -> None:
    """Enough for a look, and for a rollback to what was probed when it was deployed."""


@contextmanager
def open_registry(root: Path | None, *, create: bool = False) -> Iterator[tuple[ModelRegistry, Town]]:
    """The registry and its town. Without `create` a registry that is not there reads as an empty one."""
    town = Town.locate(root)
    registry = ModelRegistry(town, create=create)
    try:
        yield registry, town
    finally:
        registry.close()


@contextmanager
def open_deployer(
    root: Path | None, *, probe: Probe = _probe_nothing, create: bool = False
) -> Iterator[tuple[Deployer, ModelRegistry, Town]]:
    """As `open_registry`, with what deploys; what a process that died left unfinished is undone first."""
    with open_registry(root, create=create) as (registry, town):
        deployer = Deployer(town, registry, probe=probe, checks=[_refuse_stale(town, registry)])
        _repair(deployer, may_fail=not create)
        yield deployer, registry, town


def entries_of(registry: ModelRegistry, role: str | None) -> list[ModelRegistryEntry]:
    """Every version, or those for one role.

    Raises:
        NotFound: neither Gas Town nor a version has that role.
    """
    entries = registry.list(role)
    if role is not None and not entries:
        require_known_role(role, (entry.role for entry in registry.list()))
    return entries


def conventions_of(town: Town) -> Callable[[str], Mapping[str, str]] | None:
    """What registering records of a town's conventions, by role; nothing where there is no Gas Town."""
    return partial(fingerprints, town) if town.is_gas_town else None


def _refuse_stale(town: Town, registry: ModelRegistry) -> Check:
    tracker = ConventionStalenessTracker(registry, town)

    def check(entry: ModelRegistryEntry) -> None:
        found, limit = tracker.of(entry), tracker.limit
        if found is not None and found.composite > limit:
            raise GateRefused(
                f"{entry.spelled} is stale: {found} is above {limit:.2f}; collect and train again, {FORCE}"
            )

    return check


def _repair(deployer: Deployer, *, may_fail: bool) -> None:
    """Undo what is unfinished; whoever only looks at a town that may not be written is told instead."""
    try:
        undone = deployer.repair()
    except (ConfigError, OSError) as error:
        if not may_fail:
            raise
        console.note(f"warning: an unfinished deployment is still to be undone: {error}")
        return
    for row in undone:
        console.note(f"an unfinished change of {row.role} to {row.spelled} was undone")
