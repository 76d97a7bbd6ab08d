# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.chat.messages import Message, blocks
from node0.finetune.chat.profile import DeploymentProfile, ProfileTool, rewrite
from node0.finetune.chat.tool_names import (
    SAME_TOOLS,
    named_calls,
    named_request,
    named_tools,
    names_among,
    offered_call,
)


def profile(*tools: str | dict[str, Any]) -> DeploymentProfile:
    return DeploymentProfile.model_validate({"role": "deacon", "tools": tools})


def turn(name: str, **given: Any) -> Message:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": name, "input": given}]}


def tool(name: str) -> Any:
    return {"name": name, "description": "", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("name", "given", "wanted", "named"),
    [
        ("exec_command", {"cmd": "ls", "workdir": "/"}, "Bash", {"command": "ls", "workdir": "/"}),
        ("run_shell_command", {"command": "ls"}, "Bash", {"command": "ls"}),
        ("read", {"filePath": "a", "offset": 3}, "Read", {"file_path": "a", "offset": 3}),
        ("read_file", {"absolute_path": "a"}, "Read", {"file_path": "a"}),
        ("write_file", {"file_path": "a", "content": "x"}, "Write", {"file_path": "a", "content": "x"}),
        (
            *("edit", {"path": "a", "oldText": "x", "newText": "y"}),
            *("Edit", {"file_path": "a", "old_string": "x", "new_string": "y"}),
        ),
        (
            *("edit", {"path": "a", "edits": [{"oldText": "x", "newText": "y"}]}),
            *("Edit", {"file_path": "a", "old_string": "x", "new_string": "y"}),
        ),
        ("edit", {"path": "a", "edits": [{}, {}]}, "Edit", {"file_path": "a", "edits": [{}, {}]}),
        ("edit", {"path": "a", "edits": [3]}, "Edit", {"file_path": "a", "edits": [3]}),
        ("find", {"pattern": "x", "path": "a"}, "Glob", {"pattern": "x", "path": "a"}),
        ("grep", {"pattern": "x", "include": "*.py"}, "Grep", {"pattern": "x", "glob": "*.py"}),
        ("glob", {"pattern": "x", "dir_path": "a"}, "Glob", {"pattern": "x", "path": "a"}),
    ],
)
def test_a_call_of_another_harness_is_the_profiles(
    name: str, given: dict[str, Any], wanted: str, named: dict[str, Any]
) -> None:
    assert named_calls(turn(name, **given), profile(wanted)) == turn(wanted, **named)


def test_a_profile_for_another_harness_takes_claude_codes_calls() -> None:
    schema = {"type": "object", "properties": {"cmd": {"type": "string"}}}
    codex = profile({"name": "exec_command", "description": "Run.", "input_schema": schema})

    assert named_calls(turn("Bash", command="ls"), codex) == turn("exec_command", cmd="ls")


@pytest.mark.parametrize(("name", "wanted"), [("Bash", "Bash"), ("levitate", "Bash"), ("read", "Bash")])
def test_other_calls_stay_as_they_are(name: str, wanted: str) -> None:
    message = turn(name, cmd="ls")

    assert named_calls(message, profile(wanted)) is message


OPENCODE_BASH: Any = {
    "name": "bash",
    "description": "Runs.",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}, "description": {"type": "string"}},
        "required": ["command", "description"],
    },
}
OPENCODE_EDIT: Any = {
    "name": "edit",
    "description": "Edits.",
    "input_schema": {"type": "object", "properties": {"filePath": {}, "oldString": {}, "newString": {}}},
}


PI_EDIT: Any = {
    "name": "edit",
    "description": "Edits.",
    "input_schema": {
        "type": "object",
        "properties": {
            "path": {"type": "string"},
            "edits": {
                "type": "array",
                "items": {"type": "object", "properties": {"oldText": {}, "newText": {}}},
            },
        },
        "required": ["path", "edits"],
    },
}


def made(name: str, **given: Any) -> Any:
    return {"type": "tool_use", "id": "a", "name": name, "input": given}


