# SPDX-License-Identifier: Apache-2.0
"""Changes of an installation to settings that others write too: single members, every other byte stays."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.deploy import json_edit, settings_edits
from node0.finetune.deploy.agent import Agent
from node0.finetune.gastown import hook_entry, own_settings
from node0.finetune.gastown.file_change import FileChange, text_of
from node0.finetune.gastown.install_record import InstallRecord
from node0.finetune.gastown.own_settings import OwnSettings
from node0.finetune.registry.deployments import Edit
from node0.town import Town


def block_change(town: Town, settings: OwnSettings, was: InstallRecord) -> tuple[FileChange, bool, str]:
    """Put our block into our settings file; whether we made the file, and what joins the block to it."""
    file = town.model_settings_file
    text = text_of(file)
    after = own_settings.with_block(text, settings)
    grows = text is not None and not own_settings.has_block(text)
    joint = own_settings.joint(text) if text is not None and grows else was.joint
    return FileChange(file, text, after, 0o600), was.made_settings or text is None, joint


def block_removal(town: Town, was: InstallRecord) -> list[FileChange]:
    """Take our block out of our settings file, and the file with it where nothing else is in it."""
    file = town.model_settings_file
    text = text_of(file)
    if text is None:
        return []
    after = own_settings.without_block(text, join=was.joint)
    return [FileChange(file, text, after if was.made_settings else after or "")]


def agent_changes(
    town: Town, agents: Sequence[Agent], was: Sequence[Edit]
) -> tuple[list[FileChange], list[Edit]]:
    """Put the entries that are wanted into the town's settings, and take out those of before that are not.

    Raises:
        ConfigError: the file is no JSON object.
    """
    file = town.settings_file
    before = text_of(file)
    text = before if before is not None else settings_edits.fresh_text(file)
    _check(file, text)
    wanted = {("agents", agent.name): json.dumps(agent.entry, indent=2) for agent in agents}
    stays = [edit for edit in was if _stands(text, edit) and _is_wanted(edit, wanted)]
    text = settings_edits.undone(text, [edit for edit in was if edit not in stays])
    missing = {path: after for path, after in wanted.items() if path not in {edit.path for edit in stays}}
    made_file = any(edit.made_file for edit in was) or before is None
    made_table = any(edit.made_table for edit in was) or json_edit.get(text, ("agents",)) is None
    flags = {"made_file": made_file, "made_table": made_table}
    name = file.relative_to(town.root).as_posix()
    new = [
        Edit(file=name, path=path, before=json_edit.get(text, path), after=after)
        for path, after in missing.items()
    ]
    edits = [edit.model_copy(update=flags) for edit in (*stays, *new)]
    text = settings_edits.made(text, new)
    goes = not edits and made_file and settings_edits.is_fresh(file, text)
    return [FileChange(file, before, None if goes else text)], edits


def hook_changes(town: Town, target: Path | None, was: Edit | None) -> tuple[list[FileChange], Edit | None]:
    """Put the hook into the user's settings, or take it out of where it was put.

    Args:
        town: whose script the hook calls.
        target: the settings file that is to have it; None takes it out.
        was: where it was put before.

    Raises:
        ConfigError: a settings file is no JSON object.
    """
    entry = hook_entry.hook_entry(town.collect_script)
    leaves = was is not None and (target is None or target != Path(was.file))
    changes = [_hook_removal(was, entry)] if was is not None and leaves else []
    if target is None:
        return changes, None
    before = text_of(target)
    text = before if before is not None else "{}\n"
    _check(target, text)
    stays = None if leaves else was
    if hook_entry.holds(text, entry):
        return changes, stays
    made_file = before is None or (stays is not None and stays.made_file)
    edit = hook_entry.plan_hook(text, entry, file=target, made_file=made_file)
    changes.append(FileChange(target, before, settings_edits.made(text, [edit]), 0o600))
    return changes, edit


def _hook_removal(edit: Edit, entry: dict[str, object]) -> FileChange:
    file = Path(edit.file)
    before = text_of(file)
    if before is None:
        return FileChange(file, None, None)
    _check(file, before)
    after = hook_entry.without_hook(before, entry, edit)
    return FileChange(file, before, None if edit.made_file and json.loads(after) == {} else after)


def _check(file: Path, text: str) -> None:
    try:
        json_edit.check(text)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _stands(text: str, edit: Edit) -> bool:
    return settings_edits.same(json_edit.get(text, edit.path), edit.after)


def _is_wanted(edit: Edit, wanted: Mapping[tuple[str, ...], str]) -> bool:
    return settings_edits.same(wanted.get(edit.path), edit.after)
