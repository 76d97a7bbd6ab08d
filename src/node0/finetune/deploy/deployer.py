# SPDX-License-Identifier: Apache-2.0
"""Put a version to work, or take it back: two-phase, one at a time, repaired after a crash.

begin     the registry writes down what will change           (a crash after this is undone)
change    the agent's own files, then the town's settings
probe     the endpoint, as the agent will meet it             (a failure here is undone)
commit    the registry: version, aliases, the deployment before it
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from node0.errors import ConfigError, DeployInUse, GateRefused, Node0Error, NotFound
from node0.finetune.chat.profile import DeploymentProfile, load_profile
from node0.finetune.deploy import settings_edits
from node0.finetune.deploy.agent import Agent
from node0.finetune.deploy.at_work import at_work
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.deploy.gate import check_gate, gate_of
from node0.finetune.deploy.harness_choice import harness_of, make_agent
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import Deployment, DeploymentState, Edit
from node0.finetune.registry.schema import ModelRegistryEntry, agent_name
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.role import require_known_role
from node0.model_files import MODEL_CONFIG, PROFILE
from node0.settings import read_tree
from node0.town import Town

Check = Callable[[ModelRegistryEntry], None]
"Raises `GateRefused` where a version may not be put to work."

Probe = Callable[[Endpoint, ModelRegistryEntry, DeploymentProfile], None]
"""Raises `EndpointUnreachable` or `EndpointUnfit` where the endpoint does not serve the version."""


class Plan(NamedTuple):
    """What a deployment would change."""

    entry: ModelRegistryEntry
    profile: DeploymentProfile
    endpoint: Endpoint
    agent: Agent
    rigs: list[str]
    edits: list[Edit]
    harness: str


class Deployer:
    """Deploys versions of one registry in one town, or in no town: then the registry alone knows."""

    def __init__(
        self, town: Town, registry: ModelRegistry, *, probe: Probe, checks: Sequence[Check] = ()
    ) -> None:
        """Deploy in `town`; `checks` belong to the gate, and are passed by force as it is."""
        self._town, self._registry, self._probe, self._checks = town, registry, probe, checks
        self._log = DeploymentLog(registry.store)

    def plan(
        self, name: str, *, rigs: Sequence[str] = (), endpoint: Endpoint, harness: str | None = None
    ) -> Plan:
        """Find out what deploying would change; nothing is written.

        Args:
            name: of the version.
            rigs: to which it is deployed; none is the whole town.
            endpoint: what answers for it.
            harness: `claude`, `opencode` or `pi`; None takes the one that the role runs now.

        Raises:
            NotFound: no such version, or no such rig.
            ConfigError: a settings file cannot be read, or there is no such harness.
        """
        entry = self._registry.require(name)
        profile = _profile_of(entry)
        served = endpoint.model_copy(update={"model": endpoint.model or entry.spelled})
        files = settings_edits.settings_files(self._town, rigs)
        chosen = harness or harness_of(self._town, entry.role, rig=next(iter(sorted(rigs)), ""))
        agent = make_agent(chosen)(agent_name(entry), profile, served, town=self._town)
        edits = settings_edits.plan_edits(
            self._town.root, files, role=entry.role, agent=agent.name, entry=agent.entry
        )
        standing = [edit for row in self._log.list(DeploymentState.ACTIVE) for edit in row.edits]
        cleared = settings_edits.clearing(edits, standing)
        return Plan(entry, profile, endpoint, agent, sorted(rigs), cleared, chosen)

    def deploy(self, plan: Plan, *, force: bool = False, reason: str = "") -> Deployment:
        """Make the plan real.

        Args:
            plan: of this deployer.
            force: pass the gate; needs a reason.
            reason: kept in the registry.

        Raises:
            GateRefused: the gate says no.
            BadCheckpoint, BadSignature: the version is not as it was registered.
            EndpointUnreachable, EndpointUnfit: the probe says no; everything is as before.
            DeployInUse: another process deploys.
        """
        if force and not reason.strip():
            raise ConfigError("--force-deploy needs --reason: who looks at this later must know why")
        entry = plan.entry
        self._registry.require_whole(entry)
        if not force:
            self.pass_gate(plan)
        return self._put_to_work(plan, forced=force, reason=reason)

    def readdress(self, row: Deployment, endpoint: Endpoint, *, reason: str) -> Deployment:
        """Let the agents of a version at work ask another endpoint; of that the gate has nothing to say.

        Raises:
            NotFound: the version was removed.
            EndpointUnreachable, EndpointUnfit: the probe says no; everything is as before.
            DeployInUse: another process deploys.
        """
        plan = self.plan(row.spelled, rigs=row.rigs, endpoint=endpoint)
        return self._put_to_work(plan, forced=row.forced, reason=reason)

    def pass_gate(self, plan: Plan) -> None:
        """Nothing where the gate lets it pass; what it refused stays in the version's history.

        Raises:
            GateRefused: the gate says no.
        """
        try:
            self._check_gate(plan)
        except GateRefused as refusal:
            self._registry.add_refusal(plan.entry.spelled, str(refusal))
            raise

    def probe(self, plan: Plan) -> None:
        """Ask the endpoint of a plan, as a deployment would.

        Raises:
            EndpointUnreachable, EndpointUnfit: it does not answer for the version.
        """
        self._probe(plan.endpoint, plan.entry, plan.profile)

    def rollback(
        self,
        role: str,
        *,
        version: int | None = None,
        rigs: Sequence[str] = (),
        reason: str = "",
        force: bool = False,
    ) -> Deployment | None:
        """Take back what is at work for a role; what is at work then, None for the agent before ours.

        Args:
            role: whose agent changes.
            version: go back to this one, through all that lies above it; 0 is the agent before ours.
            rigs: of a deployment to these rigs.
            reason: kept in the registry.
            force: also where somebody has changed the settings since.

        Raises:
            NotFound: there is no such role, nothing of ours is at work for it, or that version never was.
            ConfigError: the settings are not as the deployment left them, or several models of that version
                worked for the role.
            DeployInUse: another process deploys.
        """
        with self._alone():
            self._repair()
            stack = self._log.stack(role, rigs)
            if not stack:
                require_known_role(role, (row.role for row in self._log.list()))
                raise NotFound(f"nothing of ours is deployed for {role}; see: gt-model list --role {role}")
            kept = _kept(stack, version, role)
            return self._go_back(stack, kept, reason=reason, force=force)

    def withdraw(self, row: Deployment, *, onto: Deployment | None, reason: str) -> Deployment | None:
        """As `rollback`, of this deployment and all above `onto`; None is the agent before ours.

        Raises:
            NotFound: it is not at work any more.
            ConfigError: the settings are not as the deployment left them.
            DeployInUse: another process deploys.
        """
        with self._alone():
            self._repair()
            stack = self._log.stack(row.role, row.rigs)
            numbers = [one.number for one in stack]
            if not numbers or numbers[-1] != row.number:
                raise NotFound(f"{row.spelled} is not at work for {row.role} any more")
            kept = stack[: numbers.index(onto.number) + 1] if onto is not None else []
            return self._go_back(stack, kept, reason=reason, force=False)

    def repair(self) -> list[Deployment]:
        """Undo what a process left unfinished when it died; nothing while another one deploys."""
        if not self._log.unfinished():
            return []
        try:
            with self._alone():
                return self._repair()
        except DeployInUse:
            return []

    def disagreements(self, rows: Sequence[Deployment] | None = None) -> list[str]:
        """Where settings are not as these deployments, or all at work, left them, each in a line."""
        if rows is None:
            rows = self._log.list(DeploymentState.ACTIVE)
        return [line for row in rows for line in settings_edits.disagreements(self._town.root, row.edits)]

    def restore(self, rows: Sequence[Deployment]) -> list[str]:
        """Write again what these deployments wrote and does not stand any more; each in a line.

        Raises:
            ConfigError: a settings file cannot be read or written.
            DeployInUse: another process deploys.
        """
        with self._alone():
            self._repair()
            lost = [edit for row in rows for edit in row.edits if self._is_lost(edit)]
            told = settings_edits.disagreements(self._town.root, lost)
            settings_edits.make(self._town.root, lost)
        return told

    def _is_lost(self, edit: Edit) -> bool:
        return bool(settings_edits.disagreements(self._town.root, [edit]))

    def _put_to_work(self, plan: Plan, *, forced: bool, reason: str) -> Deployment:
        with self._alone():
            self._repair()
            plan = self.plan(plan.entry.spelled, rigs=plan.rigs, endpoint=plan.endpoint, harness=plan.harness)
            row = self._log.begin(_draft(plan).model_copy(update={"forced": forced, "reason": reason}))
            return self._carry_out(row, plan)

    def _carry_out(self, row: Deployment, plan: Plan) -> Deployment:
        try:
            plan.agent.write_files()
            settings_edits.make(self._town.root, row.edits)
            self.probe(plan)
        except BaseException as error:
            settings_edits.undo(self._town.root, row.edits)
            why = str(error) if isinstance(error, Node0Error) else type(error).__name__
            self._log.revert(row, reason=why)
            raise
        return self._log.commit(row)

    def _go_back(
        self, stack: Sequence[Deployment], kept: Sequence[Deployment], *, reason: str, force: bool
    ) -> Deployment | None:
        undone = stack[len(kept) :]
        changed = settings_edits.disagreements(self._town.root, undone[-1].edits) if undone else []
        if changed and not force:
            raise ConfigError(f"{changed[0]}, which the deployment did not write; --force takes it back")
        for row in reversed(undone):
            self._log.begin_rollback(row)
            settings_edits.undo(self._town.root, row.edits)
            self._log.finish_rollback(row, reason=reason)
        return kept[-1] if kept else None

    def _repair(self) -> list[Deployment]:
        rows = list(self._log.unfinished())
        for row in reversed(rows):
            settings_edits.undo(self._town.root, row.edits)
            if row.state is DeploymentState.STARTED:
                self._log.revert(row, reason="its process ended")
            else:
                self._log.finish_rollback(row, reason="finished after its process ended")
        return rows

    def _check_gate(self, plan: Plan) -> None:
        entry = plan.entry
        settings = gate_of(self._town, self._registry)
        found, holds = self._registry.evaluations(entry), self._registry.holding(entry)
        active = at_work(self._registry, entry, rigs=plan.rigs)
        check_gate(entry, found, settings=settings, holds=holds, active=active)
        for check in self._checks:
            check(entry)

    def _alone(self) -> AbstractContextManager[None]:
        return settings_edits.alone(self._town)


def _draft(plan: Plan) -> Deployment:
    return Deployment(
        name=plan.entry.name,
        version=plan.entry.version,
        role=plan.entry.role,
        agent=plan.agent.name,
        rigs=plan.rigs,
        endpoint=plan.endpoint.model_dump(),
        edits=plan.edits,
    )


def _profile_of(entry: ModelRegistryEntry) -> DeploymentProfile:
    """The profile that the version was trained for, with no larger window than its model has.

    It lies beside the weights; without, the role's shipped one counts.
    """
    directory = Path(entry.artifact_path)
    own = directory / PROFILE
    profile = load_profile(entry.role, own if own.is_file() else None)
    shape = read_tree(found) if (found := _model_config(entry)) is not None else {}
    longest = shape.get("max_position_embeddings")
    if isinstance(longest, int) and longest < profile.context_window:
        answer = min(profile.max_output_tokens, longest // 2)
        return profile.model_copy(update={"context_window": longest, "max_output_tokens": answer})
    return profile


def _model_config(entry: ModelRegistryEntry) -> Path | None:
    """config.json of the version, or of the base that it is an adapter of, where it lies on this machine."""
    places = (Path(entry.artifact_path) / MODEL_CONFIG, Path(entry.base_model) / MODEL_CONFIG)
    return next((place for place in places if place.is_file()), None)


def _kept(stack: Sequence[Deployment], version: int | None, role: str) -> list[Deployment]:
    """What stays of the deployments at work and below."""
    if version is None:
        return list(stack[:-1])
    if version == 0:
        return []
    places = [index for index, row in enumerate(stack) if row.version == version]
    if not places:
        known = ", ".join(dict.fromkeys(row.spelled for row in stack))
        raise NotFound(f"version {version} never worked for {role}; 0 (the agent before ours), or: {known}")
    names = sorted({stack[at].spelled for at in places})
    if len(names) > 1:
        raise ConfigError(
            f"version {version} for {role} is {' or '.join(names)}; leave --version out to take back one "
            "deployment at a time"
        )
    return list(stack[: places[-1] + 1])
