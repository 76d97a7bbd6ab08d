# SPDX-License-Identifier: Apache-2.0
import errno
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from node0 import console
from node0.errors import ConfigError, GateRefused, Node0Error, RunInUse


def _run(call: Callable[[], object], *argv: str) -> int:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def only(*, count: int = 0) -> object:
        return call()

    return console.run(app, argv, name="node0 thing")


def _raise(error: BaseException) -> Callable[[], object]:
    def call() -> object:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("no such file: a.yaml; name another with --config"), 1, None),
        (RunInUse("run a is in use"), 75, None),
        (GateRefused("score 0.1 is below 0.5"), 3, None),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x/y"),
            1,
            "error: Permission denied: /x/y; check its owner and mode, or name another place",
        ),
        (
            OSError(errno.EISDIR, "Is a directory", "/x/.y.part", None, "/x/y"),
            1,
            "error: Is a directory: /x/y; check the path, or name another",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: No space left on device; make room, or name another place",
        ),
        (OSError(errno.EIO, "Input/output error", "/x"), 1, "error: Input/output error: /x"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            1,
            "error: torch is not installed; run: pip install 'gastown-finetune[finetune]'",
        ),
        (
            ValueError("two\nlines"),
            1,
            "error: unexpected ValueError: two lines; run again with --debug to see where",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_its_exit_code(
    error: BaseException, code: int, line: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(_raise(error)) == code

    captured = capsys.readouterr()
    assert captured.err == (line or f"error: {error}") + "\n"
    assert captured.out == ""


def test_a_message_of_several_lines_is_folded_into_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(_raise(Node0Error("first\n  second"))) == 1

    assert capsys.readouterr().err == "error: first second\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--cuont", "1"], "No such option: --cuont"),
        (["--count", "one"], "Invalid value for '--count'"),
        (["extra"], "extra"),
    ],
)
def test_a_usage_error_is_one_line_with_the_way_to_the_help(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(lambda: None, *argv) == 2

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert line.endswith("; see: node0 thing --help")


@pytest.mark.parametrize("argv", [["--debug", "--count", "1"], ["--count", "1", "--debug"]])
def test_debug_may_stand_anywhere_and_adds_the_traceback(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(_raise(RunInUse("run a is in use")), *argv) == 75

    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "error: run a is in use"


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), ("text", 0)])
def test_an_integer_that_a_command_returns_is_the_exit_code(result: object, code: int) -> None:
    assert _run(lambda: result) == code


def test_exit_ends_with_its_code() -> None:
    assert _run(_raise(typer.Exit(3))) == 3


def test_json_is_one_document_that_keeps_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"path": Path("a/b"), "text": "é [REDACTED:x]"}]

    console.emit(rows, as_json=True)

    out = capsys.readouterr().out
    assert json.loads(out) == [{"path": "a/b", "text": "é [REDACTED:x]"}]
    assert out.count("\n") == 1


def test_a_table_shows_square_brackets_and_leaves_none_empty(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.emit([{"kind": "[REDACTED:github-token]", "count": None}], as_json=False, title="found")

    out = capsys.readouterr().out
    assert "[REDACTED:github-token]" in out
    assert "None" not in out
    assert "found" in out


def test_a_long_cell_is_not_folded_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    console.emit([{"id": "x" * 300}], as_json=False)

    assert "x" * 300 in capsys.readouterr().out


def test_own_logs_show_from_info_and_other_packages_from_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def call() -> None:
        logging.getLogger("node0.finetune").info("ours")
        logging.getLogger("elsewhere").info("not ours")
        logging.getLogger("elsewhere").warning("a warning")

    _run(call)

    assert capsys.readouterr().err == "ours\na warning\n"


def test_one_loggers_notes_can_be_left_out_and_are_still_heard(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def call() -> None:
        with console.without_notes_of("node0.one"):
            logging.getLogger("node0.one").info("hidden")
            logging.getLogger("node0.two").info("shown")
        logging.getLogger("node0.one").info("shown again")

    _run(call)

    assert capsys.readouterr().err == "shown\nshown again\n"
    assert caplog.messages == ["hidden", "shown", "shown again"]


SCRIPT = """
import sys, typer, warnings
from node0 import console
app = typer.Typer()
@app.command()
def show(rows: int = 1):
    warnings.warn("old name", FutureWarning)
    console.emit([{"id": "[x]"}] * rows, as_json=False, title="rows")
sys.exit(console.run(app, name="show"))
"""


def _process(*argv: str, **more: object) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, *argv], text=True, **more)  # type: ignore[call-overload,no-any-return]  # passed through


