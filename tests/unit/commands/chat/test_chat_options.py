# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
from typing import Any

import pytest

from node0.commands.chat import chat_options, converse
from node0.console import USAGE


def test_flags_become_a_choice_and_what_is_loaded_is_said_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = []
    opened: list[Any] = []
    monkeypatch.setattr(converse, "converse", lambda *given, **named: found.append((*given, named)) or 0)
    monkeypatch.setattr(chat_options, "open_model", lambda choice, how: opened.append(choice))

    assert chat_options.main(["deacon", "--adapters", "x,y", "--temperature", "0", "--system", "s"]) == 0

    ((choose, how, named),) = found
    choose()
    assert (how.temperature, how.max_tokens, named) == (0, 512, {"system": "s"})
    assert (opened[0].name, opened[0].adapters) == ("deacon", ("x", "y"))
    assert capsys.readouterr().err == "loading deacon\n"


def test_a_chat_needs_a_model_or_a_server() -> None:
    assert chat_options.main([]) == USAGE


def test_a_server_is_asked_without_torch() -> None:
    code = (
        "import sys; from node0 import cli\n"
        "sys.stdin = None\n"
        "print(cli.main(['chat', '--url', 'http://127.0.0.1:9']), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "75 False\n"
    asking, error = done.stderr.splitlines()
    assert asking == "asking http://127.0.0.1:9"
    assert "http://127.0.0.1:9 does not answer (ConnectError)" in error
