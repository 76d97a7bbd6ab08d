# SPDX-License-Identifier: Apache-2.0
"""Tell Claude Code which directories of a town are trusted: put in, told, and taken out to the byte.

Its first start in a directory asks whether that is trusted, with "No, exit" chosen, and gt 1.0.1 presses
Enter. The answer is kept by repository: the town's, for every directory below that is in no other one, and a
rig's, of which the refinery's and the polecats' directories are worktrees, those of later polecats too.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.deploy import json_edit
from node0.finetune.deploy.settings_edits import made, same, undone
from node0.finetune.gastown.file_change import FileChange, text_of
from node0.finetune.registry.deployments import Edit
from node0.town import Town

ONBOARDED = ("hasCompletedOnboarding",)
PROJECTS = ("projects",)
TRUSTED = "hasTrustDialogAccepted"

_YES = "true"


def trusted_places(town: Town) -> list[Path]:
    """The town, each rig's repository, and the clones of its crew; those that are there."""
    places = [town.root]
    for rig in town.rigs():
        crew = sorted((town.root / rig / "crew").glob("*/.git"))
        places += [town.root / rig / ".repo.git", *(git.parent for git in crew if git.is_dir())]
    return [place for place in places if place.is_dir()]


def trust_changes(
    files: Iterable[Path], places: Sequence[Path], was: Sequence[Edit]
) -> tuple[list[FileChange], list[Edit]]:
    """Put the trust that is wanted into files of Claude Code's state, and take out what was put there else.

    Args:
        files: that are to trust the places.
        places: absolute directories.
        was: what was put there before, of any file.

    Returns:
        The changes of files, and what is then ours in them.

    Raises:
        ConfigError: a file is no JSON object, or `projects` in it is none.
    """
    wanted = [ONBOARDED, *((*PROJECTS, str(place), TRUSTED) for place in places)]
    asked = {str(file): wanted for file in files}
    changes, edits = [], []
    for name in dict.fromkeys([*asked, *(edit.file for edit in was)]):
        own = [edit for edit in was if edit.file == name]
        change, kept = _changed(Path(name), asked.get(name, []), own)
        changes.append(change)
        edits += kept
    return changes, edits


def trusted_by(edits: Iterable[Edit]) -> dict[str, list[str]]:
    """Directories by the file that trusts them."""
    found: dict[str, list[str]] = {}
    for edit in edits:
        if edit.path[-1] == TRUSTED:
            found.setdefault(edit.file, []).append(edit.path[-2])
    return found


def _changed(
    file: Path, wanted: Sequence[tuple[str, ...]], own: Sequence[Edit]
) -> tuple[FileChange, list[Edit]]:
    before = text_of(file)
    try:
        text, edits = _edited(str(file), before if before is not None else "{}\n", wanted, own)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None
    made_file = before is None or any(edit.made_file for edit in own)
    goes = before is None or (made_file and json.loads(text) == {})
    after = None if goes and not edits else text
    kept = [edit.model_copy(update={"made_file": made_file}) for edit in edits]
    return FileChange(file, before, after, 0o600, told=_told(before, after, [*own, *kept])), kept


def _edited(
    name: str, text: str, wanted: Sequence[tuple[str, ...]], own: Sequence[Edit]
) -> tuple[str, list[Edit]]:
    """The text with what is wanted, and the changes that make it so, the table that holds others first."""
    json_edit.check(text)
    known = {edit.path: edit for edit in own}
    stays = [edit for edit in own if edit.path in wanted and _is_yes(text, edit.path)]
    table = [edit for edit in own if edit.path == PROJECTS]
    text = undone(text, [edit for edit in own if edit not in stays])
    if len(wanted) > 1 and json_edit.get(text, PROJECTS) is None:
        table = [Edit(file=name, path=PROJECTS, before=None, after="{}")]
        text = made(text, table)
    new = []
    for path in wanted:
        if _is_yes(text, path):
            continue
        before = known[path].before if path in known else json_edit.get(text, path)
        made_table = len(path) > 1 and json_edit.get(text, path[:-1]) is None
        new.append(Edit(file=name, path=path, before=before, after=_YES, made_table=made_table))
        text = made(text, new[-1:])
    edits = [*stays, *new]
    return text, [*table, *edits] if edits else []


def _is_yes(text: str, path: tuple[str, ...]) -> bool:
    return same(json_edit.get(text, path), _YES)


def _told(before: str | None, after: str | None, edits: Iterable[Edit]) -> str:
    """The members that change, as a diff tells them: the other lines may hold a person's keys."""
    lines = []
    for path in dict.fromkeys(edit.path for edit in edits if edit.path != PROJECTS):
        old, new = (json_edit.get(text, path) if text is not None else None for text in (before, after))
        if not same(old, new):
            lines += [f"{sign}{'.'.join(path)}: {value}" for sign, value in (("-", old), ("+", new)) if value]
    return "".join(f"{line}\n" for line in lines)
