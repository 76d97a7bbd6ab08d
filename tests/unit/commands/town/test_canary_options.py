# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.town.town_options import main

Output = pytest.CaptureFixture[str]


def test_the_commands_are_named(capsys: Output) -> None:
    assert main(["canary", "--help"]) == 0

    told = capsys.readouterr().out
    assert all(name in told for name in ("start", "status", "check", "stop"))


@pytest.mark.parametrize("share", ["0", "0.6", "most"])
def test_a_share_that_is_none_is_refused(share: str, town_root: Path, capsys: Output) -> None:
    assert main(["canary", "start", "deacon:2", "--share", share, "--town", str(town_root)]) == 2

    assert "--share" in capsys.readouterr().err


def test_a_role_without_a_version_is_told_what_to_do(town_root: Path, capsys: Output) -> None:
    assert main(["canary", "start", "deacon:2", "--town", str(town_root)]) == 1

    assert "deacon" in capsys.readouterr().err
