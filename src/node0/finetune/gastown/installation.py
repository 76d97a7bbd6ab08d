# SPDX-License-Identifier: Apache-2.0
"""Install into a town, and take it out again: found out first, shown as a diff, then made.

What is ours whole is written and removed; in files of others single members are, and every other byte stays.
A plan that finds everything in place changes nothing. Roles run what they ran before: only a deployment
gives a role another agent.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from node0.errors import ConfigError, DeployInUse
from node0.files import write_atomically
from node0.finetune.chat.profile import load_profile
from node0.finetune.deploy import settings_edits
from node0.finetune.deploy.agent import Agent, claude_agent
from node0.finetune.deploy.endpoint import Endpoint
from node0.finetune.gastown import (
    claude_trust,
    collection_files,
    formula_files,
    nightly_files,
    prime_shim,
    settings_changes,
)
from node0.finetune.gastown.file_change import FileChange, text_of
from node0.finetune.gastown.install_record import InstallRecord, record_file
from node0.finetune.gastown.own_settings import OwnSettings
from node0.town import Town

BASE_ID = "base"
"Under what id `node0 serve` offers the base: `--model base=DIR`."


@dataclass(frozen=True, slots=True)
class Places:
    """What lies outside the town."""

    program: Path
    "`node0`, absolute."

    claude_settings: Path
    units: Path
    "Directory of the user's systemd units."

    claude_states: tuple[Path, ...] = ()
    "Where Claude Code keeps what it was answered: the user's own file, and one for each account of the town."


@dataclass(frozen=True, slots=True)
class InstallPlan:
    """What would change."""

    changes: list[FileChange]
    record: InstallRecord | None
    "As it is to be; None where nothing is to be left."

    kept: list[str]
    "What is ours and was changed since: it stays."


def plan_install(
    town: Town, settings: OwnSettings, places: Places, *, was: InstallRecord | None
) -> InstallPlan:
    """Find out what installing would change; nothing is written.

    Args:
        town: a Gas Town.
        settings: what a person chose.
        places: outside the town.
        was: the record of the installation before.

    Raises:
        ConfigError: a settings file cannot be read, or in the place of a file of ours is another.
    """
    was = was or InstallRecord()
    agents = [base_agent(town, role) for role in settings.roles] if settings.base_model else []
    target = places.claude_settings if settings.claude_hook else None
    owned = _owned(town, settings, places, agents)
    files, kept_files = _owned_changes(owned, was)
    block, record = settings_changes.block_change(town, settings, was)
    entries, edits, kept = settings_changes.agent_changes(town, agents, was.agents)
    hooks, hook = settings_changes.hook_changes(town, target, was.hook)
    trusting = places.claude_states if settings.claude_trust else ()
    trusts, trust = claude_trust.trust_changes(trusting, claude_trust.trusted_places(town), was.trust)
    changes = [one for one in (*files, block, *entries, *hooks, *trusts) if not one.is_none]
    known = {
        "files": {str(path): _sha256(text) for path, (text, _) in owned.items()},
        "agents": edits,
        "hook": hook,
        "trust": trust,
        "directories": list(dict.fromkeys([*was.directories, *_missing_directories(town, changes)])),
    }
    return InstallPlan(changes, record.model_copy(update=known), [*kept_files, *kept])


def plan_uninstall(town: Town, was: InstallRecord) -> InstallPlan:
    """Find out what taking it out would change; nothing is written.

    Raises:
        ConfigError: a settings file cannot be read.
    """
    files, kept = _owned_changes({}, was)
    entries, _, kept_entries = settings_changes.agent_changes(town, [], was.agents)
    hooks, _ = settings_changes.hook_changes(town, None, was.hook)
    trusts, _ = claude_trust.trust_changes((), (), was.trust)
    changes = [*files, *settings_changes.block_removal(town, was), *entries, *hooks, *trusts]
    return InstallPlan([one for one in changes if not one.is_none], None, [*kept, *kept_entries])


def carry_out(town: Town, plan: InstallPlan, *, was: InstallRecord | None) -> None:
    """Make the plan real. After a crash, installing or uninstalling again finishes it.

    Raises:
        ConfigError: a file cannot be written.
        DeployInUse: another process changes the town's settings, or a file has changed since the plan.
    """
    with settings_edits.alone(town):
        for change in plan.changes:
            if text_of(change.path) != change.before:
                raise DeployInUse(f"{change.path} has changed meanwhile; nothing was written, try again")
        file = record_file(town)
        if plan.record is not None and plan.record != was:
            write_atomically(file, plan.record.model_dump_json(indent=2) + "\n")
        for change in plan.changes:
            change.make()
        if plan.record is None:
            for left in (file, *_left_by_scripts(town), settings_edits.lock_file(town)):
                left.unlink(missing_ok=True)
            for directory in reversed(was.directories if was is not None else []):
                _remove_if_empty(Path(directory))


def base_agent(town: Town, role: str) -> Agent:
    """An agent for a role on the base as it is, for a look: `gt sling BEAD RIG --agent ft-base-ROLE`."""
    return claude_agent(f"ft-base-{role}", load_profile(role), Endpoint(model=BASE_ID), town=town)


def _owned(
    town: Town, settings: OwnSettings, places: Places, agents: Sequence[Agent]
) -> dict[Path, tuple[str, int]]:
    """Files that are ours whole, with their modes."""
    script = collection_files.collect_script(town, places.program)
    files = {town.collect_script: (script, collection_files.EXECUTABLE)}
    files |= collection_files.plugin_files(town)
    files |= formula_files.formula_files(town, places.program)
    if settings.prime:
        files |= prime_shim.shim_files(town, places.program)
    if settings.nightly:
        files |= nightly_files.nightly_files(town, places.program)
    if settings.timer:
        files |= collection_files.unit_files(town, places.program, directory=places.units)
    private = {path: (text, 0o600) for agent in agents for path, text in agent.files.items()}
    return files | private


def _owned_changes(
    owned: Mapping[Path, tuple[str, int]], was: InstallRecord
) -> tuple[list[FileChange], list[str]]:
    """Write what is wanted, remove what is not any more; a file that somebody changed is not removed.

    Raises:
        ConfigError: in the place of a new file is another.
    """
    changes = [FileChange(path, text_of(path), text, mode) for path, (text, mode) in owned.items()]
    for one in changes:
        if one.before is not None and not one.is_none and str(one.path) not in was.files:
            raise ConfigError(
                f"{one.path} is there and was not installed by us: move it away, then try again"
            )
    kept = []
    for name, digest in was.files.items():
        path = Path(name)
        text = None if path in owned else text_of(path)
        if text is None:
            continue
        if _sha256(text) == digest:
            changes.append(FileChange(path, text, None))
        else:
            kept.append(str(path))
    return changes, kept


def _missing_directories(town: Town, changes: Sequence[FileChange]) -> list[str]:
    """Directories that the changes will make, parents first; the record is one of the files."""
    paths = [record_file(town), *(one.path for one in changes if one.after is not None)]
    found = {parent for path in paths for parent in path.parents if not parent.exists()}
    return [str(path) for path in sorted(found, key=lambda path: len(path.parts))]


def _left_by_scripts(town: Town) -> list[Path]:
    """What our scripts have written where they lie; each may have run, or not."""
    scripts = (town.collect_script, town.nightly_script)
    return [left for script in scripts for left in collection_files.written_by(script)]


def _remove_if_empty(directory: Path) -> None:
    try:
        directory.rmdir()
    except OSError:
        return  # somebody put something there, or took it away


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
