# SPDX-License-Identifier: Apache-2.0
import io
import sys
from typing import Any

import pytest
from asked_parts import TOO_LONG, ScriptedModel

from node0.commands.chat.converse import converse
from node0.errors import ConfigError
from node0.finetune.inference.reply import Answering

CALL: Any = {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "ls \u2713"}}
Printed = pytest.CaptureFixture[str]


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> Any:
    def run(model: ScriptedModel, *lines: str, system: str = "") -> tuple[str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        assert converse(lambda: model, Answering(), system=system) == 0
        assert model.closed
        return capsys.readouterr()

    return run


def _roles(model: ScriptedModel) -> list[list[str]]:
    return [[turn["role"] for turn in request["messages"]] for request in model.requests]


def test_a_conversation_goes_on_where_it_was(talk: Any) -> None:
    model = ScriptedModel([["Good ", "day."], ["Well.\n"]])

    out, err = talk(model, "hello", "", "how are you?", "/bye", "never read", system="Be short.")

    assert out == "Good day.\nWell.\n"
    assert err == "scripted answers (a script); /help lists commands, /bye leaves\n"
    assert _roles(model) == [["user"], ["user", "assistant", "user"]]
    assert model.requests[1]["system"] == "Be short."
    assert model.requests[1]["messages"][1]["content"] == [{"type": "text", "text": "Good day."}]


def test_a_call_is_shown_and_what_is_typed_next_is_its_result(talk: Any) -> None:
    model = ScriptedModel([["I look.", CALL], ["Empty."]])

    out, _ = talk(model, "what is there?", "/tmp/x")

    assert out == 'I look.\n→ Bash {"command": "ls \u2713"}\nEmpty.\n'
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "/tmp/x"}
    assert model.requests[1]["messages"][-1] == {"role": "user", "content": [result]}


def test_an_error_takes_the_question_back_and_the_chat_goes_on(talk: Any) -> None:
    model = ScriptedModel([["Good day."], [TOO_LONG], ["Well."]])

    out, err = talk(model, "hello", "long", "short")

    assert out == "Good day.\nWell.\n"
    assert err.splitlines()[1:] == [
        f"error: {TOO_LONG}",
        "/clear forgets the conversation so far, /set shows the settings",
    ]
    assert _roles(model)[2] == ["user", "assistant", "user"]


def test_ctrl_c_stops_the_answer_and_keeps_what_was_said(talk: Any) -> None:
    model = ScriptedModel([["Good ", KeyboardInterrupt()], ["Well."], [KeyboardInterrupt()], ["Yes."]])

    out, err = talk(model, "hello", "go on", "nothing comes", "again")

    assert out == "Good \nWell.\nYes.\n"
    assert err.count("stopped") == 2
    assert model.requests[1]["messages"][1]["content"] == [{"type": "text", "text": "Good "}]
    assert _roles(model)[3] == _roles(model)[2]


def test_commands_change_what_follows_and_are_no_messages(talk: Any) -> None:
    model = ScriptedModel([["a"], ["b"]])

    out, err = talk(model, "/set temperature 0", "/nothing", "hi", "/clear", "/set verbose", "hi")

    assert [how.temperature for how in model.hows] == [0, 0]
    assert _roles(model) == [["user"], ["user"]]
    assert "The conversation is forgotten." in out
    assert "error: there is no /nothing; /help lists what there is" in err
    assert "(3 tokens read, 1 written, " in err


def test_what_would_steer_the_terminal_is_shown_and_not_sent(talk: Any) -> None:
    model = ScriptedModel([["a\x1b[2J", "\x9b\tb\n\u00e9"], ["c"]])

    out, _ = talk(model, "hello", "again")

    assert out == "a\\x1b[2J\\x9b\tb\n\u00e9\nc\n"
    assert model.requests[1]["messages"][1]["content"] == [
        {"type": "text", "text": "a\x1b[2J\x9b\tb\n\u00e9"}
    ]


def test_what_a_model_or_a_server_is_called_or_says_beside_words_is_harmless_too(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = {**CALL, "name": "a\x1b[2J", "input": {"x": "\x9b"}}
    model = ScriptedModel([[call], ["b"], [ConfigError("c\x1b[2J; d")]])
    model.name, model.about = "e\x1b", "f\x07"
    prompts: list[str] = []
    typed = iter(["hello", "result", "again"])

    def read(prompt: str) -> str:
        prompts.append(prompt)
        for line in typed:
            return line
        raise EOFError

    monkeypatch.setattr("node0.commands.chat.converse.line_reader", lambda: read)
    out, err = talk(model)

    assert out == '\u2192 a\\x1b[2J {"x": "\\x9b"}\nb\n'
    assert prompts[:2] == [">>> ", "result of a\\x1b[2J> "]
    assert err.splitlines()[0].startswith("e\\x1b answers (f\\x07); ")
    assert err.splitlines()[1] == "error: c\\x1b[2J; d"
    assert model.requests[1]["messages"][1]["content"] == [call]
