# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.dpo.dpo_options import main


@pytest.mark.parametrize("command", ["attach gt-1 entry", "record gt-1"])
def test_a_side_must_be_given(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command.split(), "--town", str(tmp_path)]) == 2
    assert "Missing option" in capsys.readouterr().err
