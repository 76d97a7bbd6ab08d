# SPDX-License-Identifier: Apache-2.0
"""Install into a town, and take it out again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from node0 import console
from node0.commands.model.open_registry import open_deployer, open_registry
from node0.commands.town.first_answers import chosen
from node0.commands.town.installed_places import places
from node0.errors import ConfigError, NotFound
from node0.finetune.gastown.claude_trust import trusted_by
from node0.finetune.gastown.collection_files import unit_name
from node0.finetune.gastown.install_record import InstallRecord, read_record
from node0.finetune.gastown.installation import (
    BASE_ID,
    InstallPlan,
    carry_out,
    plan_install,
    plan_uninstall,
)
from node0.finetune.gastown.own_settings import OwnSettings, has_own_settings, read_own_settings
from node0.finetune.gastown.user_timer import start_timer, stop_timer
from node0.finetune.registry.deployment_log import DeploymentLog
from node0.finetune.registry.deployments import DeploymentState
from node0.town import Town


def install(root: Path | None, given: Mapping[str, Any], *, ask: bool, dry_run: bool) -> None:
    """Install what is chosen, or show what that would change."""
    town = _gas_town(root)
    before = read_own_settings(town) if has_own_settings(town) else None
    settings = chosen(given, before, ask=ask, known_base=_known_base(town))
    was = read_record(town)
    plan = plan_install(town, settings, places(town), was=was)
    _show_kept(plan)
    if dry_run:
        _show(plan)
        _show_trust(plan)
        return
    had_timer = _has_timer(town, was)
    if had_timer and not settings.timer:
        stop_timer(_timer(town))
    carry_out(town, plan, was=was)
    console.note(_told(plan))
    _show_trust(plan)
    if settings.timer and not (had_timer and not plan.changes):
        _start(town)
    _show_next(town, settings)


def uninstall(root: Path | None, *, dry_run: bool) -> None:
    """Take out what was installed, or show what that would change."""
    town = _gas_town(root)
    was = read_record(town)
    if was is None:
        console.note(f"nothing is installed in {town.root}")
        return
    _refuse_at_work(town)
    plan = plan_uninstall(town, was)
    _show_kept(plan)
    if dry_run:
        _show(plan)
        return
    if _has_timer(town, was):
        stop_timer(_timer(town))
    carry_out(town, plan, was=was)
    console.note(f"{_told(plan)}; corpus, registry and runs stay in {town.root}")


def mend(root: Path | None) -> None:
    """Write again what was deployed or installed and does not stand any more; say what that was."""
    town = _gas_town(root)
    with open_deployer(town.root) as (deployer, registry, _):
        rows = DeploymentLog(registry.store).list(DeploymentState.ACTIVE)
        for line in deployer.restore(rows) if rows else ():
            console.note(f"written again: {line}")
    was = read_record(town)
    if was is None:
        return
    plan = plan_install(town, read_own_settings(town), places(town), was=was)
    carry_out(town, plan, was=was)
    for change in plan.changes:
        console.note(f"written again: {change.path}")


def _gas_town(root: Path | None) -> Town:
    town = Town.locate(root)
    if not town.is_gas_town:
        raise NotFound(f"{town.root} is no Gas Town: mayor/town.json is missing; name one with --town")
    return town


def _known_base(town: Town) -> str:
    """The base of the newest registered version that has one."""
    with open_registry(town.root) as (registry, _):
        entries = sorted(registry.list(), key=lambda entry: entry.created_at, reverse=True)
    return next((entry.base_model for entry in entries if Path(entry.base_model).is_dir()), "")


def _refuse_at_work(town: Town) -> None:
    with open_registry(town.root) as (registry, _):
        rows = DeploymentLog(registry.store).list(DeploymentState.ACTIVE)
    for row in rows:
        rigs = "".join(f" --rig {rig}" for rig in row.rigs)
        raise ConfigError(
            f"{row.spelled} is at work for {row.role}; take it back first: "
            f"node0 model rollback --role {row.role} --version 0{rigs}"
        )


def _show(plan: InstallPlan) -> None:
    for change in plan.changes:
        console.show(change.diff())
    if not plan.changes:
        console.note("nothing would change")


def _show_trust(plan: InstallPlan) -> None:
    """Say where Claude Code asks nobody any more; whoever did not want that is told how to take it back."""
    for file, directories in trusted_by(plan.record.trust if plan.record is not None else ()).items():
        console.note(f"Claude Code starts unasked, by {file}, in and below:")
        for directory in directories:
            console.note(f"  {directory}")
        console.note("  to be asked again: node0 town install --no-claude-trust")


def _show_kept(plan: InstallPlan) -> None:
    for one in plan.kept:
        console.note(f"warning: {one} was changed since it was installed, and stays")


def _told(plan: InstallPlan) -> str:
    count = len(plan.changes)
    return f"{count} file{'' if count == 1 else 's'} changed" if count else "nothing to change"


def _start(town: Town) -> None:
    unit = _timer(town)
    if (reason := start_timer(unit)) is not None:
        console.note(
            f"warning: {unit} is written and does not run: {reason}; start it with "
            f"`systemctl --user enable --now {unit}`, or collect from cron"
        )


def _show_next(town: Town, settings: OwnSettings) -> None:
    if settings.base_model and settings.roles:
        console.note(f"agents {', '.join(f'ft-base-{role}' for role in settings.roles)} ask this server:")
        console.note(f"  node0 serve --town {town.root} --model {BASE_ID}={settings.base_model}")
    console.note(f"to see how it is: node0 town status --town {town.root}")


def _has_timer(town: Town, record: InstallRecord | None) -> bool:
    return record is not None and any(Path(name).name == _timer(town) for name in record.files)


def _timer(town: Town) -> str:
    return f"{unit_name(town)}.timer"