def test_a_call_goes_back_under_the_name_that_was_offered_and_recorded_it_is_the_same_again() -> None:
    named = profile("Bash", "Edit")
    bash = offered_call(made("Bash", command="ls"), [OPENCODE_EDIT, OPENCODE_BASH], named)
    edit = offered_call(
        made("Edit", file_path="a", old_string="x", new_string="y"), [OPENCODE_EDIT, OPENCODE_BASH], named
    )

    assert bash == made("bash", command="ls", description="")
    assert edit == made("edit", filePath="a", oldString="x", newString="y")
    for call, name in ((bash, "Bash"), (edit, "Edit")):
        again = rewrite(named_calls({"role": "assistant", "content": [call]}, named), named)
        assert again is not None and blocks(again)[0]["name"] == name  # type: ignore[typeddict-item]  # a call
    request: Any = {"system": "", "tools": [OPENCODE_BASH], "messages": [turn("bash", command="ls")]}
    assert named_request(request, named)["messages"] == [turn("Bash", command="ls")]
    assert [one["name"] for one in named_request(request, named)["tools"]] == ["Bash"]


@pytest.mark.parametrize(
    ("every", "more"), [({}, {}), ({"replace_all": False}, {}), ({"replace_all": True},) * 2]
)
def test_a_harness_that_edits_several_times_at_once_gets_a_list_of_one(
    every: dict[str, Any], more: dict[str, Any]
) -> None:
    named = profile("Edit")
    given = {"file_path": "a", "old_string": "x", "new_string": "y"}

    edit = offered_call(made("Edit", **given, **every), [PI_EDIT], named)

    assert edit == made("edit", path="a", edits=[{"oldText": "x", "newText": "y"}], **more)
    again = named_calls({"role": "assistant", "content": [edit]}, named)
    assert blocks(again) == [made("Edit", **given, **more)]
    assert offered_call(made("Edit", file_path="a"), [PI_EDIT], named) == made("edit", path="a")


@pytest.mark.parametrize("call", [made("bash", command="ls"), made("levitate"), made("Read", file_path="a")])
def test_a_call_of_what_was_not_renamed_goes_as_it_is(call: Any) -> None:
    assert offered_call(call, [OPENCODE_BASH], profile("Bash", "Read")) is call


@pytest.mark.parametrize(
    "schema", [{}, {"properties": [], "required": 3}, {"properties": {"x": True}, "required": ["x", 4]}]
)
def test_a_schema_that_is_none_breaks_nothing(schema: Any) -> None:
    offered: Any = {"name": "bash", "description": "", "input_schema": schema}

    assert offered_call(made("Bash", command="ls"), [offered], profile("Bash"))["name"] == "bash"


def test_words_stay_beside_a_call_that_is_renamed() -> None:
    said: Message = {"role": "assistant", "content": [{"type": "text", "text": "x"}, *blocks(turn("bash"))]}
    plain: Message = {"role": "user", "content": "x"}

    named = named_calls(said, profile("Bash"))

    assert blocks(named) == [{"type": "text", "text": "x"}, *blocks(turn("Bash"))]
    assert named_calls(plain, profile("Bash")) is plain


def test_tools_of_one_kind_are_offered_once() -> None:
    names = [
        one["name"]
        for one in named_tools(map(tool, ("bash", "Bash", "shell_command", "task")), profile("Bash"))
    ]

    assert names == ["Bash", "task"]


def test_naming_twice_is_naming_once() -> None:
    once = named_calls(turn("bash", command="ls"), profile("Bash"))

    assert named_calls(once, profile("Bash")) is once


def test_no_name_stands_for_two_things() -> None:
    names = [name for same in SAME_TOOLS for name in same.names]

    assert len(names) == len(set(names))


def test_a_harness_names_a_profiles_tools_in_its_own_way_and_keeps_what_it_lacks() -> None:
    tools = [ProfileTool(name=name, description="", input_schema={}) for name in ("Bash", "Glob", "Signal")]

    assert names_among({"bash", "find", "read"}, tools) == ["bash", "find", "Signal"]
    assert names_among((), tools) == ["Bash", "Glob", "Signal"]
