# SPDX-License-Identifier: Apache-2.0
"""The circuit breaker: a version at work that does worse than it must leaves, and what was before it returns.

closed   outcomes are weighed; the version works
open     the bound was reached: the version is `degraded`, and the deployer took it back
reset    a person lets it be deployed again; its outcomes count from there
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from node0.errors import NotFound
from node0.finetune.deploy.change_detector import BreakerSettings, Evidence, Verdict, weigh
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.live_outcomes import LiveOutcome, LiveOutcomes
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.settings import read_block
from node0.town import Town

HEALTHY = (DeploymentStatus.ARCHIVED, DeploymentStatus.ACTIVE)
"States of a version that may work again; it is active where it also works in another place."


class Watched(NamedTuple):
    """A version at work, and how it does."""

    row: Deployment
    entry: ModelRegistryEntry
    evidence: Evidence


class Stopped(NamedTuple):
    """A version that was taken out of service."""

    row: Deployment
    evidence: Evidence
    successor: Deployment | None
    "What works for the role now; None for the agent before ours."


class Breaker:
    """Watches what is at work in one town."""

    def __init__(self, town: Town, registry: ModelRegistry, deployer: Deployer) -> None:
        self._town, self._registry, self._deployer = town, registry, deployer
        self._log, self._outcomes = DeploymentLog(registry.store), LiveOutcomes(registry.store)

    def watched(self) -> Sequence[Watched]:
        """Every deployment at work with its evidence, oldest first."""
        settings = self._settings()
        return [self._watch(row, settings) for row in self._log.list(DeploymentState.ACTIVE)]

    def record(self, name: str, outcomes: Iterable[LiveOutcome]) -> int:
        """Keep how sessions of a version ended; how many were not known.

        Raises:
            NotFound: there is no such version.
        """
        return self._outcomes.add(self._registry.require(name), outcomes)

    def check(self, *, now: datetime | None = None) -> Sequence[Stopped]:
        """Stop each version whose evidence reached the bound, unless its role is cooling down.

        Raises:
            ConfigError: somebody has changed the town's settings since; the version is degraded, and works.
            DeployInUse: another process deploys; ask again.
            IllegalTransition, NotFound: a version was taken back or removed meanwhile; ask again.
        """
        found = []
        for one in self.watched():
            unfinished = one.entry.deployment_status is DeploymentStatus.DEGRADED
            if unfinished or (one.evidence.verdict is Verdict.BAD and not self.cools(one, now=now)):
                found.append(self._stop(one))
        return found

    def cools(self, one: Watched, *, now: datetime | None = None) -> bool:
        """Whether another version was stopped for this role so lately that this one stays."""
        of_role = [entry for entry in self._registry.list(one.row.role) if entry.spelled != one.entry.spelled]
        last = self._outcomes.last_stop(of_role)
        over = timedelta(hours=self._settings().cool_down_hours)
        return bool(last) and datetime.fromisoformat(last) + over > (now or datetime.now(UTC))

    def reset(self, name: str, *, reason: str) -> ModelRegistryEntry:
        """Let a stopped version be deployed again.

        Raises:
            NotFound: there is no such version, or the breaker did not stop it.
        """
        entry = self._registry.require(name)
        if entry.deployment_status is not DeploymentStatus.DEGRADED:
            raise NotFound(f"{entry.spelled} is {entry.deployment_status}, not degraded: nothing to reset")
        self._outcomes.reset(entry, reason=reason)
        return entry

    def _settings(self) -> BreakerSettings:
        return read_block(BreakerSettings, self._town.model_settings_file, block="breaker")

    def _watch(self, row: Deployment, settings: BreakerSettings) -> Watched:
        entry = self._registry.require(row.spelled)
        since = max(row.started_at, self._outcomes.last_reset(entry))
        outcomes = [one.succeeded for one in self._outcomes.list(entry) if one.at >= since]
        return Watched(row, entry, weigh(outcomes, settings))

    def _stop(self, one: Watched) -> Stopped:
        """Degraded first: whoever finds that at work after a crash knows what was to happen."""
        why = f"breaker: {one.evidence}"
        if one.entry.deployment_status is not DeploymentStatus.DEGRADED:
            self._outcomes.trip(one.entry, reason=why)
        successor = self._deployer.withdraw(one.row, onto=self._healthy_below(one.row), reason=why)
        return Stopped(one.row, one.evidence, successor)

    def _healthy_below(self, row: Deployment) -> Deployment | None:
        """The nearest one below whose version was not stopped itself; None where there is none."""
        for below in reversed(self._log.stack(row.role, row.rigs)[:-1]):
            entry = self._registry.get(below.spelled)
            if entry is not None and entry.deployment_status in HEALTHY:
                return below
        return None
