# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from node0.commands.measure.measure_options import main

Printed = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "--run"),
        (["--run", "x", "--limit", "0"], "--limit"),
        (["--run", "x", "--max-tokens", "0"], "--max-tokens"),
    ],
)
def test_flags_that_make_no_sense_are_a_usage_error(flags: list[str], said: str, capsys: Printed) -> None:
    assert main(["base", *flags]) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_directory_that_is_no_run_is_one_line(tmp_path: Path, capsys: Printed) -> None:
    assert main(["base", "--run", str(tmp_path)]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert "config.resolved.yaml" in line
