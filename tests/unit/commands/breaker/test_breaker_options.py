# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.breaker.breaker_options import main


def test_a_wrong_outcome_and_a_missing_reason_are_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--town", str(tmp_path)]

    assert main(["record", "dm:1", "--session", "s", "--outcome", "meh", *at]) == 2
    assert "meh" in capsys.readouterr().err
    assert main(["reset", "dm:1", *at]) == 2
    assert "--reason" in capsys.readouterr().err
