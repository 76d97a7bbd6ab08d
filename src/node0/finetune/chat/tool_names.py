# SPDX-License-Identifier: Apache-2.0
"""The same tools under the names that other harnesses give them, and their inputs.

A role's sessions may come from several harnesses, and its model is deployed behind one: what was recorded as
`exec_command {cmd}` is trained as the profile's `Bash {command}`. A harness that asks offers its tools under
its own names: the model meets the profile's, and its calls go back under the harness's. Names are those of
Claude Code 2.1.330, opencode 1.18.33, Codex 0.171.0, pi 0.73.1 and Gemini CLI 0.61.0.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from node0.finetune.chat.messages import Block, Message, Request, Tool, ToolUseBlock, blocks
from node0.finetune.chat.profile import DeploymentProfile, ProfileTool


class SameTool(NamedTuple):
    """One thing that tools do."""

    names: frozenset[str]
    inputs: Sequence[frozenset[str]]
    "Names of one input each; an input that is not here has one name everywhere."

    several: str = ""
    "Input that holds others in a list, where a harness does it several times at once; empty for none."


_FILE = frozenset({"file_path", "filePath", "path", "absolute_path"})
_FOLDER = frozenset({"path", "dir_path"})

SAME_TOOLS = (
    SameTool(
        frozenset({"Bash", "bash", "exec_command", "shell_command", "run_shell_command"}),
        [frozenset({"command", "cmd"})],
    ),
    SameTool(frozenset({"Read", "read", "read_file"}), [_FILE]),
    SameTool(frozenset({"Write", "write", "write_file"}), [_FILE]),
    SameTool(
        frozenset({"Edit", "edit", "replace"}),
        [
            *(_FILE, frozenset({"old_string", "oldString", "oldText"})),
            *(frozenset({"new_string", "newString", "newText"}), frozenset({"replace_all", "replaceAll"})),
        ],
        several="edits",
    ),
    SameTool(
        frozenset({"Grep", "grep", "grep_search", "search_file_content"}),
        [_FOLDER, frozenset({"glob", "include"})],
    ),
    SameTool(frozenset({"Glob", "glob", "find"}), [_FOLDER]),
)


def named_tools(tools: Iterable[Tool], profile: DeploymentProfile) -> list[Tool]:
    """The tools, each once, under the profile's name where the profile has the same one."""
    named: dict[str, Tool] = {}
    for tool in tools:
        found = _same(tool["name"], profile)
        name = found[0].name if found else tool["name"]
        named.setdefault(name, {**tool, "name": name})
    return list(named.values())


def names_among(offered: Collection[str], tools: Iterable[ProfileTool]) -> list[str]:
    """A harness's own names of a profile's tools, given what it offers; one that it lacks keeps its name."""
    names = list[str]()
    for tool in tools:
        same = next((one.names.intersection(offered) for one in SAME_TOOLS if tool.name in one.names), ())
        names += sorted(same) or [tool.name]
    return names


def named_calls(message: Message, profile: DeploymentProfile) -> Message:
    """The turn with its calls under the profile's names; a turn without others is the same object."""
    found = blocks(message)
    named = [_named_call(block, profile) for block in found]
    if all(new is old for new, old in zip(named, found, strict=True)):
        return message
    return {"role": message["role"], "content": named}


def named_request(request: Request, profile: DeploymentProfile) -> Request:
    """A request with its tools and calls under the profile's names."""
    return {
        "system": request["system"],
        "tools": named_tools(request["tools"], profile),
        "messages": [named_calls(message, profile) for message in request["messages"]],
    }


def offered_call(call: ToolUseBlock, tools: Iterable[Tool], profile: DeploymentProfile) -> ToolUseBlock:
    """A call of a profile's tool as a call of the one that was offered in its place.

    Inputs get the offered tool's names. A text that it asks for and that the profile's tool does not have is
    empty: the model could not know of it.

    Args:
        call: As the model made it.
        tools: As the harness offered them.
        profile: Whose names the model knows.
    """
    offered = list(tools)
    if any(tool["name"] == call["name"] for tool in offered):
        return call
    for tool in offered:
        found = _same(tool["name"], profile)
        if found is not None and found[0].name == call["name"]:
            return {**call, "name": tool["name"], "input": _offered_inputs(call["input"], tool, *found)}
    return call


def _offered_inputs(
    given: Mapping[str, Any], tool: Tool, named: ProfileTool, same: SameTool
) -> dict[str, Any]:
    schema = tool["input_schema"]
    known = _as_object(schema.get("properties"))
    if same.several and same.several in known:
        return _in_a_list(given, known, same)
    inputs = {_name_among(known, name, same): value for name, value in given.items()}
    taught = {_name_among(known, name, same) for name in named.input_schema.get("properties", {})}
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if name not in taught and _as_object(known.get(str(name))).get("type") == "string":
            inputs.setdefault(name, "")
    return inputs


def _in_a_list(given: Mapping[str, Any], known: Mapping[str, Any], same: SameTool) -> dict[str, Any]:
    """The inputs of a tool that takes some of them in a list; a false one that it lacks is left out."""
    items = _as_object(_as_object(known[same.several]).get("items"))
    within = _as_object(items.get("properties"))
    inputs: dict[str, Any] = {}
    once: dict[str, Any] = {}
    for name, value in given.items():
        inside = _name_among(within, name, same)
        if inside in within:
            once[inside] = value
        elif (outside := _name_among(known, name, same)) in known or value:
            inputs[outside] = value
    return {**inputs, same.several: [once]} if once else inputs


def _as_object(value: object) -> Mapping[str, Any]:
    """A part of a schema that a client wrote; whatever is no object has no members."""
    return value if isinstance(value, Mapping) else {}


def _name_among(known: Collection[str], name: str, same: SameTool) -> str:
    """The name that an input has where these are known; its own where none of its other names is."""
    if name in known:
        return name
    group = next((group for group in same.inputs if name in group), frozenset())
    return next((one for one in sorted(group) if one in known), name)


def _named_call(block: Block, profile: DeploymentProfile) -> Block:
    found = _same(block["name"], profile) if block["type"] == "tool_use" else None
    if block["type"] != "tool_use" or found is None:
        return block
    tool, same = found
    return {**block, "name": tool.name, "input": _named_inputs(block["input"], tool, same)}


def _named_inputs(given: Mapping[str, Any], tool: ProfileTool, same: SameTool) -> dict[str, Any]:
    known = tool.input_schema.get("properties", {})
    if same.several not in known:
        given = _out_of_a_list(given, same)
    names = {
        name: next((one for one in group if one in known), name) for group in same.inputs for name in group
    }
    return {names.get(name, name): value for name, value in given.items()}


def _out_of_a_list(given: Mapping[str, Any], same: SameTool) -> Mapping[str, Any]:
    """The inputs with those of a list of one among them; others as they are."""
    match given.get(same.several) if same.several else None:
        case [dict() as once]:
            return {**{name: value for name, value in given.items() if name != same.several}, **once}
    return given


def _same(name: str, profile: DeploymentProfile) -> tuple[ProfileTool, SameTool] | None:
    """The profile's tool that does what one of another name does; None where it has none, or the name."""
    if name in profile.by_name:
        return None
    same = next((one for one in SAME_TOOLS if name in one.names), None)
    tool = next((tool for tool in profile.tools if same and tool.name in same.names), None)
    return (tool, same) if tool and same else None