def test_a_reader_who_leaves_ends_the_command_in_one_line() -> None:
    process = _process("--rows", "2000", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()

    err = process.stderr.read()

    process.stderr.close()
    assert process.wait() == 0
    assert err == "stopped: nobody reads the output any more\n"


def test_a_closed_stdout_is_one_line_and_a_failure() -> None:
    process = _process(preexec_fn=lambda: os.close(1), stderr=subprocess.PIPE)

    _, err = process.communicate()

    assert process.returncode == 1
    assert err == "error: standard output is closed; redirect it to a file or to /dev/null\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_device_is_one_line_and_a_failure(unbuffered: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        process = _process(stdout=full, stderr=subprocess.PIPE, env=env)

        _, err = process.communicate()

    assert process.returncode == 1
    assert err == "error: No space left on device; make room, or name another place\n"


def test_no_color_leaves_no_escape_code_on_a_terminal() -> None:
    main, terminal = os.openpty()
    with _process(stdout=terminal, env={**os.environ, "NO_COLOR": "1", "TERM": "xterm-256color"}) as process:
        process.wait()
    os.close(terminal)

    shown = os.read(main, 65536)

    os.close(main)
    assert b"[x]" in shown
    assert b"\x1b" not in shown


@pytest.mark.parametrize(("argv", "shown"), [([], False), (["--debug"], True)])
def test_another_packages_warnings_are_silent_unless_debugging(argv: list[str], shown: bool) -> None:
    process = _process(*argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    _, err = process.communicate()

    assert ("old name" in err) is shown


def test_a_process_that_torchrun_started_knows_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
        "TORCHELASTIC_RESTART_COUNT": "2", "TORCHELASTIC_RUN_ID": "x", "MASTER_ADDR": "a", "MASTER_PORT": "7",
    }  # fmt: skip
    assert (console.torchrun(), console.is_rank()) == (None, False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    assert console.torchrun() == console.Torchrun(5, 8, 1, 4, attempt=2, address="a", port=7)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert (console.torchrun(), console.is_rank()) == (None, True)


def test_nothing_is_said_or_printed_while_muted(capsys: pytest.CaptureFixture[str]) -> None:
    with console.muted():
        console.note("note")
        console.emit([{"a": 1}], as_json=False)
        logging.getLogger("node0.x").warning("log")
    console.note("after")

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "after\n")


def test_a_command_can_leave_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(lambda: console.leave(75)) == 75
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RunInUse("a"), 75),
        (KeyboardInterrupt(), 130),
        (typer.Exit(3), 3),
        (SystemExit(), 1),
        (ValueError(), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_exit_code_of_an_error_is_known_beforehand(error: BaseException, code: int) -> None:
    assert console.exit_code(error) == code


def test_a_long_table_looks_as_a_short_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"NAME": f"n{number}", "WORDS": text} for number, text in enumerate(["日本", None, "", "[red]x", 3.5])
    ]

    console.emit(rows, as_json=False)
    short = capsys.readouterr().out
    monkeypatch.setattr(console, "LONG_TABLE", 1)
    console.emit(rows, as_json=False)

    assert capsys.readouterr().out == short


@pytest.mark.parametrize("rows", [3, 300], ids=["short", "long"])
def test_a_table_of_many_wide_columns_stays_within_eighty(
    rows: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    wide = {f"COLUMN {number}": f"value-{number}-" * number for number in range(1, 9)}

    console.emit([wide] * rows, as_json=False, title="Wide")

    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = "".join("".join(line.split("│")) for line in lines).replace(" ", "")
    assert "value-8-" in text


def test_a_question_goes_to_stderr_and_an_empty_line_takes_the_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("  an answer \n\n"))

    assert (console.ask("Base", default="x"), console.ask("Base", default="x")) == ("an answer", "x")

    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.count("Base [x]:") == 2


def test_nobody_answers_where_no_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not console.can_ask()

    monkeypatch.setattr(sys, "stdin", None)
    assert not console.can_ask()


class InTheMiddle:
    """A stderr that a signal interrupts in the middle of a write."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, _: str) -> int:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    def fileno(self) -> int:
        """Of the file below."""
        return self._descriptor


def test_a_signal_in_the_middle_of_a_write_is_answered_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    monkeypatch.setattr(sys, "stderr", InTheMiddle(writing))

    console.note_from_signal("finishing step 3\x1b")

    os.close(writing)
    with os.fdopen(reading, "rb") as end:
        assert end.read() == b"finishing step 3\\x1b\n"


def test_no_records_are_no_table_and_an_empty_list_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit([], as_json=False)
    assert capsys.readouterr().out == ""

    console.emit([], as_json=True)
    assert capsys.readouterr().out == "[]\n"
