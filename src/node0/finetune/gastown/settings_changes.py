# SPDX-License-Identifier: Apache-2.0
"""Changes of an installation to settings that others write too: single members, every other byte stays."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.deploy import json_edit, settings_edits
from node0.finetune.deploy.agent import Agent
from node0.finetune.deploy.settings_edits import same
from node0.finetune.gastown import hook_entry, own_settings
from node0.finetune.gastown.file_change import FileChange, text_of
from node0.finetune.gastown.install_record import InstallRecord
from node0.finetune.gastown.own_settings import OwnSettings
from node0.finetune.registry.deployments import Edit
from node0.town import Town


def block_change(town: Town, settings: OwnSettings, was: InstallRecord) -> tuple[FileChange, InstallRecord]:
    """Put our block into our settings file; the record with what is to be known of that."""
    file = town.model_settings_file
    text = text_of(file)
    there = text is not None and own_settings.has_block(text)
    if there and own_settings.read_own_settings(town) == settings:
        after = text
    else:
        after = own_settings.with_block(text, settings)
    joint = was.joint if there else own_settings.joint(text or "")
    record = was.model_copy(update={"made_settings": was.made_settings or text is None, "joint": joint})
    return FileChange(file, text, after, 0o600), record


def block_removal(town: Town, was: InstallRecord) -> list[FileChange]:
    """Take our block out of our settings file, and the file with it where nothing else is in it."""
    file = town.model_settings_file
    text = text_of(file)
    if text is None or was.joint is None:
        return []
    after = own_settings.without_block(text, join=was.joint)
    return [FileChange(file, text, after if was.made_settings else after or "")]


def agent_changes(
    town: Town, agents: Sequence[Agent], was: Sequence[Edit]
) -> tuple[list[FileChange], list[Edit], list[str]]:
    """Put the entries that are wanted into the town's settings, and take out those of before that are not.

    Returns:
        The change of the file, what is then ours in it, and what was ours and stays, since it was changed.

    Raises:
        ConfigError: the file, or `agents` in it, is no JSON object.
    """
    file = town.settings_file
    before = text_of(file)
    text = before if before is not None else settings_edits.fresh_text(file)
    with _naming(file):
        text, edits, kept = _edited(file.relative_to(town.root).as_posix(), text, agents, was)
    made_file = before is None or any(edit.made_file for edit in was)
    goes = not edits and made_file and settings_edits.is_fresh(file, text)
    ours = [edit.model_copy(update={"made_file": made_file}) for edit in edits]
    return [FileChange(file, before, None if goes else text)], ours, kept


def _edited(
    name: str, text: str, agents: Sequence[Agent], was: Sequence[Edit]
) -> tuple[str, list[Edit], list[str]]:
    """The text of a settings file with these agents, the changes that make it, and what stays as it is."""
    json_edit.check(text)
    wanted: dict[tuple[str, ...], str] = {
        ("agents", agent.name): json.dumps(agent.entry, indent=2) for agent in agents
    }
    known = {edit.path: edit for edit in was}
    stays = [edit for edit in was if _stands(text, edit) and same(wanted.get(edit.path), edit.after)]
    kept = [
        f"{'.'.join(edit.path)} in {name}"
        for edit in was
        if edit.path not in wanted and not _stands(text, edit) and json_edit.get(text, edit.path) is not None
    ]
    made_table = any(edit.made_table for edit in was) or json_edit.get(text, ("agents",)) is None
    text = settings_edits.undone(text, [edit for edit in was if edit not in stays])
    new = [
        Edit(
            file=name,
            path=path,
            # What stands there now may be ours as somebody changed it: what was there first counts.
            before=known[path].before if path in known else json_edit.get(text, path),
            after=after,
        )
        for path, after in wanted.items()
        if path not in {edit.path for edit in stays}
    ]
    edits = [edit.model_copy(update={"made_table": made_table}) for edit in (*stays, *new)]
    return settings_edits.made(text, new), edits, kept


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
    stays = None if leaves else was
    made_file = before is None or (stays is not None and stays.made_file)
    with _naming(target):
        json_edit.check(text)
        if hook_entry.holds(text, entry):
            return changes, stays
        edit = hook_entry.plan_hook(text, entry, file=target, made_file=made_file)
    changes.append(FileChange(target, before, settings_edits.made(text, [edit]), 0o600))
    return changes, edit


def _hook_removal(edit: Edit, entry: dict[str, object]) -> FileChange:
    file = Path(edit.file)
    before = text_of(file)
    if before is None:
        return FileChange(file, None, None)
    with _naming(file):
        json_edit.check(before)
        after = hook_entry.without_hook(before, entry, edit)
    return FileChange(file, before, None if edit.made_file and json.loads(after) == {} else after)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Say in an error of what is inside which file it is about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _stands(text: str, edit: Edit) -> bool:
    return same(json_edit.get(text, edit.path), edit.after)
