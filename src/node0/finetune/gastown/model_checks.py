# SPDX-License-Identifier: Apache-2.0
"""Check what is ours in a town: what is at work, whether it still stands, and whether the town moved on."""

from collections.abc import Iterator, Sequence

from node0.check_result import CheckResult, bad, note, ok
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.deploy.deployer import Deployer
from node0.finetune.registry.canaries import Canary, CanaryLog, CanaryState
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment, DeploymentState
from node0.finetune.registry.store import ModelRegistry


def model_checks(
    registry: ModelRegistry, deployer: Deployer, tracker: ConventionStalenessTracker
) -> Iterator[CheckResult]:
    """Every check of registered and deployed versions."""
    rows = DeploymentLog(registry.store).list(DeploymentState.ACTIVE)
    yield models(len(registry.list()), rows)
    yield from settings(deployer, rows)
    yield from canaries(CanaryLog(registry.store).unfinished())
    yield from drift(registry, rows, tracker)


def models(registered: int, at_work: Sequence[Deployment]) -> CheckResult:
    """What is registered, and what of it is at work."""
    if not registered:
        return note("models", "none registered", "train one: node0 finetune --help")
    if not at_work:
        return note("models", f"{registered} registered, none at work", "node0 model deploy --help")
    shown = ", ".join(f"{row.spelled} for {_place(row)}" for row in at_work)
    return ok("models", f"{registered} registered; {shown}")


def settings(deployer: Deployer, rows: Sequence[Deployment]) -> Iterator[CheckResult]:
    """Whether the town's settings are as the deployments left them."""
    for row in rows:
        for line in deployer.disagreements([row]):
            do = "node0 town status --fix writes it again"
            yield bad("settings", f"{line}, not as {row.spelled} was deployed", do)
    if rows and not deployer.disagreements(rows):
        yield ok("settings", "as the deployments left them")


def canaries(rows: Sequence[Canary]) -> Iterator[CheckResult]:
    """What is tried beside a version at work, and what a process left that died."""
    for row in rows:
        told = f"{row.candidate} for {row.role} beside {row.stable}"
        if row.state is CanaryState.RUNNING:
            yield ok("canary", f"{told}: {row.settings.share:.0%} of new sessions")
        else:
            yield bad("canary", f"{told} is {row.state}", "node0 town canary check ends that")


def drift(
    registry: ModelRegistry, rows: Sequence[Deployment], tracker: ConventionStalenessTracker
) -> Iterator[CheckResult]:
    """How far the town's conventions have moved since what is at work was registered."""
    for name in dict.fromkeys(row.spelled for row in rows):
        found = tracker.of(registry.require(name))
        if found is None:
            yield note(
                "drift", f"{name}: conventions were not recorded", "register the next one in this town"
            )
        elif found.composite > tracker.limit:
            told = f"{name}: {found} is above {tracker.limit:.2f}"
            yield bad("drift", told, "collect, train and register again")
        else:
            yield ok("drift", f"{name}: {found.composite:.2f} of {tracker.limit:.2f}")


def _place(row: Deployment) -> str:
    return f"{row.role} in {', '.join(row.rigs)}" if row.rigs else row.role
