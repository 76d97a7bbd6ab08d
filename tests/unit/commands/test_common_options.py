# SPDX-License-Identifier: Apache-2.0
import pytest

from node0 import console
from node0.commands.common_options import TownOption, command_app, names_in


def test_a_group_without_a_command_shows_its_help_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    app = command_app(help="Two things.", is_group=True)
    for name in ("one", "two"):
        app.command(name)(lambda: None)

    assert console.run(app, [], name="things") == console.USAGE

    assert "Two things." in capsys.readouterr().err


def test_a_single_command_runs_without_arguments_and_its_help_has_no_completion_options(
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = command_app()

    @app.command()
    def thing(town: TownOption = None) -> None:
        console.write(f"{town}\n")

    assert console.run(app, [], name="thing") == 0
    assert capsys.readouterr().out == "None\n"
    assert console.run(app, ["--help"], name="thing") == 0
    shown = capsys.readouterr().out
    assert "default: found from here" in shown
    assert "completion" not in shown


def test_names_stand_between_commas() -> None:
    assert names_in("a,, ./b ,c") == ("a", "./b", "c")
    assert names_in("") == ()
