# SPDX-License-Identifier: Apache-2.0
"""Find out what a night must know of a role: its sessions, its versions, its runs. Nothing is changed."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from node0.finetune.config import SelectConfig
from node0.finetune.corpus.schema import CorpusEntry
from node0.finetune.corpus.staleness import ConventionStalenessTracker
from node0.finetune.corpus.store import CorpusStore
from node0.finetune.data.select import selected
from node0.finetune.deploy.counted import not_done
from node0.finetune.deploy.gate import GateSettings, gate_of
from node0.finetune.gastown.upkeep.considered import read_considered
from node0.finetune.gastown.upkeep.night_decision import RoleState
from node0.finetune.registry.canaries import Canary, CanaryLog, CanaryState
from node0.finetune.registry.evaluations import SHIPPED
from node0.finetune.registry.schema import ModelRegistryEntry
from node0.finetune.registry.seen_entries import seen_entries
from node0.finetune.registry.states import DeploymentStatus
from node0.finetune.registry.store import ModelRegistry
from node0.finetune.run_dir import RunDirectory
from node0.town import Town

PREFIX = "nightly"
"How the directories of a night's runs begin."

_BEGAN = "%Y%m%d-%H%M%S"
"How they end, in UTC."


def role_state(town: Town, registry: ModelRegistry, role: str, *, held: str = "") -> RoleState:
    """What is known of a role.

    Raises:
        ConfigError: the town's settings of ours cannot be read.
        BadCorpus: an entry cannot be read.
    """
    usable = _usable(town, role)
    run = _unfinished(town, registry, role)
    state = RoleState(
        role,
        sessions=_sessions(usable),
        unfinished=str(run.root) if run is not None else "",
        is_training=run is not None and run.process == "running",
        held=held,
    )
    newest = newest_version(registry, role)
    if newest is None:
        return state
    seen = {one.entry_id for one in seen_entries(newest)}
    known = seen | _passed_over(town, registry, role)
    fresh = [one for one in usable if one.id not in known and (seen or _is_later(one, newest))]
    return _with_version(state, town, registry, newest)._replace(new_sessions=_sessions(fresh))


def newest_version(registry: ModelRegistry, role: str) -> ModelRegistryEntry | None:
    """The version that was registered last for a role; None where there is none."""
    return max(registry.list(role), key=lambda entry: (entry.created_at, entry.version), default=None)


def usable_ids(town: Town, role: str) -> list[str]:
    """Ids of the entries that a training of a role chooses from now."""
    return [one.id for one in _usable(town, role)]


def new_run(town: Town, role: str, now: datetime) -> str:
    """Where a run of this night goes."""
    return str(town.checkpoints / f"{PREFIX}-{role}-{now:{_BEGAN}}")


def _with_version(
    state: RoleState, town: Town, registry: ModelRegistry, newest: ModelRegistryEntry
) -> RoleState:
    staleness = ConventionStalenessTracker(registry, town).of(newest)
    events = registry.history(newest.spelled)
    tried = [one for one in CanaryLog(registry.store).list() if one.candidate == newest.spelled]
    since = max((one.at for one in registry.evaluations(newest)), default="")
    refusals = [one.reason for one in events if one.event == "refused" and one.at >= since]
    is_at_work = newest.deployment_status is DeploymentStatus.ACTIVE
    return state._replace(
        newest=newest.spelled,
        staleness=staleness.composite if staleness is not None else None,
        to_do=_to_do(gate_of(town, registry), registry, newest),
        is_at_work=is_at_work,
        refused=refusals[-1] if refusals else "",
        was_taken_back=not is_at_work and (any(one.event == "rolled back" for one in events) or _lost(tried)),
    )


def _lost(tried: Sequence[Canary]) -> bool:
    """Whether a version's last canary ended without it."""
    return bool(tried) and tried[-1].state is CanaryState.TAKEN_BACK


def _to_do(gate: GateSettings, registry: ModelRegistry, newest: ModelRegistryEntry) -> tuple[str, ...]:
    """Suites that are asked for and not done; without any that is asked for, the shipped one."""
    evaluations = registry.evaluations(newest)
    if asked := gate.asked_of(newest.role):
        return tuple(not_done(evaluations, asked))
    return () if any(one.detail is not None for one in evaluations) else (SHIPPED,)


def _unfinished(town: Town, registry: ModelRegistry, role: str) -> RunDirectory | None:
    """The last run of a night that has begun and not ended, or whose end was never registered."""
    name = _run_name(role)
    named = (name.fullmatch(path.name) for path in sorted(town.checkpoints.glob("*")))
    begun = [(RunDirectory(town.checkpoints / each[0]), each[1]) for each in named if each]
    left = [
        run
        for run, began in begun
        if run.is_run and not (run.is_finished and _has_registered_since(registry, role, began))
    ]
    return left[-1] if left else None


def _run_name(role: str) -> re.Pattern[str]:
    return re.compile(rf"{PREFIX}-{re.escape(role)}-(\d{{8}}-\d{{6}})")


def _passed_over(town: Town, registry: ModelRegistry, role: str) -> set[str]:
    """Entries that a night's run chose from, once it has ended: those that it does not list gave no row."""
    considered = read_considered(town, role)
    named = _run_name(role).fullmatch(considered.run) if considered is not None else None
    if considered is None or named is None or not _has_registered_since(registry, role, named[1]):
        return set()
    return set(considered.entries)


def _has_registered_since(registry: ModelRegistry, name: str, began: str) -> bool:
    """Whether a version was registered after a run began, also one that was removed since."""
    moment = datetime.strptime(began, _BEGAN).replace(tzinfo=UTC).isoformat()
    return any(one.event == "registered" and one.at >= moment for one in registry.history(name))


def _usable(town: Town, role: str) -> list[CorpusEntry]:
    """Entries of sessions that a training with default settings takes."""
    kept = selected(CorpusStore(town), role, SelectConfig(), mode="sft").kept
    return [one for one in kept if one.session_id is not None]


def _is_later(one: CorpusEntry, newest: ModelRegistryEntry) -> bool:
    """Of a version that does not list what it was trained on: by the day."""
    return one.created_at[:10] > newest.created_at[:10]


def _sessions(entries: Sequence[CorpusEntry]) -> int:
    return len({one.session_id for one in entries})
