# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.finetune.chat.messages import Message, blocks
from node0.finetune.chat.profile import DeploymentProfile
from node0.finetune.chat.tool_names import SAME_TOOLS, named_calls, named_tools


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
