# SPDX-License-Identifier: Apache-2.0
import sys
from types import ModuleType

import pytest

from node0 import cli


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A command `thing` that keeps what it was called with and returns 7."""
    seen: list[list[str]] = []
    module = ModuleType("node0_test_thing")
    module.__spec__ = type(sys.__spec__)("node0_test_thing", None)  # type: ignore[arg-type,misc]  # a found module
    module.main = lambda argv: seen.append(argv) or 7  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "node0_test_thing", module)
    monkeypatch.setitem(cli.COMMANDS, "thing", cli.Command("node0_test_thing", "Does a thing."))
    return seen


def test_a_command_gets_the_rest_of_the_line_and_gives_the_exit_code(calls: list[list[str]]) -> None:
    assert cli.main(["--debug", "thing", "list", "--json"]) == 7

    assert calls == [["--debug", "list", "--json"]]


def test_help_names_each_command_and_imports_none(
    calls: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--help"]) == 0

    out = capsys.readouterr().out
    assert all(name in out and command.help in out for name, command in cli.available().items())
    assert calls == []


def test_a_command_whose_module_is_absent_is_not_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "later", cli.Command("node0.run_later", "Not here."))

    assert cli.main(["--help"]) == 0
    assert "later" not in capsys.readouterr().out
    assert cli.main(["later"]) == 2


def test_a_misspelt_command_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["modle", "list"]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert "Did you mean 'model'" in line


def test_without_a_command_the_help_is_shown_and_usage_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage: node0" in captured.err


def test_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0

    assert capsys.readouterr().out.startswith("gastown-finetune 0.")
