# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from eval_fakes import WordTask

from node0.finetune.chat.messages import Block, Request
from node0.finetune.eval.running.answerer import Sampling
from node0.finetune.eval.running.null_models import null_models

SAMPLING = Sampling(0, 1.0, 10)
SCHEMA = {"type": "object", "properties": {"command": {}, "why": {}}, "required": ["command"]}


class _Naming(WordTask):
    @property
    def prompt(self) -> str:
        return "Look with `bd ready --json`, then `bd close gt-1`."


def _request(*, with_tool: bool = False) -> Request:
    tools = [{"name": "Bash", "description": "", "input_schema": SCHEMA}] if with_tool else []
    return {"system": "card", "tools": tools, "messages": [{"role": "user", "content": "what now?"}]}  # type: ignore[typeddict-item]  # as JSON has it


def _answer(name: str, task: WordTask, request: Request) -> list[Block]:
    (model,) = [model for model in null_models() if model.name == name]
    return model.answer(task, request, SAMPLING)


def test_empty_says_nothing_and_echo_what_it_was_asked() -> None:
    assert _answer("empty", WordTask("a"), _request()) == []
    assert _answer("echo", WordTask("a"), _request()) == [{"type": "text", "text": "what now?"}]


def test_the_first_action_is_the_first_that_is_allowed() -> None:
    (said,) = _answer("first-action", WordTask("a", actions=("restart", "no-op")), _request())

    assert json.loads(said["text"])["action"] == "restart"


@pytest.mark.parametrize(
    ("task", "command"),
    [(_Naming("a"), "bd ready --json"), (WordTask("a"), "ls")],
    ids=["named", "not named"],
)
def test_without_actions_the_command_that_the_prompt_names_is_given(task: WordTask, command: str) -> None:
    (call,) = _answer("first-action", task, _request(with_tool=True))
    (said,) = _answer("first-action", task, _request())

    assert (call["name"], call["input"]) == ("Bash", {"command": command})
    assert said["text"] == f"```sh\n{command}\n```"


@pytest.mark.parametrize("actions", [(), ("restart", "no-op")])
def test_no_op_is_always_no_op(actions: tuple[str, ...]) -> None:
    (said,) = _answer("no-op", WordTask("a", actions=actions), _request())

    assert json.loads(said["text"])["action"] == "no-op"
