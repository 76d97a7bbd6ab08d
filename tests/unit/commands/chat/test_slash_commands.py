# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest

from node0.commands.chat.chat_state import ChatState
from node0.commands.chat.slash_commands import COMMANDS, HELP, LEAVING, run_slash_command
from node0.errors import ConfigError
from node0.finetune.inference.reply import Answering


@pytest.fixture
def state() -> ChatState:
    return ChatState(Answering())


def test_help_names_every_command_and_every_setting(state: ChatState) -> None:
    assert run_slash_command("/help", state) == run_slash_command("/?", state) == HELP
    assert all(command in HELP for command in (*COMMANDS, LEAVING[0]) if command not in ("/help", "/?"))
    for line in run_slash_command("/set", state).splitlines():
        assert line.split()[0] in HELP


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("/set temperature 0.5", "temperature", 0.5),
        ("/set parameter temperature 0", "temperature", 0),
        ("/set top_p 1", "top_p", 1),
        ("/set top_k 40", "top_k", 40),
        ("/set max_tokens 9", "max_tokens", 9),
        ("/set seed 7", "seed", 7),
        ("/set seed off", "seed", None),
        ("/set stop END OF IT", "stop", ("END OF IT",)),
        ("/set stop off", "stop", ()),
    ],
)
def test_a_setting_draws_the_next_answers(state: ChatState, line: str, name: str, value: Any) -> None:
    run_slash_command(line, state)

    assert getattr(state.how, name) == value


@pytest.mark.parametrize(
    "line",
    ["/set temperature hot", "/set temperature -1", "/set temperature nan", "/set top_p 0", "/set top_k 1.5",
     "/set max_tokens 0", "/set max_tokens", "/set seed x", "/set temprature 1", "/setx", "/nothing"],
)  # fmt: skip
def test_what_cannot_be_is_said_and_changes_nothing(state: ChatState, line: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be|there is no"):
        run_slash_command(line, state)

    assert state.how == Answering()


def test_a_system_prompt_begins_the_conversation_anew(state: ChatState) -> None:
    state.add("hi")

    run_slash_command('/set system "Be short."', state)

    assert (state.system, state.turns) == ("Be short.", [])
    assert "Be short." in run_slash_command("/set", state)


def test_switches_switch(state: ChatState) -> None:
    run_slash_command("/set nohistory", state)
    run_slash_command("/set verbose", state)
    assert (state.history, state.verbose) == (False, True)

    run_slash_command("/set history", state)
    run_slash_command("/set quiet", state)
    assert (state.history, state.verbose) == (True, False)


def test_tools_are_listed_and_clear_forgets(state: ChatState) -> None:
    assert "no tools" in run_slash_command("/tools", state)
    state.tools.append({"name": "Bash", "description": "Run it.", "input_schema": {}})
    state.add("hi")

    assert run_slash_command("/tools", state).split() == ["Bash", "Run", "it."]
    run_slash_command("/clear", state)
    assert state.turns == []
