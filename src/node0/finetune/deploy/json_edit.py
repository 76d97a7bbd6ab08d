# SPDX-License-Identifier: Apache-2.0
"""Change single members of a JSON text and leave every other byte as it is (RFC 8259).

gt and people write `settings/config.json` too: their spacing, order, numbers and escapes are theirs.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from node0.errors import ConfigError

DEEPEST = 100
"Levels of objects and arrays; a settings file has five."

_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


class Member(NamedTuple):
    """Where a member of an object stands in the text: its key, and its value."""

    key: str
    start: int
    "Of the key's quotation mark."

    value: int
    end: int


class _Object(NamedTuple):
    start: int
    "Of the opening brace."

    members: tuple[Member, ...]
    end: int
    "After the closing brace."


def get(text: str, path: Sequence[str]) -> str | None:
    """The text of the value at a path of keys, or None.

    Raises:
        ConfigError: the text is no JSON object, or a part of the path is no object.
    """
    member = _find(text, path)
    return None if member is None else text[member.value : member.end]


def put(text: str, path: Sequence[str], value: str) -> str:
    """The text with `value`, itself JSON, at a path of keys; objects on the way are made.

    Raises:
        ConfigError: the text is no JSON object, or a part of the path is no object.
    """
    if (member := _find(text, path)) is not None:
        return text[: member.value] + value + text[member.end :]
    depth = next(depth for depth in range(len(path)) if _find(text, path[: depth + 1]) is None)
    for key in reversed(path[depth + 1 :]):
        value = _wrapped(key, value)
    return _inserted(text, _object_at(text, path[:depth]), path[depth], value)


def drop(text: str, path: Sequence[str]) -> str:
    """The text without the member at a path; unchanged where there is none.

    Raises:
        ConfigError: the text is no JSON object, or a part of the path is no object.
    """
    if (member := _find(text, path)) is None:
        return text
    members = _object_at(text, path[:-1]).members
    index = members.index(member)
    if index + 1 < len(members):
        return text[: member.start] + text[members[index + 1].start :]
    if index:
        return text[: members[index - 1].end] + text[member.end :]
    around = _object_at(text, path[:-1])
    return text[: around.start] + "{}" + text[around.end :]


def _find(text: str, path: Sequence[str]) -> Member | None:
    parent: Sequence[str] = path[:-1]
    if parent and _find(text, parent) is None:
        return None
    # The last of two members with one key is the one that counts.
    found = [member for member in _object_at(text, parent).members if member.key == path[-1]]
    return found[-1] if found else None


def _object_at(text: str, path: Sequence[str]) -> _Object:
    place = _skip(text, 0)
    for depth, key in enumerate(path):
        found = [member for member in _read(text, place, path[:depth]).members if member.key == key]
        place = found[-1].value
    return _read(text, place, path)


def _read(text: str, start: int, path: Sequence[str]) -> _Object:
    """The object that begins there. Only for text that `json` takes."""
    if text[start : start + 1] != "{":
        raise ConfigError(f"{'.'.join(path) or 'the file'} is no JSON object; repair it")
    members: list[Member] = []
    place = _skip(text, start + 1)
    while text[place] != "}":
        key, after = _decode(text, place)
        value = _skip(text, _skip(text, after) + 1)
        _, end = _decode(text, value)
        members.append(Member(str(key), place, value, end))
        place = _skip(text, end)
        if text[place] == ",":
            place = _skip(text, place + 1)
    return _Object(start, tuple(members), place + 1)


def check(text: str) -> dict[str, Any]:
    """The settings that a text holds.

    Raises:
        ConfigError: it is no JSON object, or nested too deep.
    """
    deepest = level = 0
    for brace in re.finditer(r'"(?:\\.|[^"\\])*"|[\[{]|[\]}]', text):
        level += {"[": 1, "{": 1, "]": -1, "}": -1}.get(brace.group(), 0)
        deepest = max(deepest, level)
    if deepest > DEEPEST:
        raise ConfigError(f"it is nested {deepest} deep; {DEEPEST} is the most")
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"it is not JSON ({error}); repair it") from None
    if not isinstance(content, dict):
        raise ConfigError("it holds no JSON object; repair it")
    return content


def _inserted(text: str, around: _Object, key: str, value: str) -> str:
    name = json.dumps(key, ensure_ascii=False)
    if not around.members:
        indent = _indent_of(text, around.start)
        inner = f"\n{indent}  {name}: {_shifted(value, indent + '  ')}\n{indent}"
        return text[: around.start] + "{" + inner + "}" + text[around.end :]
    last = around.members[-1]
    lead = _lead(text, last)
    shift = lead.rpartition("\n")[2] if "\n" in lead else ""
    return text[: last.end] + f",{lead}{name}: {_shifted(value, shift)}" + text[last.end :]


def _lead(text: str, member: Member) -> str:
    """The white space before a member."""
    begin = member.start
    while begin and text[begin - 1] in " \t\r\n":
        begin -= 1
    return text[begin : member.start] or " "


def _indent_of(text: str, place: int) -> str:
    line = text.rfind("\n", 0, place) + 1
    match = re.match(r"[ \t]*", text[line:place])
    return match.group() if match else ""


def _wrapped(key: str, value: str) -> str:
    return "{\n  " + json.dumps(key, ensure_ascii=False) + ": " + _shifted(value, "  ") + "\n}"


def _shifted(value: str, indent: str) -> str:
    return value.replace("\n", "\n" + indent)


def _skip(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()
