# SPDX-License-Identifier: Apache-2.0
"""What begins with a slash in a chat: help, settings, tools, a new start."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from node0.commands.chat.chat_state import ChatState
from node0.errors import ConfigError

COMMANDS = ("/help", "/?", "/set", "/tools", "/clear")
LEAVING = ("/bye", "/exit", "/quit")
HELP = """\
/set                  show the settings
/set system TEXT      give a system prompt, and begin anew; without TEXT there is none
/set NAME VALUE       temperature, top_p, top_k, max_tokens, seed (off draws freely), stop (a text, or off)
/set history|nohistory    show the model the turns before, or the last message alone
/set verbose|quiet    tell tokens and seconds after each answer, or not
/tools                list the tools that the model may call; calls are shown, never run
/clear                forget the conversation
/bye                  leave; Ctrl-D does too
Three double quotes begin and end a message of several lines. Ctrl-C stops an answer.
After a call, what you type is given to the model as the tool's result.
"""


def _at_least(low: float, kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = kind(text)
        if not low <= value < float("inf"):
            raise ValueError
        return value

    return read


def _top_p(text: str) -> float:
    value = float(text)
    if not 0 < value <= 1:
        raise ValueError
    return value


def _seed(text: str) -> int | None:
    return None if text == "off" else int(text)


def _stop(text: str) -> tuple[str, ...]:
    return () if text == "off" else (text,)


_SETTINGS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "temperature": (_at_least(0, float), "a number from 0 on; 0 is greedy"),
    "top_p": (_top_p, "a number above 0 and up to 1; 1 is off"),
    "top_k": (_at_least(0, int), "a whole number; 0 is off"),
    "max_tokens": (_at_least(1, int), "a whole number from 1 on"),
    "seed": (_seed, "a whole number, or off"),
    "stop": (_stop, "a text, or off"),
}
_SWITCHES: Mapping[str, tuple[str, bool]] = {
    "history": ("history", True),
    "nohistory": ("history", False),
    "verbose": ("verbose", True),
    "quiet": ("verbose", False),
}


def run_slash_command(line: str, state: ChatState) -> str:
    """Do what the line says; the text to show.

    Raises:
        ConfigError: there is no such command or setting, or the value cannot be.
    """
    command, _, rest = line.strip().partition(" ")
    match command:
        case "/help" | "/?":
            return HELP
        case "/clear":
            state.clear()
            return "The conversation is forgotten.\n"
        case "/tools":
            return _tools(state)
        case "/set":
            return _set(rest.strip(), state)
    raise ConfigError(f"there is no {command}; /help lists what there is")


def _set(text: str, state: ChatState) -> str:
    name, _, value = text.removeprefix("parameter ").strip().partition(" ")
    value = value.strip()
    if not name:
        return _settings(state)
    if name == "system":
        state.system = value.strip('"')
        state.clear()
        return "The system prompt is set, and the conversation begins anew.\n"
    if name in _SWITCHES:
        field, on = _SWITCHES[name]
        setattr(state, field, on)
        return f"{name} is on.\n"
    if name not in _SETTINGS:
        raise ConfigError(f"there is no setting {name[:40]!r}; /set shows them")
    read, rule = _SETTINGS[name]
    try:
        state.how = replace(state.how, **{name: read(value)})
    except (ValueError, OverflowError):
        raise ConfigError(f"{name} cannot be {value[:40]!r}; give {rule}") from None
    return f"{name} is {value}.\n"


def _settings(state: ChatState) -> str:
    how = state.how
    rows = {name: getattr(how, name) for name in _SETTINGS}
    rows["seed"] = "off" if how.seed is None else how.seed
    rows["stop"] = " ".join(how.stop) or "off"
    rows |= {"history": "on" if state.history else "off", "verbose": "on" if state.verbose else "off"}
    rows["system"] = state.system or "none"
    return "".join(f"{name:<12}{value}\n" for name, value in rows.items())


def _tools(state: ChatState) -> str:
    if not state.tools:
        return "The model is told of no tools; a role's profile would name them.\n"
    return "".join(f"{tool['name']:<12}{tool['description']}\n" for tool in state.tools)
