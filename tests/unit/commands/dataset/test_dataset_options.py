# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.commands.dataset.dataset_options import main


@pytest.mark.parametrize("command", ["freeze", "show", "diff"])
def test_each_command_needs_to_be_told_a_list(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 2

    assert "Missing argument" in capsys.readouterr().err


def test_the_group_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2

    shown = capsys.readouterr().err
    assert all(name in shown for name in ("freeze", "show", "diff"))
