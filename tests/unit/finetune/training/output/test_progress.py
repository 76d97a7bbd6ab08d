# SPDX-License-Identifier: Apache-2.0
import io
import json
import logging
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from node0 import console
from node0.commands.common_options import command_app
from node0.finetune.training.output import metrics
from node0.finetune.training.output.metrics import StepRecord
from node0.finetune.training.output.progress import watching

Printed = pytest.CaptureFixture[str]
FULL = StepRecord(step=3, loss=1.23456, val_loss=2.0, tokens_per_second=12345.6)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is drawn on a terminal."""
    drawn = io.StringIO()
    terminal = Console(file=drawn, force_terminal=True, width=120)
    columns = [
        TextColumn("{task.description} {task.completed:.0f} of {task.total:.0f} ({task.fields[detail]})")
    ]
    monkeypatch.setattr(console, "progress", lambda: Progress(*columns, console=terminal, auto_refresh=False))
    return drawn


def test_without_a_terminal_each_step_is_a_json_line_on_stderr(capsys: Printed) -> None:
    with watching(terminal=False, total=6) as tell:
        tell(StepRecord(step=0, val_loss=3.0), 6)
        tell(FULL, 6)

    out, err = capsys.readouterr()
    first, second = map(json.loads, err.splitlines())
    assert out == ""
    assert (first["step"], first["val_loss"], first["of"], "loss" in first) == (0, 3.0, 6, False)
    assert second == {**FULL.to_dict(), "of": 6}


def test_a_run_that_turns_out_longer_is_told_with_its_new_length(
    capsys: Printed, screen: io.StringIO
) -> None:
    with watching(terminal=False, total=6) as tell:
        tell(FULL, 9)
    with watching(terminal=True, total=6) as tell:
        tell(FULL, 9)

    assert json.loads(capsys.readouterr().err)["of"] == 9
    assert "training 3 of 9" in screen.getvalue()


def test_a_terminal_gets_a_bar_and_no_line(capsys: Printed, screen: io.StringIO) -> None:
    with watching(terminal=True, total=6) as tell:
        tell(FULL, 6)

    assert "training 3 of 6 (loss 1.2346  val 2.0000  12,346 tok/s)" in screen.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        (StepRecord(step=1, skipped=True), ""),
        (StepRecord(step=1, loss=0.0, val_loss=0.0), "loss 0.0000  val 0.0000"),
        (StepRecord(step=1, val_loss=2.5), "val 2.5000"),
    ],
)
def test_the_bar_names_only_what_the_step_had(record: StepRecord, detail: str, screen: io.StringIO) -> None:
    with watching(terminal=True, total=6) as tell:
        tell(record, 6)

    assert f"training 1 of 6 ({detail})" in screen.getvalue()


def _logging_command(*, terminal: bool) -> Callable[[], None]:
    def command() -> None:
        with watching(terminal=terminal, total=6):
            logging.getLogger(metrics.__name__).info("the loss of a step")
            logging.getLogger("node0.another").info("something else")
        logging.getLogger(metrics.__name__).info("after the bar")

    return command


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_of_each_step_are_kept_from_a_bar_and_from_nothing_else(
    terminal: bool, screen: io.StringIO, capsys: Printed
) -> None:
    app = command_app()
    app.command()(_logging_command(terminal=terminal))

    assert console.run(app, [], name="thing") == 0

    # The bar moves what is said while it stands above itself.
    shown = screen.getvalue() + capsys.readouterr().err
    assert "something else" in shown and "after the bar" in shown
    assert ("the loss of a step" in shown) is not terminal


def test_stderr_that_is_a_terminal_gets_the_bar(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # stderr passes for a terminal

    with watching(terminal=True, total=6) as tell:
        tell(FULL, 6)

    out, err = capsys.readouterr()
    assert out == ""
    assert "loss 1.2346" in err
    assert "{" not in err
