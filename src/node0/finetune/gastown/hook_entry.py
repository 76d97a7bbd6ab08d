# SPDX-License-Identifier: Apache-2.0
"""The SessionEnd hook in the user's own settings of Claude Code: put in, told, and taken out to the byte.

People and other programs have hooks there too, as elements of one array: the others stay as they are written.
"""

import json
from pathlib import Path

from node0.errors import ConfigError
from node0.finetune.deploy import json_edit
from node0.finetune.deploy.agent import session_end_command
from node0.finetune.deploy.settings_edits import undone
from node0.finetune.registry.deployments import Edit

PATH = ("hooks", "SessionEnd")

_decode = json.JSONDecoder().raw_decode


def hook_entry(script: Path) -> dict[str, object]:
    """The element: for sessions that gt started, and for no other."""
    command = f'[ -z "$GT_ROLE" ] || {session_end_command(script)}'
    return {"matcher": "", "hooks": [{"type": "command", "command": command}]}


def holds(text: str, entry: dict[str, object]) -> bool:
    """Whether the hook is in a text of settings."""
    return entry in _elements(json_edit.get(text, PATH))


def plan_hook(text: str, entry: dict[str, object], *, file: Path, made_file: bool) -> Edit:
    """What must change in a text of settings that lacks the hook.

    Raises:
        ConfigError: the text is no JSON object, `hooks` in it is none, or `hooks.SessionEnd` no array.
    """
    before = json_edit.get(text, PATH)
    if before is not None and not isinstance(json.loads(before), list):
        raise ConfigError(f"{'.'.join(PATH)} is no JSON array; repair it")
    return Edit(
        file=str(file),
        path=PATH,
        before=before,
        after=_with(before, entry),
        made_file=made_file,
        made_table=json_edit.get(text, PATH[:1]) is None,
    )


def without_hook(text: str, entry: dict[str, object], edit: Edit) -> str:
    """The text without the hook: as before where nobody changed the array since, else without its element."""
    text = undone(text, [edit])
    array = json_edit.get(text, PATH)
    if array is None or entry not in _elements(array):
        return text
    left = _without(array, entry)
    return json_edit.put(text, PATH, left) if _elements(left) else json_edit.drop(text, PATH)


def _elements(array: str | None) -> list[object]:
    found = json.loads(array) if array is not None else []
    return found if isinstance(found, list) else []


def _with(array: str | None, entry: dict[str, object]) -> str:
    if not _elements(array):
        return json.dumps([entry], indent=2)
    assert array is not None
    *_, (start, end) = _spans(array)
    lead = array[:start][len(array[:start].rstrip(" \t\r\n")) :]
    shift = lead.rpartition("\n")[2] if "\n" in lead else ""
    own = json.dumps(entry, indent=2).replace("\n", f"\n{shift}") if "\n" in lead else json.dumps(entry)
    return f"{array[:end]},{lead or ' '}{own}{array[end:]}"


def _without(array: str, entry: dict[str, object]) -> str:
    spans = _spans(array)
    index = _elements(array).index(entry)
    start, end = spans[index]
    if index:
        return array[: spans[index - 1][1]] + array[end:]
    return array[:start] + array[spans[1][0] :] if len(spans) > 1 else "[]"


def _spans(array: str) -> list[tuple[int, int]]:
    """Where the elements of an array begin and end; of text that `json` takes."""
    found: list[tuple[int, int]] = []
    place = 1
    while True:
        while array[place] in " \t\r\n,":
            place += 1
        if array[place] == "]":
            return found
        _, end = _decode(array, place)
        found.append((place, end))
        place = end
