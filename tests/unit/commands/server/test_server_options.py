# SPDX-License-Identifier: Apache-2.0
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node0.run_server import main

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """The command takes SIGTERM; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_two_names_of_a_run_are_a_usage_error_at_once(tmp_path: Path, capsys: Printed) -> None:
    loaded = set(sys.modules)

    assert main(["--run", str(tmp_path), "--run-config", str(tmp_path / "run.json")]) == 2

    assert "--run and --run-config both name a run; give one" in capsys.readouterr().err
    assert "node0.server.node0_server" not in set(sys.modules) - loaded


def test_a_flag_that_only_the_trainer_uses_is_not_in_the_help(capsys: Printed) -> None:
    assert main(["--help"]) == 0

    shown = capsys.readouterr().out
    assert "--local-stage" in shown
    assert "--parent" not in shown


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--metrics-port", "70000"], 2, "--metrics-port"),
        (["--threads", "0"], 2, "--threads"),
        (["--run", "nowhere"], 1, "nowhere"),
        ([], 1, "--local-mode"),
        (["--local-mode"], 2, "say what to hold: --local-stage STAGE, or --identity-path of a spare"),
    ],
)
def test_what_cannot_be_is_refused(flags: list[str], code: int, said: str, capsys: Printed) -> None:
    assert main([*flags, "--device", "cpu"]) == code

    assert said in capsys.readouterr().err.splitlines()[-1]
