# SPDX-License-Identifier: Apache-2.0
"""Changes to the town's settings files: found out first, then made, and undone to the byte."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from node0.errors import ConfigError, DeployInUse, NotFound
from node0.files import try_locked, write_atomically
from node0.finetune.deploy import json_edit
from node0.finetune.registry.deployments import Edit
from node0.town import Town

FRESH = {"type": "town-settings", "version": 1}
FRESH_RIG = {"type": "rig-settings", "version": 1}


def alone(town: Town) -> AbstractContextManager[None]:
    """Hold the right to change a town's settings while the block runs.

    Raises:
        DeployInUse: another process of ours changes them.
    """
    busy = DeployInUse(f"another process is deploying in {town.root}; try again when it has ended")
    return try_locked(lock_file(town), busy=busy)


def lock_file(town: Town) -> Path:
    """What `alone` holds."""
    return town.models / ".deploy.lock"


def settings_files(town: Town, rigs: Sequence[str]) -> list[Path]:
    """The settings files that a deployment changes: the town's, or those of rigs; none without a Gas Town.

    Raises:
        NotFound: the town has no such rig.
    """
    if not town.is_gas_town:
        if rigs:
            raise NotFound(f"{town.root} is no Gas Town and has no rigs; leave --rig out")
        return []
    known = town.rigs()
    if unknown := sorted(set(rigs) - set(known)):
        raise NotFound(f"no rig {unknown[0]!r} in {town.root}; its rigs: {', '.join(known) or 'none'}")
    places = [town.root / rig / "settings" / "config.json" for rig in sorted(rigs)]
    return places or [town.settings_file]


def plan_edits(
    root: Path, files: Sequence[Path], *, role: str, agent: str, entry: dict[str, Any]
) -> list[Edit]:
    """What must change in these files of the town at `root` so that `role` runs `agent`.

    Raises:
        ConfigError: a file is not JSON, or one of the two tables in it is none.
    """
    wanted = {("agents", agent): json.dumps(entry, indent=2), ("role_agents", role): json.dumps(agent)}
    return [_edit(root, file, path, after) for file in files for path, after in wanted.items()]


def clearing(edits: Sequence[Edit], standing: Sequence[Edit]) -> list[Edit]:
    """The edits, which also clear away files and tables that were made for those that stand.

    Whichever is undone last finds them empty.
    """
    files = {edit.file for edit in standing if edit.made_file}
    tables = {(edit.file, edit.path[:-1]) for edit in standing if edit.made_table}
    return [
        edit.model_copy(
            update={
                "made_file": edit.made_file or edit.file in files,
                "made_table": edit.made_table or (edit.file, edit.path[:-1]) in tables,
            }
        )
        for edit in edits
    ]


def make(root: Path, edits: Sequence[Edit]) -> None:
    """Make the changes, each file whole.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    for file, own in _by_file(root, edits).items():
        _write(file, made(_text_of(file), own))


def undo(root: Path, edits: Sequence[Edit]) -> None:
    """Put back what each change replaced, where it still stands; a file that was made for them goes.

    Raises:
        ConfigError: a file cannot be read or written.
    """
    for file, own in _by_file(root, edits).items():
        if not file.exists():
            continue
        before = _text_of(file)
        text = undone(before, own)
        if own[0].made_file and is_fresh(file, text):
            file.unlink()
        elif text != before:
            _write(file, text)


def made(text: str, edits: Sequence[Edit]) -> str:
    """The text of a settings file with these changes."""
    for edit in edits:
        assert edit.after is not None
        text = json_edit.put(text, edit.path, edit.after)
    return text


def undone(text: str, edits: Sequence[Edit]) -> str:
    """The text of a settings file without these changes, each where it still stands."""
    for edit in reversed(edits):
        if same(json_edit.get(text, edit.path), edit.after):
            text = _put_back(text, edit)
    return text


def disagreements(root: Path, edits: Sequence[Edit]) -> list[str]:
    """What of the changes does not stand any more, each in a line."""
    found = []
    for edit in edits:
        file = root / edit.file
        now = json_edit.get(_text_of(file), edit.path) if file.exists() else None
        if not same(now, edit.after):
            shown = "absent" if now is None else " ".join(now.split())[:60]
            found.append(f"{'.'.join(edit.path)} in {file} is {shown}")
    return found


def fresh_text(file: Path) -> str:
    """What a settings file of a town or a rig holds where it is made for one of ours."""
    return json.dumps(_fresh(file), indent=2) + "\n"


def is_fresh(file: Path, text: str) -> bool:
    """Whether nothing is in a settings file but what `fresh_text` puts there."""
    return json_edit.check(text) in (_fresh(file), {})


def same(now: str | None, then: str | None) -> bool:
    """Whether two values are equal; their spacing may have changed, since gt rewrites the file."""
    if now is None or then is None:
        return now is then
    return bool(json.loads(now) == json.loads(then))


def _edit(root: Path, file: Path, path: tuple[str, ...], after: str) -> Edit:
    text = _text_of(file)
    try:
        before, table = json_edit.get(text, path), json_edit.get(text, path[:-1])
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return Edit(
        file=file.relative_to(root).as_posix(),
        path=path,
        before=before,
        after=after,
        made_file=not file.exists(),
        made_table=table is None,
    )


def _put_back(text: str, edit: Edit) -> str:
    if edit.before is not None:
        return json_edit.put(text, edit.path, edit.before)
    text, table = json_edit.drop(text, edit.path), edit.path[:-1]
    was_ours = edit.made_table and json_edit.get(text, table) == "{}"
    return json_edit.drop(text, table) if was_ours else text


def _by_file(root: Path, edits: Sequence[Edit]) -> dict[Path, list[Edit]]:
    found: dict[Path, list[Edit]] = {}
    for edit in edits:
        found.setdefault(root / edit.file, []).append(edit)
    return found


def _text_of(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else fresh_text(file)
        json_edit.check(text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    return text


def _fresh(file: Path) -> dict[str, object]:
    return dict(FRESH_RIG if file.parent.parent.joinpath("config.json").exists() else FRESH)


def _write(file: Path, text: str) -> None:
    json_edit.check(text)
    try:
        write_atomically(file, text, shared=True)
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
