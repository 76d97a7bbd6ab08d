# SPDX-License-Identifier: Apache-2.0
import pytest

from node0.commands.common_options import command_app
from node0.commands.training_flags import refuse_missing, warn_of_local_mode
from node0.console import USAGE, run


def _called(flags: dict[str, object]) -> int:
    app = command_app()
    app.command()(lambda: refuse_missing(flags, ("role", "corpus_path")))
    return run(app, [], name="train")


def test_flags_that_are_missing_are_a_usage_error_that_spells_them_as_a_person_types_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert _called({"seed": 1}) == USAGE

    line = capsys.readouterr().err
    assert "missing --role, --corpus-path; give them, or --config FILE; see: train --help\n" in line


def test_flags_that_are_all_given_are_let_through(capsys: pytest.CaptureFixture[str]) -> None:
    assert _called({"role": "deacon", "corpus_path": None}) == 0

    assert capsys.readouterr() == ("", "")


def test_local_mode_is_warned_of_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_local_mode()

    assert capsys.readouterr() == (
        "",
        "WARNING: running in local mode: no external auth. NOT for production.\n",
    )
