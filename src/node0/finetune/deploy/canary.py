# SPDX-License-Identifier: Apache-2.0
"""Try a version on a share of a role's sessions, and promote it or take it back by how they end.

A canary is a deployment of the version at work whose agent asks for `NAME@canary-NUMBER`. So everything that
holds of deployments holds here: settings files are changed two-phase and restored to the byte, and `@active`
stays where it is until the candidate is promoted, which is a deployment through the gate like any other.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from node0.errors import ConfigError, DeployInUse, GateRefused, NotFound
from node0.files import try_locked
from node0.finetune.deploy.deployer import Deployer, Plan
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.registry.canaries import Canary, CanaryLog, CanarySettings, CanaryState
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.statistics.sequential import Decision, Look, look
from node0.settings import read_block
from node0.town import Town

STOPPED = (DeploymentStatus.FLAGGED, DeploymentStatus.HOLDS_ROLLOUT, DeploymentStatus.DEGRADED)
"States of a candidate that nobody may be answered by."


class Outcomes(NamedTuple):
    """How the sessions of a canary ended, each in the order in which they began."""

    stable: Sequence[bool]
    candidate: Sequence[bool]

    @property
    def sessions(self) -> int:
        """Of both versions."""
        return len(self.stable) + len(self.candidate)

    def __str__(self) -> str:
        """`candidate 9 of 10 succeeded, version at work 31 of 40`."""
        ours, theirs = (f"{sum(one)} of {len(one)}" for one in (self.candidate, self.stable))
        return f"candidate {ours} succeeded, version at work {theirs}"


NOTHING = Outcomes((), ())


class CanaryKeeper:
    """Begins, looks at and ends the canaries of one town; one process at a time."""

    def __init__(self, town: Town, registry: ModelRegistry, deployer: Deployer) -> None:
        self._town, self._registry, self._deployer = town, registry, deployer
        self._log, self._deployments = CanaryLog(registry.store), DeploymentLog(registry.store)

    def start(
        self, name: str, *, rigs: Sequence[str] = (), share: float | None = None, reason: str = ""
    ) -> Canary:
        """Let a share of new sessions of the version's role be answered by it.

        Args:
            name: of the candidate.
            rigs: of a deployment to these rigs; empty for that of the whole town.
            share: of the sessions; the town's setting where it is None.
            reason: kept in the registry.

        Raises:
            NotFound: there is no such version, or nothing of ours is at work for its role.
            ConfigError: it is at work already, another canary runs, or the two cannot be tried side by side.
            GateRefused: the gate says no.
            EndpointUnreachable, EndpointUnfit: the server does not answer for both versions.
            DeployInUse: another process begins or ends a canary, or deploys.
        """
        settings = self._settings(share)
        with self._alone():
            entry = self._registry.require(name)
            below = self._at_work(entry.role, rigs)
            self._refuse_second(below)
            plan = self._fitting(entry.spelled, below)
            self._registry.require_whole(entry)
            self._deployer.pass_gate(plan)
            self._deployer.probe(plan)
            row = self._log.begin(
                Canary(
                    role=entry.role,
                    rigs=below.rigs,
                    stable=below.spelled,
                    candidate=entry.spelled,
                    settings=settings,
                    reason=reason,
                )
            )
            return self._begun(row, below)

    def settle(self) -> list[Canary]:
        """Undo or finish what a process left when it died; nothing while another one is at it.

        Raises:
            ConfigError: somebody has changed the town's settings since.
        """
        if all(row.state is CanaryState.RUNNING for row in self._log.unfinished()):
            return []
        try:
            with self._alone():
                return self._settle()
        except DeployInUse:
            return []

    def decide(self, row: Canary, outcomes: Outcomes, *, now: datetime | None = None) -> Canary:
        """Look at the outcomes so far of a canary that runs: promote, take back, or keep what was seen.

        Raises:
            ConfigError: somebody has changed the town's settings since.
            EndpointUnreachable: the candidate has won and its server does not answer; look again.
            DeployInUse: another process begins or ends a canary, or deploys; look again.
        """
        with self._alone():
            row = self._current(row)
            if row.state is not CanaryState.RUNNING:
                return row
            found = _weigh(row, outcomes)
            kept = {"evidence": seen(row, outcomes)}
            if why := self._why_back(row, outcomes, found, now or datetime.now(UTC)):
                if found.decision is Decision.TAKE_BACK:
                    self._flag(row, why)
                return self._back(self._log.change(row, CanaryState.TAKING_BACK, reason=why, **kept))
            if found.decision is Decision.PROMOTE:
                row = self._log.change(row, CanaryState.PROMOTING, reason=f"as good: {outcomes}", **kept)
                return self._promoted(row)
            return self._log.change(row, CanaryState.RUNNING, **kept)

    def stop(self, row: Canary, *, reason: str) -> Canary:
        """Take the candidate back, whatever was seen.

        Raises:
            NotFound: it has ended.
            ConfigError: somebody has changed the town's settings since.
            DeployInUse: another process begins or ends a canary, or deploys.
        """
        with self._alone():
            row = self._current(row)
            if row.has_ended:
                raise NotFound(f"canary {row.number} has ended: {row.reason}")
            return self._back(self._log.change(row, CanaryState.TAKING_BACK, reason=reason))

    def _begun(self, row: Canary, below: Deployment) -> Canary:
        try:
            deployed = self._deployer.readdress(below, _asking(row, below), reason=f"canary {row.number}")
        except BaseException as error:
            self._log.change(row, CanaryState.TAKEN_BACK, reason=f"it did not begin: {error}")
            raise
        return self._log.change(row, CanaryState.RUNNING, deployment=deployed.number)

    def _settle(self) -> list[Canary]:
        found = []
        for row in self._log.unfinished():
            if row.state is CanaryState.STARTING:
                row = row.model_copy(update={"reason": "its process ended before it had begun"})
            if row.state is CanaryState.PROMOTING:
                found.append(self._promoted(row))
            elif row.state is not CanaryState.RUNNING:
                found.append(self._back(row))
        return found

    def _why_back(self, row: Canary, outcomes: Outcomes, found: Look, now: datetime) -> str:
        """Why a candidate is to be taken back; empty where it may stay."""
        entry = self._registry.get(row.candidate)
        if entry is None or entry.deployment_status in STOPPED:
            return f"{row.candidate} is {'removed' if entry is None else entry.deployment_status}"
        if found.decision is Decision.TAKE_BACK:
            return f"worse: {outcomes}"
        if found.decision is Decision.PROMOTE:
            return ""
        if outcomes.sessions >= row.settings.max_sessions:
            return f"undecided after {outcomes.sessions} sessions: {outcomes}"
        if now - datetime.fromisoformat(row.started_at) >= timedelta(days=row.settings.max_days):
            return f"undecided after {row.settings.max_days:g} days: {outcomes}"
        return ""

    def _back(self, row: Canary) -> Canary:
        """Also after a crash: what was done already is not done again."""
        self._withdraw(row)
        if self._registry.get(row.candidate) is not None:
            self._registry.note(row.candidate, f"canary {row.number} was taken back: {row.reason}")
        return self._log.change(row, CanaryState.TAKEN_BACK, reason=row.reason)

    def _promoted(self, row: Canary) -> Canary:
        """The version at work is asked as before, and then the candidate takes its place through the gate."""
        self._withdraw(row)
        try:
            below = self._at_work(row.role, row.rigs)
            if below.spelled == row.stable:
                plan = self._deployer.plan(
                    row.candidate, rigs=row.rigs, endpoint=Endpoint.model_validate(below.endpoint)
                )
                self._deployer.deploy(plan, reason=f"canary {row.number}: {row.reason}")
            elif below.spelled != row.candidate:
                raise NotFound(f"{below.spelled} is at work for {row.role} now")
        except (GateRefused, NotFound) as refusal:
            return self._back(row.model_copy(update={"reason": f"it won, and was not deployed: {refusal}"}))
        return self._log.change(row, CanaryState.PROMOTED, reason=row.reason)

    def _withdraw(self, row: Canary) -> None:
        """Take the deployment back whose agent asks for the canary, where it is at work."""
        stack = self._deployments.stack(row.role, row.rigs)
        if stack and stack[-1].endpoint.get("model") == row.asked:
            onto = stack[-2] if len(stack) > 1 else None
            self._deployer.withdraw(stack[-1], onto=onto, reason=f"canary {row.number}: {row.reason}")

    def _current(self, row: Canary) -> Canary:
        """The row as it is now; where somebody deployed or rolled back meanwhile, it has ended with that."""
        now = self._log.find(row.number) or row
        if now.state is not CanaryState.RUNNING:
            return now
        stack = self._deployments.stack(now.role, now.rigs)
        if stack and stack[-1].number == now.deployment:
            return now
        return self._log.change(now, CanaryState.TAKEN_BACK, reason="somebody changed what is at work")

    def _flag(self, row: Canary, why: str) -> None:
        """The gate refuses it from now on; first of all, so that a crash does not lose it."""
        entry = self._registry.get(row.candidate)
        if entry is not None and entry.deployment_status not in STOPPED:
            told, rigs = f"canary {row.number}: {why}", entry.deployed_to
            self._registry.update_deployment_status(
                row.candidate, DeploymentStatus.FLAGGED, rigs, reason=told
            )

    def _at_work(self, role: str, rigs: Sequence[str]) -> Deployment:
        stack = self._deployments.stack(role, rigs)
        if not stack:
            raise NotFound(
                f"nothing of ours is at work for {role}; deploy a version: node0 model deploy --help"
            )
        return stack[-1]

    def _refuse_second(self, below: Deployment) -> None:
        for other in self._log.unfinished():
            if other.role == below.role:
                raise ConfigError(
                    f"canary {other.number} of {other.candidate} runs for {other.role}; wait for it, or end "
                    f"it: node0 town canary stop --role {other.role}"
                )

    def _fitting(self, candidate: str, below: Deployment) -> Plan:
        """The plan of a candidate that can be tried beside a version: one harness has one set of tools."""
        if below.spelled == candidate:
            raise ConfigError(f"{candidate} is at work already; name another version")
        if below.endpoint.get("kind", "own") != "own":
            raise ConfigError(
                f"{below.spelled} is answered by {below.endpoint['kind']}, which knows no sessions; a canary "
                "needs node0 serve"
            )
        endpoint = Endpoint.model_validate(below.endpoint).model_copy(update={"model": ""})
        new, old = (
            self._deployer.plan(name, rigs=below.rigs, endpoint=endpoint)
            for name in (candidate, below.spelled)
        )
        names = [sorted(tool.name for tool in plan.profile.tools) for plan in (new, old)]
        if names[0] != names[1] or new.profile.context_window < old.profile.context_window:
            raise ConfigError(
                f"{candidate} has other tools or a smaller window than {below.spelled}, and both would be "
                "asked by one agent; deploy it instead: node0 model deploy"
            )
        return new

    def _settings(self, share: float | None) -> CanarySettings:
        settings = read_block(CanarySettings, self._town.model_settings_file, block="canary")
        if share is None:
            return settings
        return CanarySettings.model_validate({**settings.model_dump(), "share": share})

    def _alone(self) -> AbstractContextManager[None]:
        busy = DeployInUse(f"another process begins or ends a canary in {self._town.root}; try again later")
        return try_locked(self._town.models / ".canary.lock", busy=busy)


def seen(row: Canary, outcomes: Outcomes) -> dict[str, float | int]:
    """What is kept of a look: sessions and successes of each version, and the logarithms of both e-values."""
    found = _weigh(row, outcomes)
    return {
        "stable_sessions": len(outcomes.stable),
        "stable_succeeded": sum(outcomes.stable),
        "candidate_sessions": len(outcomes.candidate),
        "candidate_succeeded": sum(outcomes.candidate),
        "blocks": found.blocks,
        "worse": round(found.worse, 3),
        "as_good": round(found.as_good, 3),
    }


def _weigh(row: Canary, outcomes: Outcomes) -> Look:
    return look(
        outcomes.stable,
        outcomes.candidate,
        per_candidate=row.settings.per_candidate,
        margin=row.settings.margin,
        alpha=row.settings.alpha,
    )


def _asking(row: Canary, below: Deployment) -> Endpoint:
    return Endpoint.model_validate(below.endpoint).model_copy(update={"model": row.asked})
